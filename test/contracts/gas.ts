import { readFile, writeFile } from "node:fs/promises";
import { expect } from "chai";
import type { ContractTransactionResponse } from "ethers";
import { MaxUint256, parseEther } from "ethers";
import hre from "hardhat";
import {
  accountOf,
  addMembers,
  bindAccounts,
  consentOf,
  deployedWorld,
  from,
  GENESIS,
  goTo,
  sealTimeOf,
  sender,
  signConsent,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import {
  admitCustomer,
  collect,
  GATEWAY,
  ltk,
  MAX_96,
  payingWorld,
  signVoucher,
} from "./support/customers.ts";
import {
  finalize,
  finalizeEpoch,
  firstFinal,
  ltkTree,
  pendingReport,
  propose,
  reportOf,
  type Staffed,
  sealedTwo,
} from "./support/epochs.ts";
import { tallInvoices } from "./support/invoices.ts";
import { JUDGE_BOUNDS, measureJudging } from "./support/judge-gas.ts";
import { claimOf, honestLeaves, type RewardTree, tallTree } from "./support/reward-tree.ts";

/*
 * What a user pays, to the unit of gas: compared with gas.json, which is committed.
 * UPDATE_GAS=1 npm test -- contracts/gas    writes it anew; the diff then says what a change costs.
 */
const SNAPSHOT = new URL("./gas.json", import.meta.url);
const { UPDATE_GAS } = process.env;
const DEPTHS = [10, 14, 17, 20] as const;
const BATCHES = [1, 5, 20] as const;
const EARNERS = 32;

/** What these may cost, however gas.json changes. */
const BOUNDS: Readonly<Record<string, number>> = {
  "claim, later, depth 14": 63_500,
  "propose, signers: 3": 150_000,
  "finalize, 3 signers credited before": 230_000,
  "refund, depth 14": 90_000,
  "refund, depth 20": 90_000,
  "collect, a voucher in a batch of 20": 55_000,
  ...JUDGE_BOUNDS,
};

const measured: Record<string, number> = {};

async function measure(
  what: string,
  sending: Promise<ContractTransactionResponse>,
  parts = 1,
): Promise<number> {
  const receipt = await (await sending).wait();
  const gas = Math.ceil(Number(receipt?.gasUsed) / parts);
  measured[what] = gas;
  return gas;
}

/** Publishes the root of a tall tree as the ledger does when it finalizes. */
async function publish(
  world: World,
  epoch: number,
  ltk: number,
  depth: number,
): Promise<RewardTree> {
  const { distributor, token, treasury, ledger } = world;
  const accounts = Array.from({ length: EARNERS }, (_, i) => accountOf(i));
  const leaves = honestLeaves(
    accounts,
    accounts.map((_, i) => parseEther(`${ltk}.${100 + i}`)),
  );
  const tree = tallTree(leaves, depth);
  await token.connect(treasury).transfer(distributor, tree.total);
  const publisher = await sender(world, await ledger.getAddress());
  await distributor.connect(publisher).publish(epoch, tree.root, tree.total, tree.leaves);
  return tree;
}

/** One member, who has been credited before. */
async function aloneTwo(): Promise<Staffed> {
  const bare = await from(deployedWorld);
  const accounts = await bindAccounts(bare, 5);
  const world = { ...bare, accounts, members: await addMembers(bare, 1, 1) };
  await admitCustomer(world, ltk(100_000));
  await goTo(world, GENESIS);
  await finalizeEpoch(world, ltkTree(accounts, [1, 2, 3, 4, 5]));
  await collect(world, 2, 1_000);
  await goTo(world, sealTimeOf(2));
  return world;
}

const CUSTOMERS = Array.from({ length: 20 }, (_, i) => walletOf(`customer ${i}`).address);

/** Twenty customers, each with a key and a balance, in epoch 2; each has paid for epoch 1. */
async function manyCustomers(): Promise<World> {
  const world = await from(deployedWorld);
  const { escrow, token, admission, treasury } = world;
  await token.connect(treasury).approve(escrow, MaxUint256);
  for (const customer of CUSTOMERS) {
    await escrow.connect(admission).admit(customer);
    await escrow.connect(await sender(world, customer)).setKey(GATEWAY, MAX_96);
    await escrow.connect(treasury).depositFor(customer, ltk(100));
  }
  await goTo(world, GENESIS);
  await collectAll(world, 1, CUSTOMERS, 1);
  await goTo(world, sealTimeOf(1));
  return world;
}

async function collectAll(world: World, epoch: number, customers: readonly string[], wei: number) {
  const vouchers = customers.map((customer) => ({ customer, epoch, amount: ltk(wei) }));
  const signatures = vouchers.map((voucher) => signVoucher(world, voucher));
  return world.escrow.connect(world.bystander).collect(vouchers, await Promise.all(signatures));
}

function measurements(): void {
  for (const depth of DEPTHS) {
    it(`of a claim at depth ${depth}`, async () => {
      const world = await from(deployedWorld);
      const { distributor } = world;
      const first = await publish(world, 1, 5, depth);
      await measure(`claim, first, depth ${depth}`, distributor.claim([claimOf(first, 1, 9)]));
      const later = await publish(world, 2, 7, depth);
      await measure(`claim, later, depth ${depth}`, distributor.claim([claimOf(later, 2, 9)]));
    });
  }

  for (const size of BATCHES) {
    it(`of a batch of ${size}`, async () => {
      const world = await from(deployedWorld);
      const tree = await publish(world, 1, 5, 14);
      const claims = Array.from({ length: size }, (_, i) => claimOf(tree, 1, i));
      const what = `claim, batch of ${size} fresh accounts, depth 14`;
      await measure(what, world.distributor.claim(claims));
    });
  }

  for (const signers of [1, 3, 5]) {
    it(`of propose with ${signers} signers`, async () => {
      const world = await from(signers === 1 ? aloneTwo : sealedTwo);
      const report = await reportOf(world, ltkTree(world.accounts, [2, 2, 3, 4, 6]));
      await measure(
        `propose, signers: ${signers}`,
        propose(world, report, world.members.slice(0, signers)),
      );
    });
  }

  it("of finalize", async () => {
    const world = await from(sealedTwo);
    const before = await pendingReport(world, ltkTree(world.accounts, [2, 2, 3, 4, 6]));
    await measure("finalize, 3 signers credited before", finalize(world, before));
    const others = { ...(await from(sealedTwo)), members: world.members.slice(2) };
    const report = await pendingReport(others, ltkTree(world.accounts, [2, 2, 3, 4, 6]));
    await measure("finalize, 1 signer credited before and 2 not", finalize(others, report));
  });

  it("of bind, for a new account and for one that has a device", async () => {
    const world = await from(firstFinal);
    const { registry, manufacturer } = world;
    const devices = [walletOf("gas 0"), walletOf("gas 1")] as const;
    await registry.connect(manufacturer).enrol(
      devices.map(({ address }) => address),
      1,
    );
    for (const [i, what] of ["bind, new account", "bind, known account"].entries()) {
      const device = devices[i] ?? devices[0];
      const consent = await consentOf(world, device, accountOf(40));
      const signature = await signConsent(world, consent, device);
      await measure(what, registry.bind([consent], [signature]));
    }
  });

  it("of collect, the first of an epoch and a further one", async () => {
    const world = await from(payingWorld);
    await collect(world, 1, 1);
    await goTo(world, sealTimeOf(1));
    await measure("collect, first of an epoch", collect(world, 2, 2));
    await measure("collect, further", collect(world, 2, 3));
  });

  for (const size of BATCHES.slice(1)) {
    it(`of collect in a batch of ${size}`, async () => {
      const world = await from(manyCustomers);
      const what = `collect, a voucher in a batch of ${size}`;
      await measure(what, collectAll(world, 2, CUSTOMERS.slice(0, size), 2), size);
    });
  }

  for (const depth of [14, 20]) {
    it(`of refund at depth ${depth}`, async () => {
      const world = await from(sealedTwo);
      const { customer, escrow } = world;
      const table = tallInvoices(customer.address, ltk(3), depth);
      const change = { invoiceRoot: table.root, contributions: table.lines };
      await finalizeEpoch(world, ltkTree(world.accounts, [2, 2, 3, 4, 6]), change);
      await measure(`refund, depth ${depth}`, escrow.refund(2, customer, table.openings));
    });
  }

  measureJudging(measure);

  it("stays within its bounds", () => {
    for (const [what, most] of Object.entries(BOUNDS)) {
      expect(measured[what], what).to.be.at.most(most);
    }
  });

  it("is what gas.json says", async () => {
    if (UPDATE_GAS === "1") await writeFile(SNAPSHOT, `${JSON.stringify(measured, null, 2)}\n`);
    const committed: unknown = JSON.parse(await readFile(SNAPSHOT, "utf8"));
    expect(measured, "run with UPDATE_GAS=1 if the change is meant").to.deep.equal(committed);
  });
}

// Coverage runs other bytecode, whose gas says nothing.
if (!hre.globalOptions.coverage) describe("gas", measurements);
