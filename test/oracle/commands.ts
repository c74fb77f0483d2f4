import { join } from "node:path";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { REWARD_BYTES } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import type { HDNodeWallet, Wallet } from "ethers";
import { type Finished, runOracle } from "../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld, TERABYTE } from "../worlds/network.ts";
import { bundleOf, publishFiles } from "./support/forger.ts";
import type { MemberOracle } from "./support/member-oracle.ts";

/** What `why --json` prints, as far as it is looked at here. */
type WhyJson = {
  readonly served: readonly {
    readonly account: Address;
    readonly value: string;
    readonly counted: string;
    readonly reasons: readonly string[];
  }[];
  readonly devices: readonly { readonly reward: string }[];
  readonly customers: readonly { readonly owed: string; readonly paid: string }[];
  readonly note?: string;
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
      // In sum over the limit of its class, which is ten terabytes: each of the two counts for five.
      { device: second, ...six },
      { device: second, ...six, customer: poor },
      { device: third, customer: poor },
      { device: fourth },
    ]);
    expect(taken.map(({ status }) => status)).to.deep.equal(Array(5).fill("accepted"));
    const manufacturer = world.devnet.role("manufacturer");
    await (await world.devnet.suite.registry.connect(manufacturer).revoke([fourth])).wait();
    await world.owe(serving.url, 1, 6n * LTK, 0);
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
    expect(status.lastFinal).to.include({ epoch: 1, total: String((27n * LTK) / 2n) });
    expect(status.next).to.include({ epoch: 2, attempt: 0, pending: null });
    expect(status.accounts).to.equal(4);
    expect(status.text).to.contain("epoch 1, 13.5 LTK released in all, 13.5 LTK not claimed");
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

    it("a device earned all of it", async () => {
      const { served, devices: rows, customers, text } = await why(deviceAt(0));
      expect(served.map(({ account, value, counted }) => [account, value, counted])).to.deep.equal([
        [ownerAt(0), String(LTK), String(LTK)],
      ]);
      expect(served[0]?.reasons).to.deep.equal([]);
      expect(rows[0]).to.include({ reward: String((3n * LTK) / 2n) });
      expect(customers).to.deep.equal([
        {
          customer: lowercaseHex(world.customer.address),
          owed: String(6n * LTK),
          paid: String(6n * LTK),
        },
      ]);
      expect(text).to.contain("paid in full").and.contain("owed 6.0 and paid 6.0 LTK");
    });

    it("an account earned less: over its class limit, and served one that did not pay it all", async () => {
      const { served: rows, text } = await why(ownerAt(1));
      expect(rows.map(({ reasons }) => reasons)).to.have.deep.members([
        ["scaled"],
        ["scaled", "unpaid-in-part"],
      ]);
      expect(rows.map(({ value }) => value)).to.deep.equal([String(5n * LTK), String(5n * LTK)]);
      expect(rows.map(({ counted }) => counted)).to.have.members([
        String(5n * LTK),
        String((5n * LTK) / 2n),
      ]);
      expect(text).to.contain("scaled, unpaid-in-part");
    });

    it("a device earned nothing: revoked, or never there", async () => {
      const revoked = await why(deviceAt(3));
      expect(revoked.served).to.deep.equal([]);
      expect(revoked.note).to.equal(`device ${deviceAt(3)} is revoked from epoch 1 on`);
      const stranger = lowercaseHex(world.devnet.wallet(9).address);
      expect((await why(stranger)).note).to.equal(
        `${stranger} is neither an enrolled device nor an account`,
      );
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
    const first = JSON.parse((await runOracle(claim)).stdout);
    expect(first.transactions).to.have.lengthOf(1);
    const { paid, claimable } = first.claims[0];
    expect(paid).to.equal(claimable);
    expect((await world.devnet.suite.token.balanceOf(ownerAt(0))) - before).to.equal(BigInt(paid));
    const second = await runOracle(claim);
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
    // Rounding leaves less than a wei for each device.
    expect(Number(await token.balanceOf(await distributor.getAddress()))).to.be.below(4);
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
      for (const { code, stdout, stderr } of await Promise.all(wrong.map(runOracle))) {
        expect([code, stdout]).to.deep.equal([3, ""]);
        expect(stderr).to.match(/^(error: |Usage: )/);
      }
    });
  });

  it("explain themselves", async () => {
    const { code, stdout, stderr } = await runOracle(["--help"]);
    expect([code, stderr]).to.deep.equal([0, ""]);
    for (const command of ["serve", "close", "watch", "audit", "claim", "why", "forgo"]) {
      expect(stdout).to.contain(command);
    }
  });
});
