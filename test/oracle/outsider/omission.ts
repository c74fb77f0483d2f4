import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  type Address,
  concatBytes,
  fromHex,
  type Hex,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { sign, toCompact } from "@link-rewards/core/encoding/signature";
import { buildTree, proofOf } from "@link-rewards/core/encoding/tree";
import { reportOf } from "@link-rewards/core/epoch/manifest";
import {
  type Acknowledgement,
  acknowledgementDigest,
} from "@link-rewards/core/signed/acknowledgement";
import type { Results } from "@link-rewards/core/signed/answers";
import { ledgerDomain, registryDomain } from "@link-rewards/core/signed/deployment";
import { type KeptWord, keptWordsToJson } from "@link-rewards/core/signed/kept-word";
import {
  type Receipt,
  receiptDigest,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { type Report, reportDigest } from "@link-rewards/core/signed/report";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import { connectChain as connectDevice, type Chain as DeviceChain } from "../../../device/chain.ts";
import { watchOmissions } from "../../../device/node/omissions.ts";
import { openWords } from "../../../device/node/words.ts";
import type { CheckedWord } from "../../../oracle/outsider/omission.ts";
import { MOVED_TIME } from "../../../scripts/local/local-chain.ts";
import type { LocalDevice } from "../../../scripts/local/local-device.ts";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { programOf } from "../../device/support/program.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import { lastFinalEpoch } from "../support/chronicle.ts";
import { bundleOf, hashOf, manifestOf } from "../support/forger.ts";
import type { MemberOracle } from "../support/member-oracle.ts";

type Told = CheckedWord & { readonly transaction?: string; readonly notSent?: string };

describe("omission", () => {
  let world: MemberWorld;
  let first: MemberOracle;
  let second: MemberOracle;
  let third: MemberOracle;
  let chain: Chain;
  let deviceChain: DeviceChain;
  let bystander: HDNodeWallet;
  let bystanderKey: string;
  /** By the first member for devices 0 and 1, in one request. Device 1 has a P-256 key. */
  let broken: readonly [KeptWord, KeptWord];
  /** By the second member for device 2. */
  let held: KeptWord;
  /** What the first and the second member sign: all that the second has. */
  let report: Report;
  let toTheSealTime: () => Promise<void>;
  const mirrors: Server[] = [];

  before(async () => {
    world = await startMemberWorld({ members: 3, threshold: 2 });
    [first, second, third] = world.oracles as [MemberOracle, MemberOracle, MemberOracle];
    const { devnet } = world;
    bystander = devnet.role("bystander");
    bystanderKey = await devnet.keyFile("bystander", bystander);
    const deploymentFile = await readDeploymentFile(devnet.deploymentFile);
    chain = await connectChain({
      rpcUrls: [devnet.rpcUrl],
      deploymentFile,
      bounds: MOVED_TIME,
    });
    deviceChain = connectDevice([devnet.rpcUrl], deploymentFile);
    const [one, other] = [await first.serve(), await second.serve()];
    await third.plan();
    broken = (await acknowledged(one.url, [{ device: deviceAt(0) }, { device: deviceAt(1) }])) as [
      KeptWord,
      KeptWord,
    ];
    [held] = (await acknowledged(other.url, [{ device: deviceAt(2) }])) as [KeptWord];
    await world.owe(other.url, 1, 3n * LTK);
    await world.endEpoch(1);
    await second.close();
    await world.sealEpoch(1);
    const { outcome } = await second.close();
    expect(outcome.waiting).to.contain("1 of 2 signatures");
    await one.stop();
    await other.stop();
    report = await reportBySecond(1);
    toTheSealTime = await checkpoint(world);
  });
  after(async () => {
    for (const mirror of mirrors) mirror.close();
    chain.close();
    deviceChain.close();
    await world.stop();
  });
  beforeEach(() => toTheSealTime());

  const deviceAt = (i: number): Address => world.devices[i]?.address as Address;
  const served = () => {
    const { chainId, contracts } = chain.deployment;
    return { chainId, registry: contracts.deviceRegistry };
  };

  /** Hands receipts in, in one request, and keeps the member's word for each. */
  async function acknowledged(
    url: string,
    receipts: readonly Partial<Receipt>[],
  ): Promise<readonly KeptWord[]> {
    const items = receipts.map((fields) => world.sign(fields));
    const response = await fetch(new URL("/v1/receipts", url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...served(), receipts: items.map(signedReceiptToJson) }),
    });
    const { results, acknowledgement }: Results = await response.json();
    if (acknowledgement === undefined) throw new Error(JSON.stringify(results));
    const { signature, member, ...word } = acknowledgement;
    const tree = buildTree(concatBytes(...items.map((signed) => digestOf(signed))));
    return items.map((signed, index) => ({
      signed,
      word: { ...word, storedAt: BigInt(word.storedAt) },
      signature: fromHex(signature),
      member: lowercaseHex(member),
      index,
      proof: proofOf(tree, index),
    }));
  }

  const digestOf = ({ receipt }: KeptWord["signed"]) =>
    receiptDigest(registryDomain(chain.deployment), receipt);
  const keyOf = ({ wallet }: MemberOracle) => fromHex(lowercaseHex(wallet.privateKey));

  /** The same word by another member, or another word. */
  function wordBy(
    oracle: MemberOracle,
    kept: KeptWord,
    change: Partial<Acknowledgement> = {},
  ): KeptWord {
    const word = { ...kept.word, ...change };
    const digest = acknowledgementDigest(registryDomain(chain.deployment), word);
    return { ...kept, word, member: oracle.member, signature: sign(digest, keyOf(oracle)) };
  }

  function signaturesOf(signed: Report) {
    const digest = reportDigest(ledgerDomain(chain.deployment), signed);
    return [first, second].map((oracle) => toCompact(sign(digest, keyOf(oracle))));
  }

  const ledger = () => world.devnet.suite.ledger.connect(bystander);
  async function collude(signed = report): Promise<void> {
    await (await ledger().propose(signed, signaturesOf(signed))).wait();
  }

  async function finalize(signed = report): Promise<void> {
    await world.passWindow();
    await (await ledger().finalize(signed)).wait();
  }

  /** The report of what the second member has of an epoch, in its first attempt. */
  async function reportBySecond(epoch: number): Promise<Report> {
    const files = await bundleOf(second, epoch);
    return reportOf(manifestOf(files), hashOf(files), 0);
  }

  async function fileOf(words: readonly KeptWord[]): Promise<string> {
    const file = join(world.devnet.folder, "words.json");
    await writeFile(file, JSON.stringify(keptWordsToJson(served(), words)));
    return file;
  }

  const check = (words: readonly KeptWord[], ...more: readonly string[]) =>
    checkAt(second.bundles, words, ...more);

  async function checkAt(mirror: string, words: readonly KeptWord[], ...more: readonly string[]) {
    const { code, stdout, stderr } = await runOracle([
      ...["omission", ...world.chainArgs, "--receipts", await fileOf(words)],
      ...["--bundles", mirror, "--json", ...more],
    ]);
    const told: readonly Told[] = stdout === "" ? [] : JSON.parse(stdout).words;
    return { code, stderr, told, verdicts: told.map(({ verdict }) => verdict) };
  }

  const prove = (words: readonly KeptWord[]) => check(words, "--key-file", bystanderKey);

  const bondOf = async ({ member }: MemberOracle) =>
    (await world.devnet.suite.quorum.memberOf(member)).bond;

  it("costs the member that signed without what it acknowledged its bond, and the report stands", async () => {
    await collude();
    await finalize();
    const { minimumBond } = world.devnet.parameters;
    const { quorum, token } = world.devnet.suite;
    const seen = await check([...broken, held]);
    expect([seen.code, seen.verdicts], seen.stderr).to.deep.equal([
      1,
      ["omitted", "omitted", "kept"],
    ]);
    expect(seen.told.map(({ member }) => member)).to.deep.equal([
      first.member,
      first.member,
      second.member,
    ]);
    expect(await bondOf(first)).to.equal(minimumBond);

    const before = await token.balanceOf(bystander.address);
    const proven = await prove([...broken, held]);
    expect(proven.code, proven.stderr).to.equal(1);
    expect(proven.told[0]?.transaction).to.match(/^0x[0-9a-f]{64}$/);
    // One proof takes the whole bond.
    expect(proven.told[1]).to.not.have.any.keys("transaction", "notSent");
    const [slashed, ...more] = await quorum.queryFilter(quorum.filters.MemberSlashed());
    expect(more).to.deep.equal([]);
    expect([slashed?.args.member, slashed?.args.prover]).to.deep.equal([
      first.wallet.address,
      bystander.address,
    ]);
    expect((await token.balanceOf(bystander.address)) - before).to.equal(minimumBond / 10n);
    expect(await bondOf(first)).to.equal(0n);
    expect(await quorum.isActive(first.member)).to.equal(false);
    expect(await bondOf(second)).to.equal(minimumBond);
    expect(await lastFinalEpoch(world)).to.equal(1);
    expect((await ledger().lastFinal()).root).to.equal(report.root);

    const again = await prove(broken);
    expect([again.code, again.verdicts]).to.deep.equal([1, ["omitted", "omitted"]]);
    expect(again.told[0]?.message).to.contain("cannot be proven: NoBond(0)");
    expect(again.told[0]).to.not.have.property("transaction");
  });

  it("is proven with either kind of device key, and before the report is final", async () => {
    for (const word of broken) {
      await toTheSealTime();
      await collude();
      const { code, told } = await prove([word]);
      expect([code, told[0]?.verdict]).to.deep.equal([1, "omitted"]);
      expect(told[0]?.transaction).to.match(/^0x/);
      expect(await bondOf(first)).to.equal(0n);
      // The report of which it was a signer goes on.
      await finalize();
      expect(await lastFinalEpoch(world)).to.equal(1);
    }
  });

  it("gives the same call to whoever sends with another tool", async () => {
    await collude();
    const { told } = await check([broken[0]]);
    const { to, calldata } = told[0]?.call ?? { to: null, calldata: "0x" };
    await (await bystander.sendTransaction({ to, data: calldata })).wait();
    expect(await bondOf(first)).to.equal(0n);
  });

  it("is nothing that a member is convicted of who did not sign, or did not promise", async () => {
    await collude();
    const [word] = broken;
    const unlawful = world.sign({ device: deviceAt(0), egressBytes: 2n ** 64n - 1n });
    const alone = { root: toHex(digestOf(unlawful)), receipts: 1 };
    const strange = { ...second, wallet: bystander, member: lowercaseHex(bystander.address) };
    const words: readonly (readonly [string, RegExp, KeptWord])[] = [
      ["unsigned", /slot 2 did not sign/, wordBy(third, word)],
      ["void", /not about the receipt/, { ...word, index: 1 }],
      ["void", /not about the receipt/, { ...word, signature: new Uint8Array(64) }],
      ["void", /never was a member/, wordBy(strange, word)],
      [
        "void",
        /not lawful: egressBytes/,
        { ...wordBy(first, word, alone), signed: unlawful, index: 0, proof: [] },
      ],
    ];
    const { told } = await prove(words.map(([, , each]) => each));
    for (const [i, [verdict, message]] of words.entries()) {
      expect(told[i]?.verdict, `word ${i}: ${told[i]?.message}`).to.equal(verdict);
      expect(told[i]?.message).to.match(message);
      expect(told[i]).to.not.have.any.keys("call", "transaction");
    }
    for (const oracle of [first, second, third]) expect(await bondOf(oracle)).to.not.equal(0n);
  });

  it("is nothing yet of an epoch that nobody has reported", async () => {
    const { code, verdicts } = await check([...broken, held]);
    expect([code, verdicts]).to.deep.equal([0, ["open", "open", "open"]]);
  });

  it("cannot be told without the files, or from others, and that is said with another exit code", async () => {
    await collude();
    const empty = await checkAt(join(world.devnet.folder, "nowhere"), [held]);
    expect([empty.code, empty.verdicts]).to.deep.equal([2, ["unavailable"]]);
    const spoilt = await mirrorOf((file) => {
      file[0] = (file[0] ?? 0) ^ 1;
    });
    const elsewhere = await checkAt(spoilt, [...broken, held]);
    expect([elsewhere.code, new Set(elsewhere.verdicts)]).to.deep.equal([
      2,
      new Set(["unavailable"]),
    ]);
    expect(elsewhere.told[0]?.message).to.contain("do not lead to the root on chain");
  });

  it("is seen, but not proven, when the report was proposed through another contract", async () => {
    const { ledger: contract } = world.devnet.suite;
    const target = lowercaseHex(await contract.getAddress()).slice(2);
    // Calls the ledger with whatever it is called with.
    const runtime = `363d3d373d3d363d3d73${target}5af100`;
    const deployed = await bystander.sendTransaction({
      data: `0x3d60${(runtime.length / 2).toString(16)}80600a3d3981f3${runtime}`,
    });
    const to = (await deployed.wait())?.contractAddress as string;
    const data = contract.interface.encodeFunctionData("propose", [report, signaturesOf(report)]);
    await (await bystander.sendTransaction({ to, data })).wait();
    expect((await contract.proposal()).digest).to.not.equal(`0x${"00".repeat(32)}`);
    const { code, told } = await prove([broken[0]]);
    expect([code, told[0]?.verdict]).to.deep.equal([1, "omitted"]);
    expect(told[0]?.message).to.contain(`it was proposed through ${to}`);
    expect(await bondOf(first)).to.not.equal(0n);
  });

  it("is not looked for in the words of another deployment", async () => {
    const file = await fileOf(broken);
    const words = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...words, chainId: 1 }));
    const { code, stderr } = await runOracle([
      ...["omission", ...world.chainArgs, "--receipts", file, "--bundles", second.bundles],
    ]);
    expect([code, stderr]).to.match(/on chain 1, not/);
    const without = await runOracle(["omission", ...world.chainArgs, "--bundles", second.bundles]);
    expect([without.code, without.stderr]).to.match(/3,.*--receipts/);
  });

  it("is told to a person in a few lines", async () => {
    await collude();
    const { stdout } = await runOracle([
      ...["omission", ...world.chainArgs, "--receipts", await fileOf([...broken, held])],
      ...["--bundles", second.bundles],
    ]);
    expect(stdout).to.contain(`member ${first.wallet.address} acknowledged receipt 1`);
    expect(stdout).to.contain("not sent: give a key");
    expect(stdout).to.match(/kept\s.*1/);
  });

  describe("as the device sees it by itself", () => {
    /** A device with these words, and what it logs. */
    async function deviceWith(i: number, words: readonly KeptWord[], bundlesUrl: string) {
      const folder = join(world.devnet.folder, `words of ${i}`, String(Math.random()));
      const kept = await openWords(folder, served());
      for (const word of words) await kept.keep(word);
      const logged: (readonly [string, unknown])[] = [];
      const { address, publicKey } = world.devices[i] as { address: Address; publicKey: Hex };
      const watch = watchOmissions({
        words: kept,
        chain: deviceChain,
        // The first copy is none.
        bundlesUrls: [`${bundlesUrl}/elsewhere/`, bundlesUrl],
        key: { address, publicKey },
        everyMilliseconds: 3_600_000,
        log: (level, event, detail) => void logged.push([`${level} ${event}`, detail]),
      });
      return { kept, watch, logged };
    }

    it("it says which member left out which receipt, once, and keeps the proof", async () => {
      await collude();
      await finalize();
      const mirror = await mirrorOf();
      for (const [i, word] of broken.entries()) {
        const { watch, logged, kept } = await deviceWith(i, [word], mirror);
        await watch.look();
        await watch.look();
        await watch.close();
        const { customer } = word.signed.receipt;
        const leftOut = { epoch: 1, customer, sequence: 1, member: first.member };
        expect(watch.found()).to.deep.equal([leftOut]);
        expect(logged).to.deep.equal([["warn receipt-left-out", leftOut]]);
        expect(kept.of(1)).to.deep.equal([word]);
      }
    });

    it("its program says so in its log", async () => {
      await collude();
      await finalize();
      const { devnet, devices } = world;
      const folder = join(devnet.folder, "program");
      await (await openWords(join(folder, "acknowledgements"), served())).keep(broken[1]);
      const program = spawn(
        process.execPath,
        [
          ...[programOf("node"), "serve", "--rpc", devnet.rpcUrl],
          ...["--deployment", devnet.deploymentFile, "--oracle", "http://127.0.0.1:9"],
          ...["--key-file", await devnet.keyFile("device-1", devices[1] as LocalDevice)],
          ...["--folder", folder, "--json", "--bundles", await mirrorOf()],
        ],
        { stdio: ["ignore", "ignore", "pipe"] },
      );
      const said: unknown[] = [];
      for await (const line of createInterface({ input: program.stderr })) {
        const { level, event, member } = JSON.parse(line);
        said.push([level, event, member]);
        if (event === "receipt-left-out") program.kill("SIGTERM");
      }
      expect(said).to.deep.include(["warn", "receipt-left-out", first.member]);
    });

    it("it says nothing of words that were kept, or of receipts that were not lawful", async () => {
      await collude();
      await finalize();
      const mirror = await mirrorOf();
      const unlawful = world.sign({
        device: deviceAt(2),
        sequence: 9,
        egressBytes: 2n ** 64n - 1n,
      });
      const root = toHex(digestOf(unlawful));
      const rightly = { ...wordBy(first, held, { root }), signed: unlawful };
      const { watch, logged, kept } = await deviceWith(2, [held, rightly], mirror);
      await watch.look();
      // Until another epoch is final: a reorg may bring this one back.
      expect(kept.epochs()).to.deep.equal([1]);
      await world.sealEpoch(2);
      expect((await second.close()).outcome.epoch).to.equal(2);
      const next = await reportBySecond(2);
      await collude(next);
      await finalize(next);
      await watch.look();
      await watch.close();
      expect(kept.epochs()).to.deep.equal([]);
      expect([watch.found(), logged]).to.deep.equal([[], []]);
    });

    it("it looks again when the files could not be had, and not before the epoch is final", async () => {
      const nowhere = await deviceWith(0, [broken[0]], "http://127.0.0.1:9/bundles");
      await nowhere.watch.look();
      expect(nowhere.logged).to.deep.equal([]);
      await collude();
      await finalize();
      await nowhere.watch.look();
      expect(nowhere.logged.map(([said]) => said)).to.deep.equal(["warn words-not-checked"]);
      expect(nowhere.watch.found()).to.deep.equal([]);
      expect(nowhere.kept.epochs()).to.deep.equal([1]);
      await nowhere.watch.close();
    });
  });

  /** Serves the second member's published files by ranges, as any static server does; `spoil` changes each. */
  async function mirrorOf(spoil: (file: Uint8Array) => void = () => undefined): Promise<string> {
    const mirror = createServer(async (request, response) => {
      const name = request.url?.replace(/^\/bundles\//, "") ?? "";
      try {
        const file = await readFile(join(second.bundles, name));
        spoil(file);
        const [, from = 0, to = 0] =
          /bytes=([0-9]+)-([0-9]+)/.exec(request.headers.range ?? "") ?? [];
        response.writeHead(206).end(file.subarray(Number(from), Number(to) + 1));
      } catch {
        response.writeHead(404).end();
      }
    });
    mirrors.push(mirror);
    await new Promise<void>((listening) => mirror.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/bundles`;
  }
});
