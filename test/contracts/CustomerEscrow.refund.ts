import { expect } from "chai";
import { MaxUint256 } from "ethers";
import {
  addMembers,
  bindAccounts,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  sender,
  walletOf,
} from "../worlds/contracts.ts";
import { collect, GATEWAY, ltk, MAX_96 } from "./support/customers.ts";
import {
  finalizeEpoch,
  ltkTree,
  NO_CONTRIBUTIONS,
  pendingReport,
  type Report,
  type Staffed,
} from "./support/epochs.ts";
import {
  type InvoiceLine,
  type InvoiceOpening,
  type InvoiceTable,
  invoiceTreeOf,
  tableOf,
} from "./support/invoices.ts";

/** Customers in the order of their addresses; each has paid 10 LTK for epoch 1. */
const CUSTOMERS = ["a", "b", "c", "d", "e"]
  .map((name) => walletOf(`customer ${name}`).address)
  .sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
const [FIRST, SECOND, THIRD, FOURTH, LAST] = CUSTOMERS as [string, string, string, string, string];
const PAID = 10;

/** Five customers have paid for epoch 1; three members, one account. */
async function paidOne(): Promise<Staffed> {
  const world = await from(deployedWorld);
  const { escrow, token, admission, customer } = world;
  await token.connect(customer).approve(escrow, MaxUint256);
  for (const address of CUSTOMERS) {
    await escrow.connect(admission).admit(address);
    await escrow.connect(await sender(world, address)).setKey(GATEWAY, MAX_96);
    await escrow.connect(customer).depositFor(address, ltk(PAID));
  }
  const accounts = await bindAccounts(world, 1);
  const members = await addMembers(world, 3, 3);
  await goTo(world, GENESIS);
  for (const address of CUSTOMERS) await collect(world, 1, PAID, { customer: address });
  return { ...world, accounts, members };
}

const line = (customer: string, device: number, amount: number) => ({
  customer,
  device: `0x${device.toString(16).padStart(40, "0")}`,
  value: ltk(amount),
  ceiling: MAX_96,
});

/** The second customer had two lines of 6 LTK in all, the fourth one of 9; the others had none. */
const INVOICES = invoiceTreeOf([line(SECOND, 1, 2), line(SECOND, 2, 4), line(FOURTH, 1, 9)]);
/** What counted less the fee of a tenth. */
const EARNED = 13.5;

type Settled = Staffed & { readonly report: Report };

async function settledOne(): Promise<Settled> {
  return settled(await from(paidOne), INVOICES);
}

async function settled(world: Staffed, table: InvoiceTable, earned = EARNED): Promise<Settled> {
  const shape = { invoiceRoot: table.root, contributions: table.lines.length };
  return { ...world, report: await finalizeEpoch(world, ltkTree(world.accounts, [earned]), shape) };
}

const refund = ({ escrow, bystander }: Staffed, customer: string, openings: InvoiceOpening[]) =>
  escrow.connect(bystander).refund(1, customer, openings);

