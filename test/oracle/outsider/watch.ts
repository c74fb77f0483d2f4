import { appendFile, cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { REWARD_BYTES, type RewardLeaf } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import type { EpochVerdict } from "../../../oracle/outsider/audit.ts";
import { addMember } from "../../../scripts/local/devnet.ts";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { lastFinalEpoch } from "../support/chronicle.ts";
import {
  type BundleFiles,
  bundleOf,
  type Forgery,
  inOrder,
  leavesOf,
  manifestOf,
  proposeFiles,
  publishFiles,
  withRewards,
} from "../support/forger.ts";
import { type MemberOracle, memberOracle } from "../support/member-oracle.ts";

type Watched = {
  readonly code: number | null;
  readonly stderr: string;
  readonly epoch?: number;
  readonly attempt?: number;
  readonly verdict?: EpochVerdict;
  readonly table?: string | null;
  readonly row?: number | null;
  readonly proof?: string | null;
  readonly defence?: { readonly transaction?: string };
  readonly vetoed?: readonly Pick<
    Watched,
    "epoch" | "attempt" | "table" | "row" | "proof" | "defence"
  >[];
};

describe("watch", () => {
  let world: MemberWorld;
  let oracle: MemberOracle;
  let bystander: HDNodeWallet;
  let bystanderKey: string;
  /** Epoch 1 is final, epoch 2 is due. */
  let toTheSealTime: () => Promise<void>;
  let honest: BundleFiles;
  let leaves: readonly RewardLeaf[];
  /** Where the proposer of epoch 2 publishes what it likes. */
  let published: string;

  before(async () => {
    world = await startMemberWorld();
    oracle = world.oracle;
    bystander = world.devnet.role("bystander");
    bystanderKey = await world.devnet.keyFile("bystander", bystander);
    const serving = await oracle.serve();
    for (const epoch of [1, 2]) {
      await world.submit(serving.url, [{ epoch }, { epoch }, { epoch }]);
      await world.owe(serving.url, epoch, 3n * LTK);
      await world.endEpoch(epoch);
      await oracle.close();
      await world.sealEpoch(epoch);
      if (epoch === 2) break;
      await oracle.close();
      await world.passWindow();
      await oracle.close();
    }
    await serving.stop();
    toTheSealTime = await checkpoint(world);
    await oracle.close();
    honest = await bundleOf(oracle, 2);
    leaves = leavesOf(honest);
    published = join(world.devnet.folder, "published");
  });
  after(() => world.stop());
  beforeEach(async () => {
    await toTheSealTime();
    await rm(published, { recursive: true, force: true });
    await cp(oracle.bundles, published, { recursive: true });
  });

  async function watchOnce(...more: readonly string[]): Promise<Watched> {
    const args = ["watch", "--once", ...world.chainArgs, "--bundles", published, "--json", ...more];
    const { code, stdout, stderr } = await runOracle(args);
    return { code, stderr, ...(stdout === "" ? {} : JSON.parse(stdout)) };
  }

  const defendOnce = () => watchOnce("--defend", "--key-file", bystanderKey);

  /** The member's key signs this, and its folder says so. */
  async function proposeForged(forgery: Forgery): Promise<void> {
    const files = withRewards(honest, forgery);
    await proposeFiles(world, oracle, files);
    await publishFiles(published, 2, files);
  }

  const leafAt = (index: number) => leaves[index] as RewardLeaf;

  it("lets an honest proposal pass, and tells when none is pending", async () => {
    const none = await watchOnce();
    expect([none.code, none]).to.deep.equal([0, { code: 0, stderr: "", pending: null }]);
    await oracle.close();
    await publishFiles(published, 2, honest);
    const { code, epoch, attempt, verdict, proof } = await watchOnce();
    expect([code, epoch, attempt, proof]).to.deep.equal([0, 2, 0, null]);
    expect(verdict?.verdict).to.equal("agrees");
  });

  describe("against a corrupt proposer: a bystander's proof revokes the proposal and slashes its signer,", () => {
    const forgeries: readonly [string, string, number, () => Forgery][] = [
      [
        "two slices that overlap (the same wei promised twice)",
        "reward-order",
        1,
        () => ({ leaves: leaves.map((leaf, i) => (i === 1 ? { ...leaf, prefix: 0n } : leaf)) }),
      ],
      [
        "a gap between two slices (tokens that belong to nobody)",
        "reward-order",
        1,
        () => ({
          leaves: [{ ...leafAt(0), cumulative: leafAt(0).cumulative - 1n }, ...leaves.slice(1)],
        }),
      ],
      [
        "a slice beyond the total",
        "reward-order",
        2,
        () => ({
          leaves: [leafAt(0), leafAt(1), { ...leafAt(2), cumulative: leafAt(2).cumulative + 1n }],
          total: manifestOf(honest).total,
        }),
      ],
      [
        "two accounts at each other's index",
        "reward-order",
        0,
        () => ({ leaves: inOrder([leafAt(1), leafAt(0), leafAt(2)]) }),
      ],
      [
        "the zero hash in a leaf's place (EigenLayer L-01, L-02: provable padding)",
        "empty-leaf",
        1,
        () => ({ leaves: [leafAt(0), undefined, leafAt(2)] }),
      ],
      [
        "less than an account had before",
        "reward-boundary",
        1,
        () => ({
          leaves: inOrder([
            { ...leafAt(0), cumulative: 0n },
            { ...leafAt(1), cumulative: leafAt(1).cumulative + leafAt(0).cumulative },
            leafAt(2),
          ]),
        }),
      ],
      [
        "earnings that are mis-shared",
        "reward-boundary",
        1,
        () => ({
          leaves: inOrder(
            leaves.map((leaf, i) => ({
              ...leaf,
              cumulative: i === 0 ? leaf.cumulative + leafAt(2).cumulative : leaf.cumulative,
              ...(i === 2 && { cumulative: 0n }),
            })),
          ),
        }),
      ],
    ];

    for (const [what, name, record, forgery] of forgeries) {
      it(what, async () => {
        await proposeForged(forgery());
        const { code, verdict, proof, defence } = await defendOnce();
        expect([code, verdict?.verdict, proof]).to.deep.equal([1, "differs", name]);
        expect(verdict?.divergence).to.include({
          kind: "unlawful",
          file: "rewards.bin",
          table: "rewards",
          record,
          proof: name,
        });
        expect(defence?.transaction).to.match(/^0x[0-9a-f]{64}$/);
        const { ledger, quorum, token } = world.devnet.suite;
        const [revoked] = await ledger.queryFilter(ledger.filters.RootRevoked());
        expect([revoked?.args.epoch, revoked?.args.prover]).to.deep.equal([2n, bystander.address]);
        expect(await quorum.isActive(oracle.wallet.address)).to.equal(false);
        expect(await token.balanceOf(bystander.address)).to.equal(
          world.devnet.parameters.minimumBond / 10n,
        );
      });
    }
  });

  it("convicts also what the guardian has vetoed before, once", async () => {
    await proposeForged({
      leaves: leaves.map((leaf, i) => (i === 1 ? { ...leaf, prefix: 0n } : leaf)),
    });
    const { ledger, quorum } = world.devnet.suite;
    const { digest } = await ledger.proposal();
    await (await ledger.connect(world.devnet.role("guardian")).veto(digest)).wait();
    const { code, vetoed = [], stderr } = await defendOnce();
    expect([code, vetoed.length], stderr).to.deep.equal([1, 1]);
    expect(vetoed[0]).to.include({
      epoch: 2,
      attempt: 0,
      table: "rewards",
      row: 1,
      proof: "reward-order",
    });
    expect(vetoed[0]?.defence?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    const [revoked] = await ledger.queryFilter(ledger.filters.RootRevoked());
    expect([revoked?.args.digest, revoked?.args.prover]).to.deep.equal([digest, bystander.address]);
    expect(await quorum.isActive(oracle.wallet.address)).to.equal(false);
    expect(await defendOnce()).to.deep.equal({ code: 0, stderr: "", pending: null });
  });

  it("names the proof without a key, and sends nothing", async () => {
    await proposeForged({
      leaves: leaves.map((leaf, i) => (i === 1 ? { ...leaf, prefix: 0n } : leaf)),
    });
    const block = await world.devnet.provider.getBlockNumber();
    const { code, proof, defence } = await watchOnce();
    expect([code, proof, defence]).to.deep.equal([1, "reward-order", undefined]);
    expect(await world.devnet.provider.getBlockNumber()).to.equal(block);
  });

  it("convicts also when something is added to the rewards that lead to the root", async () => {
    await proposeForged({
      leaves: leaves.map((leaf, i) => (i === 1 ? { ...leaf, prefix: 0n } : leaf)),
    });
    await appendFile(join(published, "2", "rewards.bin"), Buffer.alloc(REWARD_BYTES + 1));
    const { proof, defence } = await defendOnce();
    expect(proof).to.equal("reward-order");
    expect(defence).to.have.property("transaction");
  });

  it("comes to a final epoch on the honest path after a defence, with a new bonded member", async () => {
    await proposeForged({
      leaves: leaves.map((leaf, i) => (i === 1 ? { ...leaf, prefix: 0n } : leaf)),
    });
    await defendOnce();
    const { devnet } = world;
    const wallet = devnet.wallet(9);
    await addMember(devnet, wallet.address, 1);
    await world.endEpoch(4);
    const successor = await memberOracle({ devnet, name: "successor", wallet, data: oracle.data });
    expect((await successor.close()).code).to.equal(0);
    await publishFiles(published, 2, await bundleOf(oracle, 2));
    expect((await watchOnce()).verdict?.verdict).to.equal("agrees");
    await world.passWindow();
    await successor.close();
    expect(await lastFinalEpoch(world)).to.equal(2);
    expect(await bundleOf(oracle, 2)).to.deep.equal(honest);
  });

  it("raises the alarm for rewards that are signed and not published, of which no row can be shown", async () => {
    const files = withRewards(honest, {
      leaves: inOrder([{ ...leafAt(0), cumulative: 0n }, leafAt(1), leafAt(2)]),
      total: manifestOf(honest).total,
    });
    await proposeFiles(world, oracle, files);
    await publishFiles(published, 2, honest);
    const { code, verdict, proof, defence } = await defendOnce();
    expect([code, proof, defence]).to.deep.equal([1, null, undefined]);
    expect(verdict?.divergence).to.include({ kind: "report", file: "rewards.bin" });
    const { ledger } = world.devnet.suite;
    const { digest } = await ledger.proposal();
    await (await ledger.connect(world.devnet.role("guardian")).veto(digest)).wait();
    expect((await oracle.close()).code).to.equal(0);
  });

  it("cannot tell when the bundle is withheld, and says so with another exit code", async () => {
    await proposeForged({ leaves: [leafAt(0), undefined, leafAt(2)] });
    await rm(join(published, "2"), { recursive: true });
    const withheld = await watchOnce();
    expect([withheld.code, withheld.verdict?.verdict]).to.deep.equal([2, "unavailable"]);
    expect(withheld.proof).to.equal(null);
  });

  it("asks nobody to veto a report for a bad copy, and the next mirror for a good one", async () => {
    await oracle.close();
    await publishFiles(published, 2, honest);
    for (const file of ["manifest.json", "contributions.bin"]) {
      const path = join(published, "2", file);
      const good = await readFile(path);
      await appendFile(path, "\n");
      const bad = await watchOnce();
      expect([bad.code, bad.verdict?.verdict, bad.verdict?.isDamaged]).to.deep.equal([
        2,
        "unavailable",
        true,
      ]);
      const args = ["watch", "--once", ...world.chainArgs, "--bundles", published];
      const { code, stdout } = await runOracle(args);
      expect(code).to.equal(2);
      expect(stdout)
        .to.contain(`this copy at ${published} is not what was signed: ${file} of epoch 2`)
        .and.contain("no mirror has a good copy")
        .and.not.contain("guardian");
      const { code: next } = await runOracle([...args, oracle.bundles]);
      expect(next).to.equal(0);
      await writeFile(path, good);
    }
  });

  it("convicts from the rewards alone when the rest is withheld", async () => {
    await proposeForged({ leaves: [leafAt(0), undefined, leafAt(2)] });
    await rm(join(published, "2", "contributions.bin"));
    const { verdict, proof, defence } = await defendOnce();
    expect([verdict?.verdict, proof]).to.deep.equal(["unavailable", "empty-leaf"]);
    expect(defence).to.have.property("transaction");
  });

  it("defends with a key or not at all", async () => {
    const { code, stderr } = await watchOnce("--defend");
    expect(code).to.equal(3);
    expect(stderr).to.contain("--key-file");
  });
});
