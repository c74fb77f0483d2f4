import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Hex } from "@link-rewards/core/encoding/bytes";
import type { DemandNode } from "@link-rewards/core/judge/answer";
import { expect } from "chai";
import { type HDNodeWallet, toBeHex } from "ethers";
import { bondFor, nodeOf, type OpenReport, readDemandTerms } from "../../../oracle/edge/demands.ts";
import {
  type OracleProcess,
  runOracle,
  startOracle,
} from "../../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { lastFinalEpoch } from "../support/chronicle.ts";
import { answerers, demandAll, pendingDigest, reportOf, waitingOf } from "../support/demander.ts";
import {
  type BundleFiles,
  bundleOf,
  contributionsOf,
  leavesOf,
  manifestOf,
  proposeFiles,
  publishFiles,
  withManifest,
  withTables,
} from "../support/forger.ts";
import type { MemberOracle } from "../support/member-oracle.ts";

type Sent = { readonly transaction?: string; readonly notSent?: string };
type Told = {
  readonly code: number | null;
  readonly stderr: string;
  readonly digest?: string;
  readonly finalizableAt?: number | null;
  readonly verdict?: { readonly verdict: string; readonly message?: string };
  readonly table?: string | null;
  readonly row?: number | null;
  readonly proof?: string | null;
  readonly defence?: Sent;
  readonly search?: { readonly kind: string; readonly message: string };
  readonly wanted?: readonly DemandNode[];
  readonly demands?: readonly (DemandNode & Sent)[];
  readonly silence?: Sent;
  readonly answers?: readonly { readonly transaction: string }[];
  readonly vetoed?: readonly Told[];
};

const OWNERS = 6;
/** In wei: a bond of twice an answer's gas is far above the least then. */
const BASE_FEE = 200n * 10n ** 9n;
const page = (table: DemandNode["table"]): DemandNode => ({ table, level: 8, position: 0 });
const row = (table: DemandNode["table"], position: number): DemandNode => ({
  table,
  level: 0,
  position,
});

