import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toHex } from "@link-rewards/core/encoding/bytes";
import type { Table } from "@link-rewards/core/epoch/records";
import type { DemandNode } from "@link-rewards/core/judge/answer";
import { expect } from "chai";
import { type HDNodeWallet, toBeHex } from "ethers";
import { nodeOf } from "../../../oracle/edge/demands.ts";
import { LTK, type MemberWorld, startMemberWorld, TERABYTE } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { inStore, lastFinalEpoch, proposals } from "../support/chronicle.ts";
import {
  allAnswered,
  answerers,
  answerTimes,
  demandAll,
  pendingDigest,
  reportOf,
  waitingOf,
} from "../support/demander.ts";
import type { MemberOracle } from "../support/member-oracle.ts";

const TABLES: readonly Table[] = ["contributions", "invoices", "rewards"];
const OWNERS = 14;

/** In wei: far above what the sender adds for the miner, as when a chain is busy. */
const BASE_FEE = 100n * 10n ** 9n;
const TIP = 10n ** 9n;
const MOST_GAS = 200_000n;

const row = (table: Table, position: number): DemandNode => ({ table, level: 0, position });
const page = (table: Table): DemandNode => ({ table, level: 8, position: 0 });
/** Every row and page there is. */
const EVERYTHING = TABLES.flatMap((table) => [
  page(table),
  ...Array.from({ length: OWNERS }, (_, position) => row(table, position)),
]);

