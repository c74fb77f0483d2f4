import { rm } from "node:fs/promises";
import { join } from "node:path";
import { at } from "@link-rewards/core/encoding/at";
import { type Address, fromHex, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { recover, toCompact } from "@link-rewards/core/encoding/signature";
import { reportOf } from "@link-rewards/core/epoch/manifest";
import type { VerifiedVoucher } from "@link-rewards/core/law/verify";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import { Transaction } from "ethers";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { type RpcHandler, startRpcProxy } from "../../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { inStore, remembered } from "../support/chronicle.ts";
import { bundleOf, hashOf, manifestOf } from "../support/forger.ts";
import {
  type Closed,
  type MemberOracle,
  memberOracle,
  type Outcome,
} from "../support/member-oracle.ts";

const CUSTOMERS = 30;
/** Refunds of one run. */
const MAX_REFUNDS = 20;
/** All that a customer has, and its key may promise for an epoch. */
const FUNDS = 1_000n * LTK;

/** As if it had taken them in. */
function keepIn(oracle: MemberOracle, vouchers: readonly SignedVoucher[]): Promise<void> {
  return inStore(oracle, async (store) => {
    for (const signed of vouchers) await store.putVoucher(signed as VerifiedVoucher);
  });
}

function actionsOf({ actions = [] }: Outcome, word: string) {
  return actions.filter(({ action }) => action === word);
}

type RpcCall = { readonly id: number; readonly method: string; readonly params: [string] };

/** With something between it and its node. */
async function closeBehind(
  { devnet, oracle }: MemberWorld,
  handler: RpcHandler,
  ...more: readonly string[]
): Promise<Closed> {
  const proxy = await startRpcProxy(devnet.rpcUrl);
  proxy.handle(handler);
  const { wallet, data } = oracle;
  const behind = await memberOracle({ devnet, name: "behind", wallet, rpcUrl: proxy.url, data });
  const closed = await behind.close(...more);
  await proxy.close();
  return closed;
}

describe("close, collecting vouchers", () => {
  let world: MemberWorld;
  let oracle: MemberOracle;
  /** Epoch 1 has ended and is not sealed; nobody has promised anything. */
  let toTheGrace: () => Promise<void>;

  before(async () => {
    world = await startMemberWorld({ owners: 1, customers: CUSTOMERS });
    oracle = world.oracle;
    await world.endEpoch(1);
    await oracle.plan();
    toTheGrace = await checkpoint(world);
  });
  after(() => world.stop());
  beforeEach(() => toTheGrace());

  const keep = (...vouchers: readonly SignedVoucher[]) => keepIn(oracle, vouchers);
  const everybody = (amount: bigint) =>
    Array.from({ length: CUSTOMERS }, (_, i) => world.promise(1, amount, i));
  const customerAt = (index: number): Address => lowercaseHex(at(world.customers, index).address);
  const sent = () => world.devnet.provider.getTransactionCount(oracle.wallet.address);
  const fund = () => world.devnet.suite.escrow.fund(1);

  it("takes what 30 customers owe with one transaction, and has nothing to do in the next run", async () => {
    await keep(...everybody(LTK));
    const before = await sent();
    const { code, outcome } = await oracle.close();
    expect(code).to.equal(0);
    const collected = actionsOf(outcome, "collect");
    expect(collected.map(({ customer }) => customer)).to.have.members(
      everybody(LTK).map(({ voucher }) => voucher.customer),
    );
    expect(new Set(collected.map(({ amount }) => amount))).to.deep.equal(new Set([String(LTK)]));
    expect(new Set(collected.map(({ transaction }) => transaction)).size).to.equal(1);
    expect(await fund()).to.equal(30n * LTK);
    expect((await oracle.close()).outcome.actions).to.deep.equal([]);
    expect(await sent()).to.equal(before + 1);
  });

  it("takes the rest when a customer has promised more since", async () => {
    await keep(world.promise(1, LTK));
    await oracle.close();
    await keep(world.promise(1, 3n * LTK));
    const { outcome } = await oracle.close();
    expect(actionsOf(outcome, "collect").map(({ amount }) => amount)).to.deep.equal([
      String(2n * LTK),
    ]);
    expect(await fund()).to.equal(3n * LTK);
  });

  it("sends nothing for dust", async () => {
    await keep(...everybody(1n));
    const before = await sent();
    const { code, outcome } = await oracle.close();
    expect([code, await sent(), await fund()]).to.deep.equal([0, before, 0n]);
    const left = actionsOf(outcome, "leave");
    expect(left).to.have.lengthOf(CUSTOMERS);
    expect(left[0]?.reason).to.equal(
      "it would bring 1 wei, less than the minimum of 1000000000000000",
    );
  });

  it("leaves out what is below the minimum that it is told, and takes the others", async () => {
    await keep(world.promise(1, 2n * LTK, 0), world.promise(1, LTK, 1));
    await oracle.close("--collect-minimum", "1.5");
    expect(await fund()).to.equal(2n * LTK);
    await oracle.close("--collect-minimum", "0");
    expect(await fund()).to.equal(3n * LTK);
  });

  it("leaves out what brings less than its share of the gas, at the price it is told", async () => {
    await keep(world.promise(1, 900n * LTK, 0), world.promise(1, LTK, 1));
    const { outcome } = await oracle.close("--link-price", "0.000001");
    expect(actionsOf(outcome, "collect").map(({ amount }) => amount)).to.deep.equal([
      String(900n * LTK),
    ]);
    expect(actionsOf(outcome, "leave")).to.have.lengthOf(1);
    expect(actionsOf(outcome, "leave")[0]?.reason).to.match(
      /^it would bring 1000000000000000000 wei of LinkToken, which is less than the \d+ wei of its gas$/,
    );
    await oracle.close("--link-price", "1");
    expect(await fund()).to.equal(901n * LTK);
  });

  it("sends nothing at all when the gas costs more than everything brings", async () => {
    await keep(...everybody(LTK));
    const before = await sent();
    const { outcome } = await oracle.close("--link-price", "0.000000001");
    expect(actionsOf(outcome, "leave")).to.have.lengthOf(CUSTOMERS);
    expect([await sent(), await fund()]).to.deep.equal([before, 0n]);
  });

  it("says in a dry run what it would take and what it would leave", async () => {
    await keep(world.promise(1, LTK, 0), world.promise(1, 1n, 1));
    const { outcome } = await oracle.plan();
    expect(actionsOf(outcome, "collect").map(({ customer }) => customer)).to.deep.equal([
      customerAt(0),
    ]);
    expect(actionsOf(outcome, "leave").map(({ customer }) => customer)).to.deep.equal([
      customerAt(1),
    ]);
    expect(await fund()).to.equal(0n);
  });

  it("waits with the running epoch's, which still grow", async () => {
    await keep(world.promise(2, LTK));
    expect((await oracle.close()).outcome.actions).to.deep.equal([]);
    expect((await remembered(oracle)).vouchers).to.equal(1);
  });

  it("drops those of a sealed epoch: they are void, whatever they promise", async () => {
    await keep(world.promise(1, LTK, 0), world.promise(2, LTK, 1));
    await world.sealEpoch(1);
    const before = await sent();
    const { code, outcome } = await oracle.close();
    expect(code).to.equal(0);
    expect(actionsOf(outcome, "collect")).to.deep.equal([]);
    // The proposal of epoch 1 is all it sent.
    expect(await sent()).to.equal(before + 1);
    expect(await inStore(oracle, (store) => Array.fromAsync(store.vouchers()))).to.deep.equal([
      world.promise(2, LTK, 1),
    ]);
  });

  it("leaves one that the escrow refuses, and takes the others (TAP 214: one poison record blocks the good ones)", async () => {
    const good = world.promise(1, LTK, 0);
    const { signature } = world.promise(1, LTK, 2);
    const bad = { voucher: { ...good.voucher, customer: customerAt(1) }, signature };
    await keep(good, bad);
    const { code, outcome } = await oracle.close();
    expect(code).to.equal(0);
    expect(await fund()).to.equal(LTK);
    const [refused] = actionsOf(outcome, "leave");
    expect(refused).to.include({ customer: customerAt(1), epoch: 1 });
    expect(refused?.reason).to.match(/^KeyUnknown\(/);
  });

  it("says what a customer's balance does not cover, and sends nothing for it", async () => {
    const { escrow } = world.devnet.suite;
    const funds = await escrow.balanceOf(customerAt(0));
    await keep(world.promise(1, funds, 0));
    await oracle.close();
    expect(await escrow.balanceOf(customerAt(0))).to.equal(0n);
    await keep(world.promise(1, funds + LTK, 0));
    const before = await sent();
    const { outcome } = await oracle.close();
    expect(actionsOf(outcome, "leave")[0]?.reason).to.equal(
      `${funds} of ${funds + LTK} wei are paid, and there is nothing more to take`,
    );
    expect(await sent()).to.equal(before);
  });

  it("fails when the node cannot try them, and takes them in the next run", async () => {
    await keep(world.promise(1, LTK, 0));
    const { selector } = world.devnet.suite.escrow.getFunction("collect").fragment;
    const { code, stderr } = await closeBehind(world, async ({ body }, forward) => {
      if (!body.includes(selector)) return forward();
      const calls: { id: number }[] = [JSON.parse(body)].flat();
      const error = { code: -32_000, message: "header not found" };
      const answers = calls.map(({ id }) => ({ jsonrpc: "2.0", id, error }));
      return JSON.stringify(body.startsWith("[") ? answers : answers[0]);
    });
    expect([code, stderr]).to.match(
      /^2,link-oracle: 127\.0\.0\.1:\d+ does not have the block that is asked about: header not found\n$/,
    );
    await oracle.close();
    expect(await fund()).to.equal(LTK);
  });

  it("leaves them all when the seal time passes while it works out their gas, and goes on", async () => {
    await keep(world.promise(1, LTK, 0), world.promise(1, LTK, 1));
    const { selector } = world.devnet.suite.escrow.getFunction("collect").fragment;
    let isSealed = false;
    const { code, outcome, stderr } = await closeBehind(
      world,
      async ({ methods, body }, forward) => {
        if (!isSealed && methods.includes("eth_estimateGas") && body.includes(selector)) {
          isSealed = true;
          await world.sealEpoch(1);
        }
        return forward();
      },
      ...["--link-price", "1"],
    );
    expect([isSealed, code], stderr).to.deep.equal([true, 0]);
    const reasons = actionsOf(outcome, "leave").map(({ reason }) => reason);
    expect(reasons).to.have.lengthOf(2);
    for (const reason of reasons) expect(reason).to.match(/^EpochNotCollectable\(/);
    expect(actionsOf(outcome, "advance").at(-1)).to.include({ epoch: 1, to: "proposed" });
  });

  it("is not spoilt by somebody who collects one of them in front of it", async () => {
    const [first, second] = [world.promise(1, LTK, 0), world.promise(1, LTK, 1)];
    await keep(first, second);
    const { devnet } = world;
    const { code, outcome } = await closeBehind(world, async ({ methods }, forward) => {
      if (methods.includes("eth_sendRawTransaction")) {
        const escrow = devnet.suite.escrow.connect(devnet.role("bystander"));
        await (await escrow.collect([first.voucher], [toCompact(first.signature)])).wait();
      }
      return forward();
    });
    expect(code).to.equal(0);
    expect(await fund()).to.equal(2n * LTK);
    expect(actionsOf(outcome, "collect").map(({ customer }) => customer)).to.deep.equal([
      customerAt(1),
    ]);
    expect(actionsOf(outcome, "leave")).to.deep.equal([
      { action: "leave", customer: customerAt(0), epoch: 1, reason: "it was collected meanwhile" },
    ]);
  });
});

describe("close, when customers have parked their balances in the epoch before", () => {
  const PARKED = MAX_REFUNDS + 2;
  /** These two paid half, and have the other half. The second is an inspector from epoch 2 on, and may promise twice as much. */
  const HONEST = PARKED;
  const INSPECTOR = PARKED + 1;
  let world: MemberWorld;
  let oracle: MemberOracle;
  /** Epoch 2 has ended and is not sealed. Epoch 1 is final: all was paid for it, and 1 LTK of the first one's counted. */
  let toTheGrace: () => Promise<void>;
  /** As that, but the last look of the oracle was before epoch 1 became final. */
  let toTheFinal: () => Promise<void>;
  let finalizedAt: number;

  before(async () => {
    world = await startMemberWorld({ owners: 1, customers: PARKED + 2 });
    oracle = world.oracle;
    const { suite, role } = world.devnet;
    const { voucher, signature } = world.promise(1, FUNDS / 2n, INSPECTOR);
    const key = recover(fromHex((await suite.escrow.voucherDigest(voucher)) as Hex), signature);
    const inspector = at(world.customers, INSPECTOR);
    await (await suite.escrow.connect(inspector).setKey(key ?? "", 2n * FUNDS)).wait();
    await (await suite.programme.connect(role("governance")).addInspector(inspector)).wait();
    await world.endEpoch(1);
    await oracle.plan();
    const serving = await oracle.serve();
    await world.submit(serving.url, [{}]);
    await serving.stop();
    const swollen = Array.from({ length: PARKED }, (_, i) => world.promise(1, FUNDS, i));
    await keep(...swollen, world.promise(1, FUNDS / 2n, HONEST), { voucher, signature });
    await oracle.close();
    await world.sealEpoch(1);
    await oracle.close();
    await world.passWindow();
    const files = await bundleOf(oracle, 1);
    const report = reportOf(manifestOf(files), hashOf(files), 0);
    const final = await (await suite.ledger.connect(role("bystander")).finalize(report)).wait();
    finalizedAt = final?.blockNumber ?? 0;
    await world.endEpoch(2);
    toTheFinal = await checkpoint(world);
    await oracle.plan();
    toTheGrace = await checkpoint(world);
  });
  after(() => world.stop());
  beforeEach(() => toTheGrace());

  const keep = (...vouchers: readonly SignedVoucher[]) => keepIn(oracle, vouchers);
  const customerAt = (index: number): Address => lowercaseHex(at(world.customers, index).address);
  const sent = () => world.devnet.provider.getTransactionCount(oracle.wallet.address);
  const fund = () => world.devnet.suite.escrow.fund(2);
  const takenBack = async () => {
    const { escrow } = world.devnet.suite;
    const events = await escrow.queryFilter(escrow.filters.Refunded());
    return events.map(({ args }) => [lowercaseHex(args.customer), args.amount]);
  };

  it("brings back what was paid too much, and so collects the next voucher in full", async () => {
    await keep(world.promise(2, 5n * LTK, 0));
    const before = await sent();
    const { code, outcome } = await oracle.close();
    expect(code).to.equal(0);
    expect(await takenBack()).to.deep.equal([[customerAt(0), 999n * LTK]]);
    expect(actionsOf(outcome, "refund")).to.have.lengthOf(1);
    expect(actionsOf(outcome, "refund")[0]).to.deep.include({
      customer: customerAt(0),
      epoch: 1,
      amount: String(999n * LTK),
    });
    expect(actionsOf(outcome, "refund")[0]?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect(await world.devnet.suite.escrow.paid(customerAt(0), 2)).to.equal(5n * LTK);
    expect(await sent()).to.equal(before + 2);
    expect(actionsOf((await oracle.close()).outcome, "refund")).to.deep.equal([]);
    expect(await sent()).to.equal(before + 2);
  });

  it("says in a dry run what it would bring back, and what it would collect then", async () => {
    await keep(world.promise(2, 5n * LTK, 0));
    const { outcome } = await oracle.plan();
    expect(outcome.actions?.slice(0, 2)).to.deep.equal([
      { action: "refund", customer: customerAt(0), epoch: 1, amount: String(999n * LTK) },
      { action: "collect", customer: customerAt(0), epoch: 2, amount: String(5n * LTK) },
    ]);
    expect(await takenBack()).to.deep.equal([]);
  });

  it("brings nothing back to a customer whose balance covers its voucher", async () => {
    await keep(world.promise(2, FUNDS / 2n, HONEST));
    const before = await sent();
    const { outcome } = await oracle.close();
    expect(actionsOf(outcome, "refund")).to.deep.equal([]);
    expect([await takenBack(), await fund()]).to.deep.equal([[], FUNDS / 2n]);
    expect(await sent()).to.equal(before + 1);
  });

  it("leaves a refund of which the voucher would get less than the minimum", async () => {
    // Of the 999 LTK that come back it would get 5 of 5, and of the 500 one of 501.
    await keep(world.promise(2, 5n * LTK, 0), world.promise(2, FUNDS / 2n + LTK, HONEST));
    const minimum = ["--collect-minimum", "5.1"];
    expect(actionsOf((await oracle.plan(...minimum)).outcome, "refund")).to.deep.equal([]);
    await oracle.close(...minimum);
    expect([await takenBack(), await fund()]).to.deep.equal([[], FUNDS / 2n]);
    await oracle.close("--collect-minimum", "5");
    expect(await takenBack()).to.deep.equal([[customerAt(0), 999n * LTK]]);
  });

  it("leaves a refund that brings the voucher less than its gas, at the price it is told", async () => {
    await keep(world.promise(2, 5n * LTK, 0));
    await oracle.close("--link-price", "0.000001");
    expect(await takenBack()).to.deep.equal([]);
    await oracle.close("--link-price", "1");
    expect(await takenBack()).to.have.lengthOf(1);
  });

  it("sends none that was taken before", async () => {
    const { escrow } = world.devnet.suite;
    const refund = ["refund", customerAt(0), "1", "--bundles", oracle.bundles, "--json"];
    const { refunds } = JSON.parse((await runOracle([...refund, ...world.chainArgs])).stdout);
    const [{ to, calldata }] = refunds;
    const bystander = world.devnet.role("bystander");
    await (await bystander.sendTransaction({ to, data: calldata })).wait();
    expect(await escrow.balanceOf(customerAt(0))).to.equal(999n * LTK);
    await keep(world.promise(2, FUNDS, 0));
    const before = await sent();
    expect(actionsOf((await oracle.plan()).outcome, "refund")).to.deep.equal([]);
    const { outcome } = await oracle.close();
    expect(actionsOf(outcome, "refund")).to.deep.equal([]);
    expect([await sent(), await fund()]).to.deep.equal([before + 1, 999n * LTK]);
  });

  it("is not stopped by somebody who takes one of them in front of it", async () => {
    await keep(world.promise(2, 6n * LTK, 1), world.promise(2, 5n * LTK, 0));
    const bystander = world.devnet.role("bystander");
    let isFirst = true;
    const { code, outcome } = await closeBehind(world, async ({ methods, body }, forward) => {
      if (!methods.includes("eth_sendRawTransaction") || !isFirst) return forward();
      isFirst = false;
      const calls: RpcCall[] = [JSON.parse(body)].flat();
      const sending = calls.find(({ method }) => method === "eth_sendRawTransaction");
      const { to, data, hash } = Transaction.from(sending?.params[0]);
      await (await bystander.sendTransaction({ to, data })).wait();
      const answers: { id: number }[] = [JSON.parse(await forward())].flat();
      // Hardhat has mined it already, and answers that it reverted: other nodes answer with its hash.
      const likeOthers = answers.map((answer) =>
        answer.id === sending?.id ? { jsonrpc: "2.0", id: answer.id, result: hash } : answer,
      );
      return JSON.stringify(body.startsWith("[") ? likeOthers : likeOthers[0]);
    });
    expect(code).to.equal(0);
    expect(actionsOf(outcome, "refund").map(({ customer }) => customer)).to.deep.equal([
      customerAt(0),
    ]);
    expect(await takenBack()).to.deep.equal([
      [customerAt(1), FUNDS],
      [customerAt(0), 999n * LTK],
    ]);
    expect(await fund()).to.equal(11n * LTK);
  });

  it("brings nothing back for an inspector's voucher, and nothing that an inspector's voucher drew", async () => {
    const { escrow, programme } = world.devnet.suite;
    const governed = programme.connect(world.devnet.role("governance"));
    await keep(world.promise(2, 2n * FUNDS, INSPECTOR));
    expect(actionsOf((await oracle.close()).outcome, "refund")).to.deep.equal([]);
    expect(await escrow.paid(customerAt(INSPECTOR), 2)).to.equal(2n * FUNDS);
    // From epoch 4 on it is a customer like the others.
    await (await governed.removeInspector(customerAt(INSPECTOR))).wait();
    await world.sealEpoch(2);
    // Nobody served anything: a guard would hold it.
    await oracle.close("--release");
    await world.passWindow();
    expect((await oracle.close()).outcome.epoch).to.equal(3);
    await world.endEpoch(4);
    await keep(world.promise(4, 2n * FUNDS, INSPECTOR));
    const { outcome } = await oracle.plan();
    expect(actionsOf(outcome, "refund").map(({ epoch }) => epoch)).to.deep.equal([1]);
  });

  it("collects from the others when its own files do not show a refund", async () => {
    await keep(world.promise(2, 5n * LTK, 0), world.promise(2, LTK, HONEST));
    await rm(join(oracle.bundles, "1", "invoices.bin"));
    const { code, outcome } = await oracle.close();
    expect(code).to.equal(0);
    expect(actionsOf(outcome, "refund")).to.deep.equal([]);
    expect(await fund()).to.equal(LTK);
  });

  it("brings back no more than a run may, and those that bring most first", async () => {
    const amounts = Array.from({ length: PARKED }, (_, i) => BigInt(i + 1) * LTK);
    await keep(...amounts.map((amount, i) => world.promise(2, amount, i)));
    const { outcome } = await oracle.plan();
    expect(actionsOf(outcome, "refund").map(({ customer }) => customer)).to.deep.equal(
      Array.from({ length: MAX_REFUNDS }, (_, i) => customerAt(PARKED - 1 - i)),
    );
  });

  it("waits until the block in which the epoch became final is itself final", async () => {
    await toTheFinal();
    await keep(world.promise(2, 5n * LTK, 0));
    const { number } = (await world.devnet.provider.getBlock("latest")) ?? { number: 0 };
    await oracle.close("--confirmations", String(number - finalizedAt + 1));
    expect(await takenBack()).to.deep.equal([]);
    await oracle.close("--confirmations", String(number - finalizedAt));
    expect(await takenBack()).to.have.lengthOf(1);
  });
});