describe("CustomerEscrow", () => {
  describe("settle", () => {
    it("pays what was earned and the fee, and keeps the rest of the fund for refunds", async () => {
      const world = await from(paidOne);
      const { connection, escrow, token, distributor, quorum } = world;
      const shape = { invoiceRoot: INVOICES.root, contributions: 3 };
      const report = await pendingReport(world, ltkTree(world.accounts, [EARNED]), shape);
      await goTo(world, (await world.ledger.proposal()).finalizableAt);
      const supply = await token.totalSupply();
      const finalizing = world.ledger.finalize(report);
      await expect(finalizing)
        .to.emit(escrow, "EpochSettled")
        .withArgs(1, ltk(EARNED), ltk(1.5), ltk(1.5), ltk(35));
      await expect(finalizing).to.changeTokenBalances(
        connection.ethers,
        token,
        [escrow, distributor, quorum],
        [-ltk(15), ltk(EARNED), ltk(1.5)],
      );
      expect(await token.totalSupply()).to.equal(supply);
      expect(await escrow.epochAccountOf(1)).to.deep.equal([
        ltk(50),
        ltk(35),
        3n,
        true,
        INVOICES.root,
      ]);
    });

    it("burns the part of the fee that no signer earned", async () => {
      const world = await from(paidOne);
      const { token, quorum, governance, escrow } = world;
      // A fourth seat from epoch 2 on, whose holder does not sign.
      await quorum.connect(governance).addMember(walletOf("fourth"), 3);
      await goTo(world, sealTimeOf(2));
      const supply = await token.totalSupply();
      await settled(world, INVOICES);
      const credited = 3n * (ltk(1.5) / 4n);
      expect(await token.totalSupply()).to.equal(supply - (ltk(1.5) - credited));
      expect((await escrow.epochAccountOf(1)).refundable).to.equal(ltk(35));
    });

    it("is the ledger's alone", async () => {
      const { escrow, governance } = await from(paidOne);
      const settling = escrow.connect(governance).settle(1, 0, 0, 0, INVOICES.root, 3);
      await expect(settling).to.be.revertedWithCustomError(escrow, "NotLedger");
      await expect(escrow.connect(governance).close(0)).to.be.revertedWithCustomError(
        escrow,
        "NotLedger",
      );
    });
  });

  describe("refund", () => {
    it("puts back what a customer paid and did not count, shown by its last line", async () => {
      const world = await from(settledOne);
      const { escrow, token } = world;
      const refunding = refund(world, SECOND, [INVOICES.openingAt(1), INVOICES.openingAt(2)]);
      await expect(refunding).to.emit(escrow, "Refunded").withArgs(SECOND, 1, ltk(4));
      await expect(refunding).to.changeTokenBalance(world.connection.ethers, token, escrow, 0);
      expect(await escrow.balanceOf(SECOND)).to.equal(ltk(4));
      expect(await escrow.isRefunded(SECOND, 1)).to.equal(true);
      await refund(world, FOURTH, [INVOICES.openingAt(2)]);
      expect(await escrow.balanceOf(FOURTH)).to.equal(ltk(1));
      expect((await escrow.epochAccountOf(1)).refundable).to.equal(ltk(30));
    });

    it("gives everything back to a customer without a line, wherever its lines would stand", async () => {
      const world = await from(settledOne);
      await refund(world, FIRST, [INVOICES.openingAt(0)]);
      await refund(world, THIRD, [INVOICES.openingAt(1), INVOICES.openingAt(2)]);
      await refund(world, LAST, [INVOICES.openingAt(2)]);
      for (const customer of [FIRST, THIRD, LAST]) {
        expect(await world.escrow.balanceOf(customer)).to.equal(ltk(PAID));
      }
    });

    it("leaves nothing but rounding when all took theirs", async () => {
      const world = await from(settledOne);
      for (const customer of CUSTOMERS) {
        await refund(world, customer, INVOICES.openingsOf(customer));
      }
      const { escrow, token } = world;
      expect((await escrow.epochAccountOf(1)).refundable).to.equal(0);
      const balances = await Promise.all(CUSTOMERS.map((customer) => escrow.balanceOf(customer)));
      const owed = balances.reduce((sum, balance) => sum + balance, 0n);
      expect(await token.balanceOf(escrow)).to.equal(owed);
      expect(owed).to.equal(ltk(35));
    });

    it("is taken once", async () => {
      const world = await from(settledOne);
      await refund(world, FIRST, [INVOICES.openingAt(0)]);
      await expect(refund(world, FIRST, [INVOICES.openingAt(0)]))
        .to.be.revertedWithCustomError(world.escrow, "AlreadyRefunded")
        .withArgs(FIRST, 1);
    });

    it("gives nothing to one who paid no more than counted, or nothing", async () => {
      const world = await from(paidOne);
      const table = invoiceTreeOf([line(SECOND, 1, 10), line(FOURTH, 1, 12)]);
      await settled(world, table, 18);
      const { escrow, stranger } = world;
      for (const customer of [SECOND, FOURTH, stranger.address]) {
        await expect(refund(world, customer, table.openingsOf(customer)))
          .to.emit(escrow, "Refunded")
          .withArgs(customer, 1, 0);
      }
      expect((await escrow.epochAccountOf(1)).refundable).to.equal(ltk(30));
    });

    it("needs no opening when the epoch has no lines, and takes none", async () => {
      const world = await from(paidOne);
      await finalizeEpoch(world, ltkTree(world.accounts, [0]), NO_CONTRIBUTIONS);
      await expect(refund(world, FIRST, [INVOICES.openingAt(0)]))
        .to.be.revertedWithCustomError(world.escrow, "InvalidOpening")
        .withArgs(0);
      await refund(world, FIRST, []);
      expect(await world.escrow.balanceOf(FIRST)).to.equal(ltk(PAID));
    });

    it("refuses lines that do not show where the customer's end", async () => {
      const world = await from(settledOne);
      const [a, b, c] = [0, 1, 2].map(INVOICES.openingAt) as [
        InvoiceOpening,
        InvoiceOpening,
        InvoiceOpening,
      ];
      const wrong: readonly (readonly [string, InvoiceOpening[]])[] = [
        [SECOND, []],
        [SECOND, [a, b, c]],
        [SECOND, [b, c, a]],
        [LAST, [c, a, b]],
        // Not the last of its lines.
        [SECOND, [a, b]],
        [SECOND, [a]],
        [SECOND, [b]],
        // Not neighbours, or in the wrong order.
        [SECOND, [a, c]],
        [SECOND, [c, b]],
        [SECOND, [b, b]],
        // One line, but neither the first after it nor the last before it.
        [THIRD, [b]],
        [THIRD, [c]],
        [FIRST, [b]],
        [LAST, [b]],
        [FIRST, [a, b]],
        [LAST, [b, c]],
        [FOURTH, [b, c]],
      ];
      for (const [customer, openings] of wrong) {
        await expect(
          refund(world, customer, openings),
          `${CUSTOMERS.indexOf(customer)}: ${openings.map(({ position }) => position)}`,
        ).to.be.revertedWithCustomError(world.escrow, "InvalidOpening");
      }
    });

    it("refuses neighbours of which the later stands first, in a table that is not sorted", async () => {
      const lines = INVOICES.lines.toReversed();
      const world = await settled(await from(paidOne), tableOf(lines));
      const [fourth, second] = [0, 1].map(tableOf(lines).openingAt) as [
        InvoiceOpening,
        InvoiceOpening,
      ];
      await expect(refund(world, SECOND, [second, fourth]))
        .to.be.revertedWithCustomError(world.escrow, "InvalidOpening")
        .withArgs(1);
    });

    it("refuses a line that is not the table's, at another position, or with another proof", async () => {
      const world = await from(settledOne);
      const last = INVOICES.openingAt(2);
      const changed = (change: Partial<InvoiceLine>) => ({
        ...last,
        line: { ...last.line, ...change },
      });
      for (const opening of [
        changed({ subtotal: 0n }),
        changed({ customer: THIRD }),
        changed({ above: 1 }),
        changed({ ceiling: 1n }),
        { ...last, position: 3 },
        { ...last, proof: last.proof.slice(1) },
        { ...last, proof: [...last.proof, last.proof[0] ?? ""] },
      ]) {
        await expect(refund(world, LAST, [opening]))
          .to.be.revertedWithCustomError(world.escrow, "InvalidOpening")
          .withArgs(opening.position);
      }
    });

    it("refuses an epoch that is not final", async () => {
      const world = await from(paidOne);
      await expect(refund(world, FIRST, []))
        .to.be.revertedWithCustomError(world.escrow, "EpochNotSettled")
        .withArgs(1);
    });

    it("thaws like any other money: devices of the running epoch are protected", async () => {
      const world = await from(settledOne);
      const { escrow } = world;
      await refund(world, FIRST, [INVOICES.openingAt(0)]);
      const own = escrow.connect(await sender(world, FIRST));
      await expect(own.withdraw()).to.be.revertedWithCustomError(escrow, "NothingThawing");
      await own.thaw(ltk(PAID));
      await expect(own.withdraw()).to.be.revertedWithCustomError(escrow, "StillThawing");
    });

    it("takes at most fund less delta less fee on a wrong final table: other epochs are not touched", async () => {
      const world = await from(paidOne);
      const { escrow, token } = world;
      await goTo(world, sealTimeOf(1));
      // Nothing counted for anybody, says the table; 13.5 LTK were earned, says the report.
      const zero = { ...INVOICES.openingAt(0).line, value: 0n, subtotal: 0n };
      const wrong = tableOf([zero]);
      await settled(world, wrong);
      for (const customer of CUSTOMERS) {
        await refund(world, customer, wrong.openingsOf(customer));
      }
      const balances = await Promise.all(CUSTOMERS.map((customer) => escrow.balanceOf(customer)));
      expect(balances.map((balance) => balance / ltk(0.5))).to.deep.equal([20n, 20n, 20n, 10n, 0n]);
      expect((await escrow.epochAccountOf(1)).refundable).to.equal(0);
      expect(await token.balanceOf(escrow)).to.equal(ltk(35));
    });

    it("goes back to the programme for one who was an inspector in that epoch", async () => {
      const world = await from(deployedWorld);
      const { escrow, token, programme, governance, admission } = world;
      await escrow.connect(admission).admit(FIRST);
      await escrow.connect(await sender(world, FIRST)).setKey(GATEWAY, MAX_96);
      await programme.connect(governance).addInspector(FIRST);
      const accounts = await bindAccounts(world, 1);
      const members = await addMembers(world, 3, 3);
      await goTo(world, GENESIS);
      const held = await token.balanceOf(programme);
      await collect(world, 1, 100, { customer: FIRST });
      await programme.connect(governance).removeInspector(FIRST);
      expect(await token.balanceOf(programme)).to.equal(held - ltk(100));
      const staffed = { ...world, accounts, members };
      const table = invoiceTreeOf([line(FIRST, 1, 60)]);
      await settled(staffed, table, 54);
      await refund(staffed, FIRST, table.openingsOf(FIRST));
      expect(await token.balanceOf(programme)).to.equal(held - ltk(60));
      expect(await escrow.balanceOf(FIRST)).to.equal(0);
    });
  });
});