describe("demands", () => {
  let world: MemberWorld;
  let first: MemberOracle;
  let second: MemberOracle;
  let third: MemberOracle;
  let stranger: HDNodeWallet;
  /** Epoch 1 is proposed, signed by the first two members; its bundle is the first's. */
  let digest: string;
  let toTheProposal: () => Promise<void>;

  before(async () => {
    world = await startMemberWorld({ owners: OWNERS, members: 3, threshold: 2 });
    [first, second, third] = world.oracles as [MemberOracle, MemberOracle, MemberOracle];
    stranger = world.devnet.role("bystander");
    const serving = await first.serve();
    await world.submit(
      serving.url,
      world.devices.map(() => ({})),
    );
    await world.owe(serving.url, 1, 14n * LTK);
    // What only the third member has, and the first learns of too late for the proposal.
    const late = await third.serve();
    await world.submit(late.url, [{ sequence: 2, egressBytes: 2n * TERABYTE }]);
    await late.stop();
    await world.endEpoch(1);
    await first.close();
    await world.sealEpoch(1);
    const signing = await second.serve("--peer", serving.url);
    const { code, stderr } = await first.close("--peer", signing.url);
    expect(code, stderr).to.equal(0);
    await serving.stop();
    await signing.stop();
    digest = await pendingDigest(world);
    toTheProposal = await checkpoint(world);
  });
  after(() => world.stop());
  beforeEach(() => toTheProposal());

  const bondOf = async ({ member }: MemberOracle) =>
    (await world.devnet.suite.quorum.memberOf(member)).bond;
  const transactionsOf = ({ wallet }: MemberOracle) =>
    world.devnet.provider.getTransactionCount(wallet.address);
  const windowOf = async () => Number((await world.devnet.suite.ledger.proposal()).finalizableAt);
  const veto = async () => {
    const { ledger } = world.devnet.suite;
    await (await ledger.connect(world.devnet.role("guardian")).veto(digest)).wait();
  };

  it("of a stranger, however many, are answered by serve in time and cost no honest bond", async () => {
    const bond = await bondOf(first);
    const serving = await first.serve();
    await demandAll(world, digest, EVERYTHING, stranger);
    const line = await serving.process.line(/demand answered/);
    expect(JSON.parse(line)).to.include({ epoch: 1, attempt: 0 });
    await allAnswered(world, digest);
    const by = await answerers(world, digest);
    expect(by).to.deep.equal(EVERYTHING.map(() => first.member));
    for (const [node, { due, at }] of await answerTimes(world, digest))
      expect(at, node).to.be.below(due);
    expect(await bondOf(first)).to.equal(bond);
    await serving.stop();
    await world.passWindow();
    await first.close();
    expect(await lastFinalEpoch(world)).to.equal(1);
  });

  it("are told by serve's metrics: how many wait, and how long there is", async () => {
    await rm(join(first.bundles, "1"), { recursive: true });
    await demandAll(world, digest, [row("rewards", 3), page("invoices")], stranger);
    const serving = await first.serve();
    const metrics = async () => (await fetch(`${serving.url}/metrics`)).text();
    let text = await metrics();
    while (!/^demands_waiting 2$/m.test(text)) text = await metrics();
    const left = Number(/^demand_seconds_left (\d+)$/m.exec(text)?.[1]);
    expect(left).to.be.above(0).and.at.most(60);
    await serving.stop();
  });

  it("that came while a member was away are answered by its next close, the earliest due first", async () => {
    const nodes = [row("contributions", 13), page("rewards"), row("invoices", 0)];
    await demandAll(world, digest, nodes, stranger);
    const planned = await first.plan();
    const answers = nodes.map((node) => ({ action: "answer", epoch: 1, attempt: 0, ...node }));
    expect(planned.outcome.actions?.slice(0, 3)).to.deep.equal(answers);
    expect(await waitingOf(world, digest)).to.equal(3);
    const { code, outcome, stderr } = await first.close();
    expect(code, stderr).to.equal(0);
    const done = (outcome.actions ?? []).map(({ transaction: _, ...action }) => action);
    expect(done).to.deep.equal(answers);
    expect(await waitingOf(world, digest)).to.equal(0);
    // The window lasts as long after the answer as there is time for one.
    const { answerSeconds } = world.devnet.parameters;
    expect(outcome.waiting).to.equal(`the window is open until ${await windowOf()}`);
    expect(await windowOf()).to.be.at.least((await world.devnet.now()) + answerSeconds);
    expect((await first.close()).outcome.actions).to.deep.equal([]);
  });

  it("cost a member no more than the gas that the contract pays for", async () => {
    const { provider } = world.devnet;
    await provider.send("hardhat_setNextBlockBaseFeePerGas", [toBeHex(BASE_FEE)]);
    await provider.send("evm_mine", []);
    const nodes = [page("rewards"), page("invoices"), row("rewards", 1)];
    await demandAll(world, digest, nodes, stranger);
    const before = await provider.getBalance(first.member);
    const { stderr } = await first.close();
    expect(await waitingOf(world, digest), stderr).to.equal(0);
    // At the base fee; the tip is the miner's.
    const tips = BigInt(nodes.length) * MOST_GAS * TIP;
    expect(await provider.getBalance(first.member)).to.be.above(before - tips);
  });

  it("keep an epoch from its end while they wait, which close says as for a window that is open", async () => {
    await demandAll(world, digest, [row("rewards", 0)], stranger);
    await rm(join(first.bundles, "1"), { recursive: true });
    await world.devnet.warpTo((await world.devnet.now()) + world.devnet.parameters.windowSeconds);
    const { code, outcome } = await first.close();
    expect([code, outcome.actions]).to.deep.equal([0, []]);
    expect(outcome.waiting).to.equal(
      "the window is open: 1 demanded rows or pages wait for their answers",
    );
    expect(await lastFinalEpoch(world)).to.equal(0);
  });

  it("are answered by whoever has the bundle, also by a member that did not sign it", async () => {
    await cp(join(first.bundles, "1"), join(third.bundles, "1"), { recursive: true });
    await demandAll(world, digest, [row("contributions", 5)], stranger);
    // Its own bundle is another one, but that is for a person to look at.
    await third.close();
    expect(await answerers(world, digest)).to.deep.equal([third.member]);
  });

  it("of a report whose bundle a member does not have are left alone", async () => {
    await demandAll(world, digest, [row("contributions", 5)], stranger);
    const { code, outcome } = await second.close();
    expect([code, outcome.actions?.some(({ action }) => action === "answer")]).to.deep.equal([
      0,
      false,
    ]);
    expect(await waitingOf(world, digest)).to.equal(1);
  });

  it("are answered once, also by several programs of one member at the same time", async () => {
    const before = await transactionsOf(first);
    const services = [await first.serve(), await first.serve()];
    const closing = first.startClose();
    await demandAll(world, digest, EVERYTHING.slice(0, 12), stranger);
    await allAnswered(world, digest);
    await closing.finished;
    for (const serving of services) await serving.stop();
    expect(await answerers(world, digest)).to.have.lengthOf(12);
    expect((await transactionsOf(first)) - before).to.equal(12);
  });

  it("are answered for a report that was vetoed, also when a later attempt has published another bundle", async () => {
    await veto();
    await inStore(first, (store) => store.advance(1, "proposed", "open"));
    const publishing = await first.serve();
    const having = await third.serve();
    const signing = await second.serve("--peer", publishing.url);
    const again = await first.close("--peer", having.url, "--peer", signing.url);
    expect(again.code, again.stderr).to.equal(0);
    for (const serving of [publishing, having, signing]) await serving.stop();
    expect(await proposals(world)).to.deep.equal([
      [1, 0],
      [1, 1],
    ]);
    const [vetoed, pending] = [
      await reportOf(world, digest),
      await reportOf(world, await pendingDigest(world)),
    ];
    expect(pending.bundleHash).to.not.equal(vetoed.bundleHash);
    await demandAll(world, digest, [row("contributions", 0), page("invoices")], stranger);
    await demandAll(world, await pendingDigest(world), [row("contributions", 0)], stranger);
    const { outcome } = await first.close();
    const answered = (outcome.actions ?? []).map(({ attempt }) => attempt);
    expect(answered).to.deep.equal([0, 0, 1]);
    expect(await waitingOf(world, digest)).to.equal(0);
  });

  it("are not answered with rows that do not lead to the root, which the contract would refuse too", async () => {
    const file = join(first.bundles, "1", "rewards.bin");
    const bytes = await readFile(file);
    bytes[44 * 2 + 25] = (bytes[44 * 2 + 25] ?? 0) ^ 1;
    await rm(file);
    await writeFile(file, bytes);
    await demandAll(world, digest, [row("rewards", 2), page("rewards")], stranger);
    const before = await transactionsOf(first);
    const { code, outcome, stderr } = await first.close();
    expect([code, outcome.actions]).to.deep.equal([0, []]);
    for (const name of ["rewards/0/2", "rewards/8/0"])
      expect(stderr).to.match(new RegExp(`${name}".*do not lead to the root`));
    expect(await transactionsOf(first)).to.equal(before);
    const { demands } = world.devnet.suite;
    const report = await reportOf(world, digest);
    const shown = toHex(bytes.subarray(44 * 2, 44 * 3));
    const answer = demands
      .connect(stranger)
      .answerRow.staticCall(report, nodeOf(row("rewards", 2)), shown, []);
    const refused = await answer.then(
      () => undefined,
      (error) => error.revert?.name,
    );
    expect(refused).to.equal("WrongAnswer");
  });
});