describe("watch, where a report is not public", () => {
  let world: MemberWorld;
  /** The thief's member. What it publishes is in `published`, what it has in its own folder. */
  let oracle: MemberOracle;
  let bystander: HDNodeWallet;
  let bystanderKey: string;
  /** Epoch 1 is due, and an honest member has computed it. */
  let toTheSealTime: () => Promise<void>;
  let honest: BundleFiles;
  let mirror: string;
  let published: string;
  const watchers: OracleProcess[] = [];

  before(async () => {
    world = await startMemberWorld({ owners: OWNERS });
    oracle = world.oracle;
    bystander = world.devnet.role("bystander");
    bystanderKey = await world.devnet.keyFile("bystander", bystander);
    mirror = join(world.devnet.folder, "mirror");
    published = join(world.devnet.folder, "published");
    const serving = await oracle.serve();
    await world.submit(
      serving.url,
      world.devices.map(() => ({})),
    );
    // More than what was served is worth, so that there is something to take.
    await world.owe(serving.url, 1, 20n * LTK);
    await serving.stop();
    await world.endEpoch(1);
    await oracle.close();
    await world.sealEpoch(1);
    toTheSealTime = await checkpoint(world);
    await oracle.close();
    honest = await bundleOf(oracle, 1);
    await cp(oracle.bundles, mirror, { recursive: true });
  });
  after(() => world.stop());
  beforeEach(async () => {
    await toTheSealTime();
    await rm(published, { recursive: true, force: true });
    await mkdir(published);
    await rm(`${bystanderKey}.journal`, { force: true });
  });
  afterEach(async () => {
    for (const { child, finished } of watchers.splice(0)) {
      child.kill("SIGKILL");
      await finished;
    }
    await oracle.stop();
  });

  const args = (...mirrors: readonly string[]) => [
    "watch",
    ...world.chainArgs,
    "--json",
    ...mirrors.flatMap((each) => ["--bundles", each]),
  ];
  const withKey = (...more: readonly string[]) => ["--defend", "--key-file", bystanderKey, ...more];

  async function watchOnce(...more: readonly string[]): Promise<Told> {
    const { code, stdout, stderr } = await runOracle([
      ...args(published, mirror),
      "--once",
      ...more,
    ]);
    return { code, stderr, ...(stdout === "" ? {} : JSON.parse(stdout)) };
  }

  function keepDefending(): OracleProcess {
    const watcher = startOracle([...args(published, mirror), "--interval", "1", ...withKey()]);
    watchers.push(watcher);
    return watcher;
  }

  /** One contribution in the middle earned more than it did; all that follows from it is as if it had. */
  function stolen(): BundleFiles {
    const more = LTK;
    const middle = 3;
    const rows = contributionsOf(honest);
    const thiefs = rows[middle]?.account;
    const contributions = rows.map((each, i) => ({
      ...each,
      earned: i === middle ? each.earned + more : each.earned,
      subtotal: i >= middle ? each.subtotal + more : each.subtotal,
    }));
    const leaves = leavesOf(honest);
    const index = leaves.findIndex(({ account }) => account === thiefs);
    const rewards = leaves.map((leaf, i) => ({
      ...leaf,
      cumulative: i === index ? leaf.cumulative + more : leaf.cumulative,
      prefix: i > index ? leaf.prefix + more : leaf.prefix,
    }));
    return withTables(honest, { contributions, rewards });
  }

  async function proposeStolen(): Promise<{ readonly files: BundleFiles; readonly digest: Hex }> {
    const files = stolen();
    const { digest } = await proposeFiles(world, oracle, files);
    return { files, digest };
  }

  const veto = async (digest: string) => {
    const { ledger } = world.devnet.suite;
    await (await ledger.connect(world.devnet.role("guardian")).veto(digest)).wait();
  };
  const soon = () => new Promise((next) => setTimeout(next, 50));
  async function revocation(digest: string): Promise<string> {
    const { ledger } = world.devnet.suite;
    for (;;) {
      const filter = ledger.filters.RootRevoked(undefined, undefined, digest);
      const [revoked] = await ledger.queryFilter(filter);
      if (revoked !== undefined) return revoked.args.prover;
      await soon();
    }
  }
  const isSlashed = async () => !(await world.devnet.suite.quorum.isActive(oracle.member));
  const bonded = async () => {
    const { demands } = world.devnet.suite;
    return demands.queryFilter(demands.filters.Demanded(undefined, undefined, bystander.address));
  };
  async function allTakenBack(): Promise<void> {
    const { demands } = world.devnet.suite;
    while ((await demands.queryFilter(demands.filters.Withdrawn(bystander.address))).length === 0)
      await soon();
  }

  it("convicts one wrong number in the middle of a public table", async () => {
    const { files, digest } = await proposeStolen();
    await publishFiles(published, 1, files);
    const { code, table, proof, defence, stderr } = await watchOnce(...withKey());
    expect([code, table, proof], stderr).to.deep.equal([1, "invoices", "pair"]);
    expect(defence?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect(await revocation(digest)).to.equal(bystander.address);
    expect(await isSlashed()).to.equal(true);
  });

  it("lets no demand of a report that it undid put off others any more, whosever it was", async () => {
    const { files, digest } = await proposeStolen();
    const stranger = world.devnet.role("treasury");
    await demandAll(world, digest, [row("rewards", 0), row("rewards", 1)], stranger);
    await publishFiles(published, 1, files);
    await watchOnce(...withKey());
    expect(await revocation(digest)).to.equal(bystander.address);
    expect(await waitingOf(world, digest)).to.equal(0);
  });

  it("tells without a key what it would demand, and sends nothing", async () => {
    await proposeStolen();
    const block = await world.devnet.provider.getBlockNumber();
    const { code, verdict, search, wanted = [], demands } = await watchOnce();
    expect([code, verdict?.verdict, search?.kind]).to.deep.equal([2, "unavailable", "asks"]);
    expect(wanted).to.not.deep.equal([]);
    expect(demands).to.equal(undefined);
    expect(await world.devnet.provider.getBlockNumber()).to.equal(block);
  });

  it("says so when no mirror has a lawful bundle to compare with", async () => {
    await proposeStolen();
    const { stdout } = await runOracle([...args(published), "--once", ...withKey()]);
    const { search } = JSON.parse(stdout) as Told;
    expect(search?.kind).to.equal("stuck");
    expect(search?.message).to.contain("no mirror has a lawful bundle of epoch 1");
  });

  it("bonds no more than it may", async () => {
    await proposeStolen();
    const { demands = [] } = await watchOnce(...withKey("--demand-limit", "0.005"));
    expect(demands).to.not.deep.equal([]);
    for (const { notSent } of demands) expect(notSent).to.contain("--demand-limit");
    expect(await bonded()).to.deep.equal([]);
  });

  it("waits for what it has demanded, not for what a stranger has", async () => {
    const { digest } = await proposeStolen();
    await demandAll(world, digest, [row("rewards", 0)], world.devnet.role("treasury"));
    await demandAll(world, digest, [row("rewards", 1)], bystander);
    const before = await watchOnce(...withKey());
    expect(before.wanted).to.not.deep.equal([]);
    expect(before.demands).to.equal(undefined);
    await toTheSealTime();
    const { digest: again } = await proposeStolen();
    await demandAll(world, again, [row("rewards", 0)], world.devnet.role("treasury"));
    const { demands = [] } = await watchOnce(...withKey());
    expect(demands[0]?.transaction).to.match(/^0x[0-9a-f]{64}$/);
  });

  it("has a report revoked whose hidden rows nobody shows, and takes its bonds back", async () => {
    const { digest } = await proposeStolen();
    keepDefending();
    while ((await waitingOf(world, digest)) === 0) await soon();
    const [first] = await bonded();
    await world.devnet.warpTo(Number(first?.args.due) + 1);
    expect(BigInt(await revocation(digest))).to.equal(0n);
    expect(await isSlashed()).to.equal(true);
    await allTakenBack();
    const { provider, suite } = world.devnet;
    expect(await provider.getBalance(suite.demands)).to.equal(0n);
  });

  it("convicts what comes to light when hidden tables are shown, also begun anew in between", async () => {
    const { files, digest } = await proposeStolen();
    // The thief answers, as it would be revoked else.
    await publishFiles(oracle.bundles, 1, files);
    const first = keepDefending();
    while ((await waitingOf(world, digest)) === 0) await soon();
    first.child.kill("SIGKILL");
    await first.finished;
    await oracle.serve();
    keepDefending();
    expect(await revocation(digest)).to.equal(bystander.address);
    expect(await isSlashed()).to.equal(true);
    await allTakenBack();
  });

  it("convicts what a veto tries to save before anything is demanded", async () => {
    const { files, digest } = await proposeStolen();
    await publishFiles(oracle.bundles, 1, files);
    await veto(digest);
    await oracle.serve();
    keepDefending();
    expect(await revocation(digest)).to.equal(bystander.address);
    expect(await isSlashed()).to.equal(true);
  });

  it("convicts what was vetoed when its epoch has become final, as long as something is demanded of it", async () => {
    const { files, digest } = await proposeStolen();
    await demandAll(world, digest, [row("rewards", 0)], world.devnet.role("treasury"));
    await veto(digest);
    expect((await oracle.close()).code).to.equal(0);
    await world.passWindow();
    await oracle.close();
    expect(await lastFinalEpoch(world)).to.equal(1);
    await publishFiles(published, 1, files);
    const { code, vetoed, stderr } = await watchOnce(...withKey());
    expect([code, vetoed?.length, vetoed?.[0]?.proof], stderr).to.deep.equal([1, 1, "pair"]);
    expect(await revocation(digest)).to.equal(bystander.address);
    expect(await isSlashed()).to.equal(true);
    expect(await watchOnce(...withKey())).to.deep.equal({ code: 0, stderr: "", pending: null });
  });

  it("lets go of what was vetoed when its time is over", async () => {
    const { files, digest } = await proposeStolen();
    await veto(digest);
    await oracle.close();
    await world.passWindow();
    await oracle.close();
    await publishFiles(published, 1, files);
    expect(await world.devnet.suite.ledger.openUntil(digest)).to.equal(0n);
    expect(await watchOnce(...withKey())).to.deep.equal({ code: 0, stderr: "", pending: null });
  });

  it("reckons a bond as the contract does", async () => {
    const { digest } = await proposeStolen();
    const { devnet } = world;
    const { suite, parameters } = devnet;
    const report = await reportOf(world, digest);
    const terms = await readDemandTerms(devnet);
    const { finalizableAt } = await suite.ledger.proposal();
    const open = { finalizableAt } as OpenReport;
    for (const past of [0, 1, parameters.answerSeconds, parameters.answerSeconds + 1, 200]) {
      await devnet.warpTo(Number(finalizableAt) - parameters.windowSeconds / 2 + past);
      const timestamp = await devnet.now();
      for (const node of [row("rewards", 1), page("invoices")]) {
        // A call that pays nothing is told that the base fee is 0.
        const bond = await suite.demands.bondOf(report, nodeOf(node));
        const own = bondFor(open, node, OWNERS, terms, { timestamp, baseFee: 0n });
        expect(own, `${past} seconds after the half`).to.equal(bond);
      }
    }
  });

  it("sends enough also when the chain is busy and the bond follows the base fee", async () => {
    await proposeStolen();
    const { provider } = world.devnet;
    await provider.send("hardhat_setNextBlockBaseFeePerGas", [toBeHex(BASE_FEE)]);
    await provider.send("evm_mine", []);
    const { demands = [], wanted = [] } = await watchOnce(...withKey());
    expect(demands.map(({ notSent }) => notSent)).to.deep.equal(wanted.map(() => undefined));
    const [first] = await bonded();
    expect(first?.args.bond).to.be.above(world.devnet.parameters.demandBond);
  });

  it("takes nobody's bond for silence whose report is lawful, whatever is wrong beside its tables", async () => {
    const { sealBlock } = manifestOf(honest);
    const beside = withManifest(honest, { sealBlock: { ...sealBlock, number: 1 } });
    const { digest } = await proposeFiles(world, oracle, beside);
    await demandAll(world, digest, [row("rewards", 0)], world.devnet.role("treasury"));
    await world.devnet.warpTo(
      (await world.devnet.now()) + 2 * world.devnet.parameters.answerSeconds,
    );
    const { code, verdict, search, finalizableAt, silence, stderr } = await watchOnce(...withKey());
    expect([code, verdict?.verdict, search?.kind], stderr).to.deep.equal([1, "differs", "lawful"]);
    expect([finalizableAt, silence]).to.deep.equal([null, undefined]);
    expect(await isSlashed()).to.equal(false);
  });

  it("answers what is demanded of a report that agrees, out of a mirror, also late", async () => {
    await oracle.close();
    const digest = await pendingDigest(world);
    await rm(join(oracle.bundles, "1"), { recursive: true });
    await demandAll(world, digest, [row("contributions", 2)], world.devnet.role("treasury"));
    await world.devnet.warpTo(
      (await world.devnet.now()) + 2 * world.devnet.parameters.answerSeconds,
    );
    const { code, answers, stderr } = await watchOnce(...withKey());
    expect([code, answers?.length], stderr).to.deep.equal([0, 1]);
    expect(await answerers(world, digest)).to.deep.equal([bystander.address.toLowerCase()]);
    expect(await waitingOf(world, digest)).to.equal(0);
  });
});
