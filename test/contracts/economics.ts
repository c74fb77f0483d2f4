import { at as itemAt } from "@link-rewards/core/encoding/at";
import { ceilingOf, countedOf, earnedOf, feeOf, sumOf } from "@link-rewards/core/epoch/value";
import { readDeploymentParameters } from "@nomicfoundation/hardhat-ignition/helpers";
import { expect } from "chai";
import { id, isCallException, MaxUint256, parseEther, ZeroHash } from "ethers";
import fc from "fast-check";
import hre from "hardhat";
import { deploySuite, type SuiteParameters } from "../../scripts/deployment.ts";
import {
  bindDevice,
  GENESIS,
  goTo,
  parametersFor,
  sender,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { type InvoiceTable, invoiceTreeOf } from "./support/invoices.ts";
import { honestTree } from "./support/reward-tree.ts";
import { signFor } from "./support/signing.ts";

/**
 * Nobody gains by signing with himself: whatever customers and devices that work together sign, pay, thaw, cap and take
 * back, they end with what they began with, less what was spent, plus what others bought of their devices. Played on the
 * contracts, with each parameter set that is shipped.
 */

/** Each run plays some epochs on the chain; `ECONOMICS_RUNS` plays more of them. */
const RUNS = Number(process.env.ECONOMICS_RUNS ?? 20);
const EPOCHS = 3;
const SHIPPED = ["localhost", "custom"] as const;

/** The first two customers and the first two devices belong together; the rest are strangers to them. */
const FRIENDS = 2;
const HONEST = 2;
const INSPECTOR = 3;
const CUSTOMERS = ["first friend", "second friend", "honest customer", "inspector"].map(walletOf);
const KEYS = CUSTOMERS.map(({ address }) => walletOf(`key of ${address}`));
const DEVICES = ["friendly device 0", "friendly device 1", "device 2", "device 3"].map(walletOf);
const ACCOUNTS = DEVICES.map(({ address }) => walletOf(`account of ${address}`));
const START = parseEther("1000");

type Line = { readonly customer: number; readonly device: number; readonly value: bigint };

const amount = fc.bigInt({ min: 0n, max: 2n * START });
const friend = fc.integer({ min: 0, max: FRIENDS - 1 });
const anyDevice = fc.integer({ min: 0, max: DEVICES.length - 1 });

const move = fc.record({
  when: fc.constantFrom("running", "grace", "sealed"),
  who: friend,
  what: fc.constantFrom("pay", "pay", "thaw", "withdraw", "cap", "next", "last", "refund"),
  amount,
});

const plan = fc.record({
  /** What the friends sign, with each other's devices and with those of strangers. */
  signed: fc.array(fc.record({ customer: friend, device: anyDevice, value: amount }), {
    maxLength: 8,
  }),
  /** What the honest customer and the inspector really received, and are willing to pay. */
  bought: fc.array(
    fc.record({
      customer: fc.constantFrom(HONEST, INSPECTOR),
      device: anyDevice,
      value: fc.bigInt({ min: 0n, max: START / 10n }),
    }),
    { maxLength: 6 },
  ),
  moves: fc.array(move, { maxLength: 10 }),
  changesInspectors: fc.boolean(),
});

type Plan = typeof plan extends fc.Arbitrary<infer P> ? P : never;

const IDLE: Plan = { signed: [], bought: [], moves: [], changesInspectors: false };

describe("The economics", () => {
  for (const name of SHIPPED) {
    it(`with the parameters of ${name}.json5, no friends end with more than they began with`, async function () {
      this.timeout(0);
      const world = await worldOf(name);
      const { networkHelpers } = world.connection;
      const beginning = await networkHelpers.takeSnapshot();
      await fc.assert(
        fc.asyncProperty(
          fc.array(plan, { minLength: EPOCHS, maxLength: EPOCHS }),
          async (plans) => {
            await beginning.restore();
            // What was paid in the last moment of an epoch is for the next: that must be settled too.
            await play(world, [...plans, IDLE]);
          },
        ),
        { numRuns: RUNS, endOnFailure: true },
      );
    });
  }
});

/** Of three members two sign: a third of each fee is nobody's. */
const MEMBERS = ["member a", "member b", "member c"].map(walletOf);
const SIGNERS = MEMBERS.slice(0, 2);

type Market = World & { readonly parameters: SuiteParameters };

/** A chain with everybody bound, admitted and funded, in epoch 1. */
async function worldOf(name: (typeof SHIPPED)[number]): Promise<Market> {
  const connection = await hre.network.create({
    override: { initialDate: new Date(1000 * (GENESIS - 1_000_000)) },
  });
  const signers = await connection.ethers.getSigners();
  const { LinkRewards } = await readDeploymentParameters(`ignition/parameters/${name}.json5`);
  const shipped = Object.fromEntries(
    Object.entries(LinkRewards ?? {}).filter(([key]) => !/^genesis$|^rulesHash$/.test(key)),
  );
  const { governance, guardian, manufacturer, admission, treasury, ...own } =
    parametersFor(signers);
  const parameters: SuiteParameters = {
    ...own,
    ...shipped,
    genesis: GENESIS,
    governance,
    guardian,
    manufacturer,
    admission,
    treasury,
  };
  const { suite } = await deploySuite(connection, parameters);
  const [deployer, gov, guard, maker, admitter, chest, bystander, customer, stranger] = signers;
  const world = {
    connection,
    ...suite,
    deployer,
    governance: gov,
    guardian: guard,
    manufacturer: maker,
    admission: admitter,
    treasury: chest,
    bystander,
    customer,
    stranger,
    parameters,
  } as Market;
  await settleIn(world);
  return world;
}

async function settleIn(world: Market): Promise<void> {
  const { token, escrow, quorum, programme, governance, admission, treasury, parameters } = world;
  await token.connect(treasury).approve(quorum, MaxUint256);
  for (const [i, member] of MEMBERS.entries()) {
    await quorum.connect(governance).addMember(member, Math.min(i + 1, SIGNERS.length));
    await quorum.connect(treasury).depositBond(member, parameters.minimumBond);
  }
  for (const [i, device] of DEVICES.entries()) {
    await bindDevice(world, device, itemAt(ACCOUNTS, i).address);
  }
  for (const [i, customer] of CUSTOMERS.entries()) {
    await escrow.connect(admission).admit(customer);
    const own = await sender(world, customer.address);
    await escrow.connect(own).setKey(itemAt(KEYS, i), START * 100n);
    if (i === INSPECTOR) continue;
    await token.connect(treasury).transfer(customer, START);
    await token.connect(own).approve(escrow, MaxUint256);
    await escrow.connect(own).deposit(START);
  }
  await programme.connect(governance).addInspector(itemAt(CUSTOMERS, INSPECTOR));
  await goTo(world, GENESIS);
}

async function play(world: Market, plans: readonly Plan[]): Promise<void> {
  const book = { spent: 0n, earned: 0n, issued: 0n, released: 0n, fees: 0n, rows: 0n };
  const supply = await world.token.totalSupply();
  tables.clear();
  for (const [i, epochPlan] of plans.entries()) await playEpoch(world, i + 1, epochPlan, book);
  for (let epoch = 1; epoch <= plans.length; epoch++) {
    for (const customer of CUSTOMERS) await refund(world, epoch, customer.address);
  }
  await withdrawAll(world);
  const { token } = world;
  let end = 0n;
  for (const friendly of [...CUSTOMERS.slice(0, FRIENDS), ...ACCOUNTS.slice(0, FRIENDS)]) {
    end += await token.balanceOf(friendly);
  }
  const before = BigInt(FRIENDS) * START;
  expect(end, "what the friends end with").to.equal(before - book.spent + book.earned);
  expect(end <= before + book.earned, "nothing out of nowhere").to.equal(true);
  await expectNothingLost(world, supply, book);
}

/** In wei: what the friends spent and earned, what counted of the programme's purchases, and the epochs' sums. */
type Book = {
  spent: bigint;
  earned: bigint;
  issued: bigint;
  released: bigint;
  fees: bigint;
  rows: bigint;
};

/** What each epoch came to, to open refunds. */
const tables = new Map<number, InvoiceTable>();

async function playEpoch(world: Market, epoch: number, plan: Plan, book: Book): Promise<void> {
  const { parameters, escrow, ledger, programme, governance } = world;
  const end = parameters.genesis + epoch * parameters.epochSeconds;
  const seal = end + parameters.graceSeconds;
  if (plan.changesInspectors) {
    const inspector = itemAt(CUSTOMERS, INSPECTOR);
    const isIn = await programme.isInspectorAt(inspector, epoch + 1);
    const governed = programme.connect(governance);
    await (isIn ? governed.removeInspector(inspector) : governed.addInspector(inspector));
  }
  const lines = linesOf([...plan.signed, ...plan.bought]);
  await goTo(world, end - parameters.epochSeconds + parameters.graceSeconds + 1);
  await makeMoves(world, epoch, plan, "running");
  await goTo(world, end);
  await makeMoves(world, epoch, plan, "grace");
  for (const buyer of [HONEST, INSPECTOR]) {
    const owed = sumOf(lines.filter(({ customer }) => customer === buyer).map((l) => l.value));
    // More than is owed comes back.
    if (owed > 0n) await attempt(() => pay(world, buyer, epoch, 2n * owed));
  }
  await goTo(world, seal);
  await makeMoves(world, epoch, plan, "sealed");

  const { feeBps } = await ledger.tariffAt(epoch);
  const invoice: Parameters<typeof invoiceTreeOf>[0][number][] = [];
  const earnedBy = ACCOUNTS.map(() => 0n);
  for (const [customer, { address }] of CUSTOMERS.entries()) {
    const own = lines.filter((line) => line.customer === customer);
    const paid = await escrow.paid(address, epoch);
    const ceiling = ceilingOf(
      own.map(({ value }) => value),
      paid,
    );
    for (const { device, value } of own) {
      const counted = countedOf(value, ceiling);
      const floor = paid / BigInt(own.length);
      // Smallest bills first: over-signing to others leaves each line its equal part.
      expect(counted >= (value < floor ? value : floor), "an equal part at least").to.equal(true);
      const earned = earnedOf(counted, Number(feeBps));
      earnedBy[device] = itemAt(earnedBy, device) + earned;
      if (customer < FRIENDS) book.spent += counted;
      // Without a balance, an inspector pays nothing but what the programme does.
      if (customer === INSPECTOR) book.issued += counted;
      if (device < FRIENDS) book.earned += earned;
      invoice.push({
        customer: address,
        device: itemAt(DEVICES, device).address,
        value,
        ceiling,
      });
    }
  }
  const table = invoiceTreeOf(invoice);
  tables.set(epoch, table);
  const delta = sumOf(earnedBy);
  book.released += delta;
  book.fees += feeOf(delta, Number(feeBps));
  book.rows += BigInt(invoice.length);
  await finalizeTable(world, epoch, earnedBy, invoice.length, table.root);
}

/** One line for each (customer, device): the newest receipt replaces those before it. */
function linesOf(receipts: readonly Line[]): readonly Line[] {
  const newest = new Map<string, Line>();
  for (const line of receipts) newest.set(`${line.customer}/${line.device}`, line);
  return [...newest.values()];
}

async function makeMoves(
  world: Market,
  epoch: number,
  { moves }: Plan,
  when: Plan["moves"][number]["when"],
): Promise<void> {
  const { escrow } = world;
  for (const { who, what, amount: wei, when: due } of moves) {
    if (due !== when) continue;
    const own = await sender(world, itemAt(CUSTOMERS, who).address);
    const mine = escrow.connect(own);
    const key = itemAt(KEYS, who);
    await attempt(async () => {
      switch (what) {
        case "pay":
          return pay(world, who, epoch, wei);
        case "next":
          return pay(world, who, epoch + 1, wei);
        case "last":
          return pay(world, who, epoch - 1, wei);
        case "thaw":
          return mine.thaw(wei / 4n);
        case "withdraw":
          return mine.withdraw();
        case "cap":
          return mine.setKey(key, wei === 0n ? 1n : wei);
        case "refund":
          return refund(world, epoch - 1, own.address);
      }
    });
  }
}

/** What the contracts refuse is no gain. */
async function attempt(sent: () => Promise<unknown>): Promise<void> {
  try {
    await sent();
  } catch (error) {
    const isRevert = isCallException(error as Error) || /revert/.test(String(error));
    if (!isRevert) throw error;
  }
}

async function pay(world: Market, customer: number, epoch: number, wei: bigint): Promise<unknown> {
  const { escrow, bystander } = world;
  const voucher = { customer: itemAt(CUSTOMERS, customer).address, epoch, amount: wei };
  const signature = await signFor(escrow, "Voucher", voucher, itemAt(KEYS, customer));
  return escrow.connect(bystander).collect([voucher], [signature]);
}

async function finalizeTable(
  world: Market,
  epoch: number,
  earnedBy: readonly bigint[],
  rows: number,
  invoiceRoot: string,
): Promise<void> {
  const { ledger, distributor, bystander } = world;
  const last = await ledger.lastFinal();
  const before = await Promise.all(ACCOUNTS.map((account) => distributor.claimed(account)));
  const tree = honestTree(
    ACCOUNTS.map(({ address }) => address),
    ACCOUNTS.map((_, i) => itemAt(before, i) + itemAt(earnedBy, i)),
  );
  const report = {
    epoch,
    attempt: 0,
    prevRoot: last.root,
    root: tree.root,
    contributionRoot: rows === 0 ? ZeroHash : id(`contributions of ${epoch}`),
    invoiceRoot,
    contributions: rows,
    total: tree.total,
    bundleHash: id(`bundle of ${epoch}`),
    rulesHash: await ledger.rulesAt(epoch),
  };
  const signatures = await Promise.all(
    SIGNERS.map((member) => signFor(ledger, "Report", report, member)),
  );
  await ledger.connect(bystander).propose(report, signatures);
  await goTo(world, (await ledger.proposal()).finalizableAt);
  await ledger.connect(bystander).finalize(report);
  // Everything is claimed at once, so what was claimed is what was earned before.
  const claims = ACCOUNTS.map((_, index) => {
    const { leaf, proof } = tree.openingAt(index);
    return { epoch, index, ...leaf, proof };
  });
  await distributor.connect(bystander).claim(claims);
}

async function refund(world: Market, epoch: number, customer: string): Promise<void> {
  const table = tables.get(epoch);
  if (table === undefined || (await world.escrow.isRefunded(customer, epoch))) return;
  await world.escrow.connect(world.bystander).refund(epoch, customer, table.openingsOf(customer));
}

async function withdrawAll(world: Market): Promise<void> {
  const { escrow, parameters } = world;
  let last = 0;
  for (const { address } of CUSTOMERS.slice(0, INSPECTOR)) {
    const own = await sender(world, address);
    const { amount: thawing } = await escrow.thawOf(address);
    const rest = (await escrow.balanceOf(address)) - thawing;
    if (rest > 0n) await escrow.connect(own).thaw(rest);
    last = await world.connection.networkHelpers.time.latest();
  }
  await goTo(world, last + parameters.thawSeconds + 1);
  for (const { address } of CUSTOMERS.slice(0, INSPECTOR)) {
    if ((await escrow.balanceOf(address)) === 0n) continue;
    await escrow.connect(await sender(world, address)).withdraw();
  }
}

/** Whatever went in is somewhere: only the part of the fee that no signer earned is burned. */
async function expectNothingLost(world: Market, supply: bigint, book: Book): Promise<void> {
  const { token, escrow, quorum, distributor, programme, parameters } = world;
  const fees = await Promise.all(MEMBERS.map((_, slot) => quorum.feesOf(slot)));
  const credited = sumOf(fees);
  expect(fees[2], "who did not sign").to.equal(0n);
  expect(supply - (await token.totalSupply()), "burned").to.equal(book.fees - credited);
  expect(await token.balanceOf(distributor), "left to claim").to.equal(0n);
  const bonds = (await token.balanceOf(quorum)) - credited;
  expect(bonds, "bonds").to.equal(BigInt(MEMBERS.length) * parameters.minimumBond);
  const held = await token.balanceOf(programme);
  expect(held, "not issued").to.equal(parameters.emissionShare - book.issued);
  const rounding = await token.balanceOf(escrow);
  expect(rounding <= 2n * book.rows, `${rounding} wei of rounding`).to.equal(true);
}
