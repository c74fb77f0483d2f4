import { join } from "node:path";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { REWARD_BYTES } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import { formatEther, type HDNodeWallet, type Wallet } from "ethers";
import { type Finished, runOracle } from "../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld, TERABYTE } from "../worlds/network.ts";
import { bundleOf, publishFiles } from "./support/forger.ts";
import type { MemberOracle } from "./support/member-oracle.ts";

type Steps = Readonly<Record<"value" | "counted" | "fee" | "earned", string>>;
/** What `why --json` prints, as far as it is looked at here. */
type WhyJson = {
  readonly devices: readonly (Steps & {
    readonly account: Address;
    readonly lines: readonly (Steps & { readonly customer: Address })[];
  })[];
  readonly customers: readonly Readonly<Record<string, string>>[];
  readonly sums: Steps;
  readonly revoked: readonly unknown[];
  readonly note?: string;
};
type RefundJson = {
  readonly refunds: readonly Readonly<Record<string, string>>[];
  readonly failed: readonly { readonly epoch: number; readonly reason: string }[];
};
type Findings = {
  readonly findings: readonly { readonly name: string; readonly message: string; ok: boolean }[];
};

describe("the commands, as owners, operators and auditors run them", () => {
  let world: MemberWorld;
  let oracle: MemberOracle;
  let devices: readonly Address[];
  let owners: readonly Address[];

  before(async () => {
    world = await startMemberWorld({ owners: 4, customers: 2 });
    oracle = world.oracle;
    devices = world.devices.map(({ address }) => lowercaseHex(address));
    owners = world.owners.map(({ address }) => lowercaseHex(address));
    const [first, second, third, fourth] = devices as [Address, Address, Address, Address];
    const poor = lowercaseHex((world.customers[1] as HDNodeWallet).address);
    const six = { egressBytes: 6n * TERABYTE };
    const serving = await oracle.serve();
    const taken = await world.submit(serving.url, [
      { device: first },
      { device: second, ...six },
      { device: second, ...six, customer: poor },
      { device: third, customer: poor },
      { device: fourth },
    ]);
    expect(taken.map(({ status }) => status)).to.deep.equal(Array(5).fill("accepted"));
    const manufacturer = world.devnet.role("manufacturer");
    await (
      await world.devnet.suite.registry.connect(manufacturer).revoke([fourth], "stolen")
    ).wait();
    // Eight for four devices, of which one is revoked meanwhile; and three of seven.
    await world.owe(serving.url, 1, 8n * LTK, 0);
    await world.owe(serving.url, 1, 3n * LTK, 1);
    await serving.stop();
    await world.endEpoch(1);
    await oracle.close();
    await world.sealEpoch(1);
    await oracle.close();
    await world.passWindow();
    await oracle.close();
  });
  after(() => world.stop());

  const withBundles = () => [...world.chainArgs, "--bundles", oracle.bundles];
  const keyOf = (wallet: HDNodeWallet | Wallet, name: string) => world.devnet.keyFile(name, wallet);
  const ownerAt = (index: number) => owners[index] as Address;
  const deviceAt = (index: number) => devices[index] as Address;

  /** Both ways of printing it, at once; each must end with `code` and say nothing on standard error. */
  async function answerOf<T = Record<string, unknown>>(
    code: number,
    ...args: readonly string[]
  ): Promise<T & { readonly text: string }> {
    const [text, json] = await Promise.all([runOracle(args), runOracle([...args, "--json"])]);
    expect([text.code, json.code, text.stderr, json.stderr]).to.deep.equal([code, code, "", ""]);
    return { ...JSON.parse(json.stdout), text: text.stdout };
  }

  it("status tells where the epochs stand", async () => {
    const status = await answerOf(0, "status", ...world.chainArgs);
    expect(status.lastFinal).to.include({ epoch: 1, total: String(9n * LTK) });
    expect(status.next).to.include({ epoch: 2, attempt: 0, pending: null });
    expect(status.accounts).to.equal(4);
    expect(status.text).to.contain("epoch 1, 9.0 LTK released in all, 9.0 LTK not claimed");
    expect(status).to.include({ threshold: 1, closedAt: null });
    expect(status.members).to.deep.equal([
      {
        slot: 0,
        key: oracle.member,
        isActive: true,
        fromEpoch: 2,
        untilEpoch: null,
        bond: String(1_000n * LTK),
        fees: String(LTK),
      },
    ]);
    expect(status.text).to.contain("active, 1.0 LTK of fees wait");
  });

  it("check names what keeps the oracle from working, and nothing else", async () => {
    const { findings } = await answerOf<Findings>(1, "check", ...oracle.args);
    const wrong = findings.filter(({ ok }) => !ok);
    // This chain's clock was moved ahead.
    expect(wrong.map(({ name }) => name)).to.deep.equal(["clock"]);
    expect(wrong[0]?.message).to.contain("set it by NTP");
    const stranger = await keyOf(world.devnet.wallet(9), "stranger");
    const { stdout } = await runOracle([
      ...["check", ...world.chainArgs, "--data", `${oracle.data}-stranger`],
      ...["--key-file", stranger, "--json"],
    ]);
    expect(JSON.parse(stdout).findings).to.deep.include({
      name: "member",
      ok: false,
      message: `${lowercaseHex(world.devnet.wallet(9).address)} is not a member: governance adds it with addMember`,
    });
  });

  describe("why", () => {
    const why = (address: Address, epoch = 1) =>
      answerOf<WhyJson>(0, "why", address, String(epoch), ...withBundles());

    const stepsOf = ({ value, counted, fee, earned }: Steps) => [value, counted, fee, earned];
    const inTokens = (...amounts: readonly number[]) =>
      amounts.map((amount) => String((BigInt(10 * amount) * LTK) / 10n));
    const addUp = (rows: readonly Steps[]) =>
      (["value", "counted", "fee", "earned"] as const).map((step) =>
        String(rows.reduce((sum, row) => sum + BigInt(row[step]), 0n)),
      );

    it("a device earned all of it, less the fee", async () => {
      const { devices: rows, customers, sums, text } = await why(deviceAt(0));
      expect(rows.map(({ account }) => account)).to.deep.equal([ownerAt(0)]);
      expect(stepsOf(sums)).to.deep.equal(inTokens(1, 1, 0.1, 0.9));
      expect(customers.map(({ customer }) => customer)).to.deep.equal([
        lowercaseHex(world.customer.address),
      ]);
      // What it paid for the device that was revoked comes back.
      expect(customers[0]).to.include({ owed: String(7n * LTK), paid: String(8n * LTK) });
      expect(text).to.contain("0.9").and.contain("all");
    });

    it("an account earned less: a customer paid the smaller bills first", async () => {
      const { devices: rows, customers, sums, text } = await why(ownerAt(1));
      const lines = rows.flatMap((row) => row.lines);
      expect(lines.map(stepsOf)).to.have.deep.members([
        inTokens(6, 6, 0.6, 5.4),
        inTokens(6, 2, 0.2, 1.8),
      ]);
      expect(stepsOf(sums)).to.deep.equal(addUp(lines)).and.deep.equal(addUp(rows));
      expect(customers).to.deep.include({
        customer: lowercaseHex((world.customers[1] as HDNodeWallet).address),
        owed: String(7n * LTK),
        paid: String(3n * LTK),
        ceiling: String(2n * LTK),
        counted: String(3n * LTK),
      });
      expect(text).to.contain("at most 2.0");
    });

    it("adds up to what the account's leaf grew by, to the wei", async () => {
      for (const account of owners) {
        const { cumulative } = await answerOf(0, "proof", account, ...withBundles());
        expect((await why(account)).sums.earned).to.equal(cumulative);
      }
    });

    it("a device earned nothing: revoked, and for what reason; or never there", async () => {
      const revoked = [{ device: deviceAt(3), fromEpoch: 1, reason: "stolen" }];
      for (const address of [deviceAt(3), ownerAt(3)]) {
        const found = await why(address);
        expect(found.revoked).to.deep.equal(revoked);
        expect([found.devices, found.note]).to.deep.equal([[], undefined]);
        expect(found.text).to.contain("revoked from epoch 1 on, because: stolen");
      }
      const stranger = lowercaseHex(world.devnet.wallet(9).address);
      expect((await why(stranger)).note).to.equal(
        `${stranger} is neither an enrolled device nor an account`,
      );
    });
  });

  describe("refund", () => {
    const customerAt = (index: number) =>
      lowercaseHex((world.customers[index] as HDNodeWallet).address);
    const balance = (index: number) => world.devnet.suite.escrow.balanceOf(customerAt(index));

    it("shows what comes back, and what any wallet can send for it", async () => {
      const { refunds, failed, text } = await answerOf<RefundJson>(
        0,
        ...["refund", customerAt(0), ...withBundles()],
      );
      expect(failed).to.deep.equal([]);
      expect(refunds[0]).not.to.have.property("transaction");
      expect(refunds).to.have.lengthOf(1);
      expect(refunds[0]).to.include({
        epoch: 1,
        customer: customerAt(0),
        paid: String(8n * LTK),
        counted: String(7n * LTK),
        amount: String(LTK),
      });
      expect(text).to.contain("not sent: give a key");
      const { to = "", calldata = "" } = refunds[0] ?? {};
      await world.devnet.provider.call({ to, data: calldata, from: ownerAt(2) });
    });

    it("sends it, by anyone and once, and it is back in the balance", async () => {
      const keyFile = await keyOf(world.devnet.role("bystander"), "bystander");
      const refund = ["refund", customerAt(0), ...withBundles(), "--key-file", keyFile, "--json"];
      const before = await balance(0);
      const first = JSON.parse((await runOracle(refund)).stdout);
      expect(first.refunds[0].transaction).to.match(/^0x[0-9a-f]{64}$/);
      expect((await balance(0)) - before).to.equal(LTK);
      const second = await runOracle(refund);
      expect(JSON.parse(second.stdout)).to.deep.equal({ refunds: [], failed: [] });
      expect(await balance(0)).to.equal(before + LTK);
    });

    it("has nothing for who paid no more than counted, nor for an epoch that is not final", async () => {
      const none = await answerOf<RefundJson>(0, "refund", customerAt(1), ...withBundles());
      expect(none.refunds).to.deep.equal([]);
      expect(none.text).to.contain(`nothing comes back to ${customerAt(1)} now`);
      const early = await runOracle(["refund", customerAt(1), "2", ...withBundles()]);
      expect(early.code).to.equal(2);
      expect(early.stderr).to.contain("epoch 2 is not final; the last final epoch is 1");
    });
  });

  it("proof gives what any wallet can send", async () => {
    const proof = await answerOf(0, "proof", ownerAt(1), ...withBundles());
    expect(proof).to.include({ account: ownerAt(1), payee: ownerAt(1), epoch: 1, claimed: "0" });
    expect(proof.claimable).to.equal(proof.cumulative);
    expect(proof.proof).to.have.lengthOf(2);
    const { distributor } = world.devnet.suite;
    const call = { to: String(proof.to), data: String(proof.calldata) };
    // Anybody's node can tell beforehand that it would work.
    await world.devnet.provider.call({ ...call, from: ownerAt(2) });
    expect(call.to).to.equal(lowercaseHex(await distributor.getAddress()));
    expect(proof.text).to.contain(`(${proof.claimable} wei)`);
  });

  it("claim draws for oneself, once", async () => {
    const [owner] = world.owners;
    const keyFile = await keyOf(owner as HDNodeWallet, "owner");
    const claim = [...["claim", ...withBundles()], "--key-file", keyFile, "--json"];
    const before = await world.devnet.suite.token.balanceOf(ownerAt(0));
    const tooLittle = await runOracle([...claim, "--at-least", "1000000000"]);
    expect(tooLittle.code).to.equal(0);
    const waiting = JSON.parse(tooLittle.stdout);
    expect(waiting).to.deep.include({
      transactions: [],
      isEnough: false,
      atLeast: String(10n ** 27n),
      claimable: waiting.claims[0].claimable,
    });
    expect(waiting.claims[0].paid).to.equal("0");
    const inWords = await runOracle([...claim.slice(0, -1), "--at-least", "1000000000"]);
    expect(inWords.stdout).to.match(
      /LTK are claimable, less than 1,?000,?000,?000.*: nothing was sent\n$/,
    );
    const misused = await runOracle([...claim, "--at-least", "much"]);
    expect(misused.code).to.equal(3);
    const exactly = formatEther(waiting.claimable);
    claim.push("--at-least", exactly);
    const first = JSON.parse((await runOracle(claim)).stdout);
    expect(first.transactions).to.have.lengthOf(1);
    const { paid, claimable } = first.claims[0];
    expect(paid).to.equal(claimable);
    expect((await world.devnet.suite.token.balanceOf(ownerAt(0))) - before).to.equal(BigInt(paid));
    const second = await runOracle(claim.slice(0, -2));
    expect(second.code).to.equal(0);
    expect(JSON.parse(second.stdout)).to.deep.include({ transactions: [] });
    expect(JSON.parse(second.stdout).claims[0]).to.include({ paid: "0", claimable: "0" });
  });

  it("claim draws for others in one transaction, to them (Balancer PR 2269: one repeated in a batch)", async () => {
    const keyFile = await keyOf(world.devnet.role("bystander"), "bystander");
    const others = [ownerAt(1), ownerAt(2), ownerAt(1), ownerAt(0)];
    const { code, stdout } = await runOracle([
      ...["claim", ...others, ...withBundles()],
      ...["--key-file", keyFile, "--json"],
    ]);
    expect(code).to.equal(0);
    const { claims, transactions } = JSON.parse(stdout);
    expect(transactions).to.have.lengthOf(1);
    expect(claims).to.have.lengthOf(3);
    const { token, distributor } = world.devnet.suite;
    for (const { account, paid } of claims) {
      expect(await distributor.claimed(account)).to.equal(await token.balanceOf(account));
      if (account !== ownerAt(0)) expect(await token.balanceOf(account)).to.equal(BigInt(paid));
    }
    expect(await token.balanceOf(await distributor.getAddress())).to.equal(0n);
  });

  describe("when something is wrong, say in one line what, why and what to do (Rocket Pool 1035: exit status 2)", () => {
    function expectOneLine({ code, stdout, stderr }: Finished, expected: number, says: RegExp) {
      expect([code, stdout]).to.deep.equal([expected, ""]);
      expect(stderr).to.match(/^link-oracle: [^\n]+\n$/);
      expect(stderr)
        .to.match(says)
        .and.not.match(/^\s+at /m);
    }

    const cases: readonly [string, () => readonly string[], number, RegExp][] = [
      [
        "an account that never had a device",
        () => ["proof", world.devnet.wallet(9).address, ...withBundles()],
        2,
        /was never bound to a device/,
      ],
      [
        "bundles that are not there",
        () => ["proof", ownerAt(1), ...world.chainArgs, "--bundles", "/nowhere"],
        2,
        /of epoch 1 in \/nowhere/,
      ],
      [
        "files that lead to another root than the chain's (Layr-Labs 452: the wrong root's proof served)",
        () => ["proof", ownerAt(1), ...world.chainArgs, "--bundles", tampered],
        2,
        /do not lead to the root on chain; use another mirror/,
      ],
      [
        "an epoch that is not final",
        () => ["why", deviceAt(0), "7", ...withBundles()],
        2,
        /epoch 7/,
      ],
      [
        "a node that is down",
        () => ["status", "--rpc", "http://127.0.0.1:9", ...world.chainArgs.slice(2)],
        2,
        /is --rpc right and the node up\?/,
      ],
      [
        "a deployment file that is not there",
        () => ["status", ...world.chainArgs.slice(0, 2), "--deployment", "/nowhere.json"],
        2,
        /\/nowhere\.json.*written by scripts\/deploy\.ts/,
      ],
      [
        "no key where one is needed",
        () => ["claim", ...withBundles()],
        3,
        /--key-file, or --keystore with --password-file/,
      ],
    ];
    const ended = new Map<string, Finished>();
    let tampered: string;
    before(async () => {
      tampered = join(world.devnet.folder, "tampered");
      const files = new Map(await bundleOf(oracle, 1));
      const rewards = new Uint8Array(files.get("rewards.bin") as Uint8Array);
      rewards.set([0xff], REWARD_BYTES + 25);
      await publishFiles(tampered, 1, files.set("rewards.bin", rewards));
      const run = async ([what, args]: (typeof cases)[number]) =>
        ended.set(what, await runOracle(args()));
      await Promise.all(cases.map(run));
    });
    for (const [what, , code, says] of cases) {
      it(what, () => expectOneLine(ended.get(what) as Finished, code, says));
    }

    it("a word that is not a command or option, with the words there are", async () => {
      const wrong = [["claims"], ["status", "--fast"], ["why", "0x12", "1"], []];
      for (const { code, stdout, stderr } of await Promise.all(
        wrong.map((words) => runOracle(words)),
      )) {
        expect([code, stdout]).to.deep.equal([3, ""]);
        expect(stderr).to.match(/^(error: |Usage: )/);
      }
    });
  });

  it("explain themselves", async () => {
    const { code, stdout, stderr } = await runOracle(["--help"]);
    expect([code, stderr]).to.deep.equal([0, ""]);
    for (const command of ["serve", "close", "watch", "audit", "claim", "refund", "why", "forgo"]) {
      expect(stdout).to.contain(command);
    }
  });
});
