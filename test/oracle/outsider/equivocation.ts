import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { fromHex, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { sign, toCompact } from "@link-rewards/core/encoding/signature";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import { type Report, reportDigest, signedReportToJson } from "@link-rewards/core/signed/report";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { type HDNodeWallet, keccak256 } from "ethers";
import type { Equivocation } from "../../../oracle/outsider/equivocation.ts";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import type { MemberOracle } from "../support/member-oracle.ts";

type Told = {
  readonly nothing?: string;
  readonly equivocations: readonly (Equivocation & {
    readonly transaction?: string;
    readonly notSent?: string;
  })[];
};

const OTHER_HASH: Hex = `0x${"5a".repeat(32)}`;

describe("equivocation", () => {
  let world: MemberWorld;
  let first: MemberOracle;
  let second: MemberOracle;
  let domain: Uint8Array;
  let bystander: HDNodeWallet;
  let bystanderKey: string;
  /** Of epoch 1, attempt 0, and the transaction that proposed it with both members' signatures. */
  let report: Report;
  let proposal: string;
  let toThePending: () => Promise<void>;

  before(async () => {
    world = await startMemberWorld({ members: 2, threshold: 2 });
    [first, second] = world.oracles as [MemberOracle, MemberOracle];
    const { devnet } = world;
    bystander = devnet.role("bystander");
    bystanderKey = await devnet.keyFile("bystander", bystander);
    const deploymentFile = await readDeploymentFile(devnet.deploymentFile);
    const { chainId } = deploymentFile;
    domain = ledgerDomain({ chainId, contracts: contractsOf(deploymentFile) });
    const publishing = await first.serve();
    const serving = await second.serve("--peer", publishing.url);
    await world.submit(serving.url, [{}, {}, {}]);
    await world.owe(serving.url, 1, 3n * LTK);
    await world.endEpoch(1);
    await first.close("--peer", serving.url);
    await world.sealEpoch(1);
    const { stderr } = await first.close("--peer", serving.url);
    const { ledger } = devnet.suite;
    const [proposed] = await ledger.queryFilter(ledger.filters.RootProposed(1));
    if (proposed === undefined) throw new Error(stderr);
    proposal = proposed.transactionHash;
    const [read] = ledger.interface.decodeFunctionData(
      "propose",
      (await proposed.getTransaction()).data,
    );
    report = {
      ...read.toObject(),
      epoch: Number(read.epoch),
      attempt: Number(read.attempt),
      contributions: Number(read.contributions),
    };
    await serving.stop();
    await publishing.stop();
    toThePending = await checkpoint(world);
  });
  after(() => world.stop());
  beforeEach(() => toThePending());

  const signatureOf = (signed: Report, { wallet }: Pick<MemberOracle, "wallet">) =>
    sign(reportDigest(domain, signed), fromHex(lowercaseHex(wallet.privateKey)));

  /** A file with a report and these members' signatures, under whatever names. */
  async function fileOf(
    name: string,
    signed: Report,
    members: readonly Pick<MemberOracle, "wallet" | "member">[],
    named = (member: MemberOracle["member"]) => member,
  ): Promise<string> {
    const signatures = members.map((by) => ({
      member: named(by.member),
      signature: signatureOf(signed, by),
    }));
    return written(name, signedReportToJson({ report: signed, signatures }));
  }

  async function written(name: string, text: string): Promise<string> {
    const file = join(world.devnet.folder, `${name}.json`);
    await writeFile(file, text);
    return file;
  }

  async function told(...args: readonly string[]) {
    const all = ["equivocation", ...args, ...world.chainArgs, "--json"];
    const { code, stdout, stderr } = await runOracle(all);
    const answer: Told = stdout === "" ? { equivocations: [] } : JSON.parse(stdout);
    return { code, stderr, ...answer };
  }

  const bondOf = async ({ member }: MemberOracle) =>
    (await world.devnet.suite.quorum.memberOf(member)).bond;

  it("takes the bond and seat of who signed both, and nobody else's", async () => {
    const other = await fileOf("other", { ...report, root: OTHER_HASH }, [second]);
    const shown = await told(proposal, other);
    expect([shown.code, shown.stderr]).to.deep.equal([0, ""]);
    expect(shown.equivocations).to.have.lengthOf(1);
    expect(shown.equivocations[0]).to.include({ member: second.member, slot: 1 });
    expect(await bondOf(second), "without a key nothing is sent").to.equal(1_000n * LTK);

    const sent = await told(other, proposal, "--key-file", bystanderKey);
    expect(sent.code, sent.stderr).to.equal(0);
    expect(sent.equivocations[0]?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    expect([await bondOf(first), await bondOf(second)]).to.deep.equal([1_000n * LTK, 0n]);
    const { token } = world.devnet.suite;
    expect(await token.balanceOf(bystander.address)).to.equal(100n * LTK);

    const again = await told(proposal, other, "--key-file", bystanderKey);
    expect(again.code).to.equal(1);
    expect(again.equivocations[0]).to.include({ refusal: "NoBond(1)" });
    const words = await runOracle(["equivocation", proposal, other, ...world.chainArgs]);
    expect([words.code, words.stderr]).to.deep.equal([1, ""]);
    expect(words.stdout).to.contain("signed both reports of epoch 1, attempt 0");
    expect(words.stdout).to.contain("the contract takes no proof of it: NoBond(1)");
  });

  it("reads what a proposal showed that the ledger undid, and names each who signed both", async () => {
    const { devnet } = world;
    const lie = { ...report, total: report.total + 1n };
    const signatures = [second, first].map((by) => toCompact(signatureOf(lie, by)));
    const call = await devnet.suite.ledger.propose.populateTransaction(lie, signatures);
    const wallet = devnet.role("bystander");
    const filled = await wallet.populateTransaction({ ...call, gasLimit: 1_000_000n });
    const raw = await wallet.signTransaction(filled);
    // The node says at once that it fails, and has mined it.
    await devnet.provider.send("eth_sendRawTransaction", [raw]).catch(() => undefined);
    const hash = keccak256(raw);
    expect((await devnet.provider.getTransactionReceipt(hash))?.status).to.equal(0);
    const sent = await told(hash, proposal, "--key-file", bystanderKey);
    expect(sent.code, sent.stderr).to.equal(0);
    expect(sent.equivocations.map(({ slot }) => slot).sort()).to.deep.equal([0, 1]);
    expect([await bondOf(first), await bondOf(second)]).to.deep.equal([0n, 0n]);
  });

  it("says why two reports prove nothing", async () => {
    const stranger = { wallet: bystander, member: lowercaseHex(bystander.address) };
    const changed = { ...report, root: OTHER_HASH };
    const cases = [
      [await fileOf("same", report, [first]), "both are the same report"],
      [
        await fileOf("next attempt", { ...changed, attempt: 1 }, [first]),
        "one is about epoch 1, attempt 0, the other about epoch 1, attempt 1",
      ],
      [await fileOf("next epoch", { ...changed, epoch: 2 }, [first]), "epoch 2, attempt 0"],
      [await fileOf("unsigned", changed, []), "the other of no member"],
      // A member's name under a signature of somebody else's.
      [await fileOf("stranger", changed, [stranger], () => first.member), "the other of no member"],
    ] as const;
    for (const [file, why] of cases) {
      const { code, nothing, stderr } = await told(proposal, file, "--key-file", bystanderKey);
      expect([code, stderr], file).to.deep.equal([1, ""]);
      expect(nothing).to.contain(why);
    }
    const [one, other] = [
      await fileOf("by first", report, [first]),
      await fileOf("by second", changed, [second]),
    ];
    expect((await told(one, other)).nothing).to.equal(
      `no member signed both: one has signatures of ${first.member}, the other of ${second.member}`,
    );
    expect([await bondOf(first), await bondOf(second)]).to.deep.equal([1_000n * LTK, 1_000n * LTK]);
  });

  it("holds a member to what a key signed that it has handed on since", async () => {
    const { devnet } = world;
    const successor = { wallet: devnet.wallet(8), member: lowercaseHex(devnet.wallet(8).address) };
    await second.run("rotate", successor.member, "--execute");
    const changed = { ...report, root: OTHER_HASH };
    const { code, equivocations } = await told(
      proposal,
      await fileOf("by the new key", changed, [successor]),
    );
    expect([code, equivocations.length]).to.deep.equal([0, 1]);
    expect(equivocations[0]).to.include({ member: second.member, slot: 1 });
  });

  it("says what cannot be used: a file with 3, what the node does not have with 2", async () => {
    const malformed = [
      [await written("text", "not JSON"), "is not JSON"],
      [await written("empty", "{}"), "cannot be used"],
      [
        await written(
          "short",
          signedReportToJson({ report, signatures: [] }).replace(
            "[]",
            '[{"member":"0x00","signature":"0x00"}]',
          ),
        ),
        "signature",
      ],
    ] as const;
    for (const [file, why] of malformed) {
      const { code, stderr } = await told(proposal, file);
      expect(code, stderr).to.equal(3);
      expect(stderr).to.contain(why);
    }
    const missing = await told(proposal, join(world.devnet.folder, "nowhere.json"));
    expect(missing.code).to.equal(2);
    expect(missing.stderr).to.contain("nowhere.json");
    const unknown = await told(proposal, OTHER_HASH);
    expect(unknown.code).to.equal(2);
    expect(unknown.stderr).to.contain("does not have transaction");
  });
});
