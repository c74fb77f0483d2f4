import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { type HDNodeWallet, Interface } from "ethers";
import hre from "hardhat";
import {
  type Chain,
  connectChain,
  ESCROW_ABI,
  JUDGE_ABI,
  LEDGER_ABI,
  PROGRAMME_ABI,
  REGISTRY_ABI,
} from "../../device/chain.ts";
import { nextNonce } from "../../device/node/consents.ts";
import { isNodeRefused } from "../../device/refusal.ts";
import { fileOfExample } from "../../scripts/examples.ts";
import { admitCustomer, enrol } from "../../scripts/local/devnet.ts";
import type { LocalDevice } from "../../scripts/local/local-device.ts";
import { freePort } from "../oracle/support/free-port.ts";
import { type MemberWorld, startMemberWorld } from "../worlds/network.ts";
import { programOf, runProgram } from "./support/program.ts";

/** What a gateway may promise in an epoch, in wei. */
const CAP = 7n * 10n ** 18n;

describe("device programs", () => {
  let world: MemberWorld;
  let chain: Chain;
  let oracleUrl: string;
  let gatewayKey: string;
  let keyFile: string;
  let inspector: HDNodeWallet;

  before(async () => {
    world = await startMemberWorld({ owners: 2 });
    keyFile = join(world.devnet.folder, "gateway.key");
    const { stdout } = await runProgram("gateway", "key", "--key-file", keyFile, "--json");
    gatewayKey = JSON.parse(stdout).key;
    const { devnet } = world;
    const { escrow, programme } = devnet.suite;
    await (await escrow.connect(world.customer).setKey(gatewayKey, CAP)).wait();
    // An inspector has a key and no balance.
    inspector = devnet.wallet(8);
    await admitCustomer(devnet, inspector, gatewayKey, 0n);
    await (await escrow.connect(inspector).setKey(gatewayKey, CAP)).wait();
    const governance = programme.connect(devnet.role("governance"));
    await (await governance.addInspector(inspector.address)).wait();
    await world.endEpoch(1);
    oracleUrl = (await world.oracle.serve()).url;
    chain = connectChain(
      [world.devnet.rpcUrl],
      await readDeploymentFile(world.devnet.deploymentFile),
    );
  });

  after(async () => {
    chain.close();
    await world.stop();
  });

  /** Runs two rounds of a gateway against a node of the device. */
  async function runRounds(customer: string, served: LocalDevice, ...more: readonly string[]) {
    const { devnet } = world;
    const common = [
      ...["--deployment", devnet.deploymentFile],
      // The first is down: the next is asked.
      ...["--rpc", "http://127.0.0.1:9", "--rpc", devnet.rpcUrl],
      ...["--oracle", oracleUrl],
    ];
    const deviceKey = await devnet.keyFile(served.address, served);
    const port = String(await freePort());
    const gatewayUrl = `https://127.0.0.1:${port}`;
    const nodeArgs = [
      ...["--key-file", deviceKey],
      ...["--folder", join(devnet.folder, `node-${served.address}`)],
      ...["--allow-private-addresses", "--customer", customer],
    ];
    const { escrow } = devnet.suite;
    await (await escrow.connect(world.customer).setEndpoint(gatewayUrl)).wait();
    // A device looks once a minute: before it does, the oracle must know.
    const known = async () => (await fetch(`${oracleUrl}/v1/customers`)).text();
    while (!(await known()).includes(gatewayUrl)) await sleep(100);
    const node = spawn(
      process.execPath,
      [programOf("node"), "serve", ...common, ...nodeArgs, "--json"],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    try {
      const [line] = (await once(createInterface({ input: node.stdout }), "line")) as [string];
      const serving = JSON.parse(line);
      const film = join(devnet.folder, "film");
      await writeFile(film, Buffer.alloc(100_000, "film"));
      const question = join(devnet.folder, "question");
      await writeFile(question, "\x02\0\0\0no, no, no");
      const { code, stdout, stderr } = await runProgram(
        "gateway",
        "run",
        ...common,
        ...["--customer", customer, "--key-file", keyFile, "--port", port, "--file", film],
        ...["--module", fileOfExample("search"), "--input", question, "--milliseconds", "20000"],
        ...["--answers", join(devnet.folder, "answers"), "--check-share", "100"],
        ...["--folder", join(devnet.folder, `gateway-${customer}`)],
        ...["--rounds", "2", "--interval", "0", "--json", ...more],
      );
      const lines = stdout.split("\n").filter((each) => each !== "");
      const warnings = stderr.split("\n").filter((each) => each.includes('"warn"'));
      return { code, stderr, warnings, serving, rounds: lines.map((each) => JSON.parse(each)) };
    } finally {
      node.kill("SIGTERM");
      expect(await once(node, "exit")).to.deep.equal([0, null]);
    }
  }

  const deviceAt = (position: number) => world.devices[position] as LocalDevice;

  const vouchersOf = async (customer: string) => {
    const { vouchers } = await (await fetch(`${oracleUrl}/v1/vouchers`)).json();
    const all = vouchers.map(({ voucher }: { voucher: { customer: string } }) => voucher);
    return all.filter((each: { customer: string }) => each.customer === lowercaseHex(customer));
  };

  it("carry real service from a node and a gateway to the oracle, over a real chain's law", async () => {
    const { address: customer } = world.customer;
    const device = deviceAt(0).address;
    const { code, stderr, warnings, serving, rounds } = await runRounds(
      ...([customer, deviceAt(0), "--serve", "0"] as const),
    );
    expect([code, warnings]).to.deep.equal([0, []]);
    expect(stderr).to.match(/"event":"serving-users","host":"127.0.0.1","port":[1-9]/);
    expect(serving).to.deep.include({ device }).and.to.not.have.property("publicKey");
    expect(rounds).to.have.length(2);
    expect(rounds[1]).to.deep.include({
      ...{ round: 2, epoch: 2, devices: 1, good: 1, signed: 1, failures: [] },
    });
    const head = await headOf(2, device, customer);
    expect(Number(head.receipt.egressBytes)).to.be.greaterThan(0);
    expect(head.receipt.computeMilliseconds).to.equal("40000");
    const [answer] = await readdir(join(world.devnet.folder, "answers"));
    const answered = await readFile(join(world.devnet.folder, "answers", String(answer)));
    // Where "no" is in the text, which begins after it.
    expect([...new Uint32Array(Uint8Array.from(answered).buffer)]).to.deep.equal([2, 6]);
    expect(await vouchersOf(customer)).to.deep.equal([
      { customer: lowercaseHex(customer), epoch: 2, amount: rounds[1].promised },
    ]);
  });

  it("have no job done that has a module and no input, or the other way round", async () => {
    const { deploymentFile, rpcUrl } = world.devnet;
    for (const half of [
      ["--module", keyFile],
      ["--input", keyFile],
    ]) {
      const { code, stderr } = await runProgram(
        "gateway",
        ...["run", "--deployment", deploymentFile, "--rpc", rpcUrl],
        ...["--oracle", oracleUrl, "--customer", world.customer.address, "--key-file", keyFile],
        ...half,
      );
      expect([code, stderr]).to.deep.equal([
        ...[3, "link-gateway: a job has a module and an input: --module and --input go together\n"],
      ]);
    }
  });

  it("serve no users without a file", async () => {
    const { devnet, customer } = world;
    const { code, stderr } = await runProgram(
      ...(["gateway", "run", "--deployment", devnet.deploymentFile] as const),
      ...["--rpc", devnet.rpcUrl, "--oracle", oracleUrl, "--customer", customer.address],
      ...["--key-file", keyFile, "--serve", "0"],
    );
    expect([code, stderr]).to.deep.equal([
      3,
      "link-gateway: --serve needs a --file that users can have\n",
    ]);
  });

  async function headOf(epoch: number, device: string, customer: string) {
    const path = `/v1/receipts/${epoch}/${device}/${customer}`;
    for (let tries = 0; tries < 50; tries++) {
      const response = await fetch(`${oracleUrl}${path}`);
      if (response.ok) return response.json();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${path}: no receipt`);
  }

  for (const keyType of ["secp256k1", "P-256"] as const) {
    describe(`make a device with a ${keyType} key`, () => {
      let device: Address;
      let publicKey: Hex;
      let file: string;

      before(async () => {
        const { devnet } = world;
        file = join(devnet.folder, `new-${keyType}-device.key`);
        const kind = keyType === "P-256" ? ["--p256"] : [];
        const made = await runProgram("node", "key", "--key-file", file, "--json", ...kind);
        ({ device, publicKey = NO_PUBLIC_KEY } = JSON.parse(made.stdout));
        const manufacturer = devnet.suite.registry.connect(devnet.role("manufacturer"));
        await enrol(manufacturer, [{ address: device, publicKey }]);
      });

      /** What `bind` prints, as the registry takes it. */
      async function consentTo(account: string, ...more: readonly string[]) {
        const { deploymentFile, folder, suite } = world.devnet;
        const { code, stdout } = await runProgram(
          "node",
          "bind",
          ...["--deployment", deploymentFile, "--key-file", file, "--account", account],
          ...["--folder", join(folder, `new-${keyType}-device`), ...more],
        );
        expect(code).to.equal(0);
        const { signature, publicKey: shown = "0x", ...consent } = JSON.parse(stdout);
        const parts = { r: signature.slice(0, 66), vs: `0x${signature.slice(66)}` };
        const bind = async () => {
          const bystander = suite.registry.connect(world.devnet.role("bystander"));
          await (await bystander.bind([consent], [{ ...parts, publicKey: shown }])).wait();
        };
        return { consent, bind };
      }

      it("and its consent to belong to an account: a later one outranks it", async () => {
        const { registry } = world.devnet.suite;
        const [seller, buyer] = [world.devnet.wallet(20).address, world.devnet.wallet(21).address];
        const before = Math.floor(Date.now() / 1_000);
        const first = await consentTo(seller);
        const { chainId } = await readDeploymentFile(world.devnet.deploymentFile);
        expect(first.consent).to.deep.include({
          ...{ chainId, registry: lowercaseHex(await registry.getAddress()) },
          ...{ device, account: lowercaseHex(seller) },
        });
        expect(first.consent.nonce).to.be.within(before, before + 600);
        expect(first.consent.deadline).to.be.within(before + 604_800, before + 605_400);
        const second = await consentTo(buyer, "--deadline", "4000000000");
        expect(second.consent.nonce).to.be.greaterThan(first.consent.nonce);
        expect(second.consent.deadline).to.equal(4_000_000_000);
        await second.bind();
        expect(await registry.ownerAt(device, 3)).to.equal(buyer);
        await first.bind();
        expect(await registry.ownerAt(device, 3)).to.equal(buyer);
      });

      it("and tell the manufacturer, from its key file alone, how to enrol it", async () => {
        const { code, stdout } = await runProgram("node", "address", "--key-file", file, "--json");
        expect(code).to.equal(0);
        const shown = publicKey === NO_PUBLIC_KEY ? {} : { publicKey };
        expect(JSON.parse(stdout)).to.deep.equal({ device, ...shown });
        const enrolledAs = (await world.devnet.suite.registry.deviceOf(device)).keyType;
        expect(enrolledAs).to.equal(keyType === "P-256" ? 2n : 1n);
      });
    });
  }

  describe("make a device", () => {
    it("and never two consents of one nonce, whatever its clock says", async () => {
      const folder = join(world.devnet.folder, "clock");
      const device: Address = `0x${"11".repeat(20)}`;
      expect(await nextNonce(folder, device, 1_000)).to.equal(1_000);
      expect(await nextNonce(folder, device, 1_000)).to.equal(1_001);
      expect(await nextNonce(folder, device, 10)).to.equal(1_002);
      expect(await nextNonce(folder, device, 2_000)).to.equal(2_000);
      // One of the two clocks was wrong, and the registry takes none that is an hour ahead.
      expect(await nextNonce(folder, device, 6_000)).to.equal(6_000);
      expect(await nextNonce(folder, device, 2_401)).to.equal(6_001);
      expect(await nextNonce(folder, device, 2_400).catch(String)).to.match(
        /signed in 1970-01-01T01:40:01.000Z, now it is 1970-01-01T00:40:00.000Z: set the clock/,
      );
      const other = await nextNonce(folder, `0x${"22".repeat(20)}`, 1).catch(String);
      expect(other).to.match(/consents\.json cannot be used: it is of device 0x1111/);
    });
  });

  it("teach with --help, and refuse what they do not know", async () => {
    for (const [name, page] of [
      ["node", "receipt-protocol"],
      ["gateway", "receipt-protocol"],
      ["inspector", "inspecting"],
    ] as const) {
      const { code, stdout } = await runProgram(name, "--help");
      expect(code).to.equal(0);
      expect(stdout).to.include(`docs/${page}.md`);
      const wrong = await runProgram(name, "dance");
      expect([wrong.code, wrong.stdout]).to.deep.equal([3, ""]);
    }
    const failed = await runProgram("node", "key", "--key-file", keyFile);
    expect([failed.code, failed.stderr]).to.match(/link-node: .*exists/);
  });

  describe("ask the chain", () => {
    it("with the same words as the contracts", async () => {
      for (const [name, abi] of [
        ["DeviceRegistry", REGISTRY_ABI],
        ["RewardProgramme", PROGRAMME_ABI],
        ["CustomerEscrow", ESCROW_ABI],
        ["EpochLedger", LEDGER_ABI],
        ["Judge", JUDGE_ABI],
      ] as const) {
        const { abi: whole } = await hre.artifacts.readArtifact(name);
        const contract = new Interface(whole);
        for (const fragment of new Interface(abi).fragments) {
          const known = contract.fragments.map((each) => each.format("full"));
          expect(known).to.include(fragment.format("full"));
        }
      }
    });

    it("whether a customer and its key are good in an epoch, and for how much", async () => {
      const { devnet } = world;
      const { escrow, programme } = devnet.suite;
      const customer = lowercaseHex(world.customer.address);
      const key = lowercaseHex(gatewayKey);
      const standing = async (...args: Parameters<Chain["standingOf"]>) => {
        const found = await chain.standingOf(...args);
        return isNodeRefused(found) ? found.refusal : found.cap;
      };
      const cover = async (...args: Parameters<Chain["standingOf"]>) => {
        const found = await chain.standingOf(...args);
        return isNodeRefused(found) ? found.refusal : found.cover;
      };
      expect(await standing(customer, key, 2)).to.equal(CAP);
      expect(await standing(customer, key, 1)).to.equal("key-unknown");
      expect(await standing(key, key, 2)).to.equal("customer-unknown");
      const poor = devnet.wallet(9);
      await admitCustomer(devnet, poor, gatewayKey, 0n);
      await (await escrow.connect(poor).setKey(gatewayKey, CAP)).wait();
      const nothing = new Map([
        [2, 0n],
        [3, 0n],
      ]);
      expect(await cover(lowercaseHex(poor.address), key, 3)).to.deep.equal({
        ...{ spendable: 0n, paid: nothing },
      });
      expect(await cover(customer, key, 2)).to.deep.equal({
        spendable: await escrow.balanceOf(customer),
        paid: new Map([
          [1, 0n],
          [2, 0n],
        ]),
      });
      expect(await cover(lowercaseHex(inspector.address), key, 2)).to.equal(undefined);
      // An inspector's cover is its share, where that is less than the cap.
      const buyer = lowercaseHex(inspector.address);
      expect(await standing(buyer, key, 2)).to.equal(CAP);
      const share = await programme.shareAt(3);
      await (await escrow.connect(inspector).setKey(gatewayKey, share + 1n)).wait();
      expect(await standing(buyer, key, 3)).to.equal(share);
    });

    it("what a resource costs, what a key may promise, what was paid, and what does not thaw", async () => {
      const { parameters, suite } = world.devnet;
      const { egressPrice, storagePrice, computePrice, feeBps } = parameters;
      const customer = lowercaseHex(world.customer.address);
      expect(await chain.tariffAt(2)).to.deep.equal({
        ...{ egressPrice, storagePrice, computePrice, feeBps },
      });
      expect(await chain.capAt(customer, lowercaseHex(gatewayKey), 2)).to.equal(CAP);
      expect(await chain.paid(customer, 2)).to.equal(0n);
      const balance = await suite.escrow.balanceOf(customer);
      expect(await chain.spendable(customer)).to.equal(balance);
      await (await suite.escrow.connect(world.customer).thaw(balance - 5n)).wait();
      expect(await chain.spendable(customer)).to.equal(5n);
    });

    it("who inspects and with how much, and who earns", async () => {
      const { devnet } = world;
      const customer = lowercaseHex(world.customer.address);
      const buyer = lowercaseHex(inspector.address);
      expect(await chain.shareAt(buyer, 2)).to.equal(await devnet.suite.programme.shareAt(2));
      expect(await chain.shareAt(buyer, 1)).to.equal(undefined);
      expect(await chain.shareAt(customer, 2)).to.equal(undefined);
      const device = deviceAt(0).address;
      expect(await chain.isEarningAt(device, 2)).to.equal(true);
      expect(await chain.isEarningAt(device, 0)).to.equal(false);
      expect(await chain.isEarningAt(customer, 2)).to.equal(false);
    });
  });
});
