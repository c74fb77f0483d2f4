import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { Interface, type Wallet } from "ethers";
import hre from "hardhat";
import { type Chain, connectChain, ESCROW_ABI, LEDGER_ABI } from "../../device/chain.ts";
import { type MemberWorld, startMemberWorld } from "../worlds/network.ts";
import { programOf, runProgram } from "./support/program.ts";

describe("device programs", () => {
  let world: MemberWorld;
  let chain: Chain;
  let oracleUrl: string;
  let gatewayKey: string;
  let keyFile: string;

  before(async () => {
    world = await startMemberWorld({ owners: 1 });
    keyFile = join(world.devnet.folder, "gateway.key");
    const { stdout } = await runProgram("gateway", "key", "--key-file", keyFile, "--json");
    gatewayKey = JSON.parse(stdout).key;
    const escrow = world.devnet.suite.escrow.connect(world.customer);
    await (await escrow.addKey(gatewayKey)).wait();
    await world.endEpoch(1);
    oracleUrl = (await world.oracle.serve()).url;
    chain = connectChain(
      world.devnet.rpcUrl,
      await readDeploymentFile(world.devnet.deploymentFile),
    );
  });

  after(async () => {
    chain.close();
    await world.stop();
  });

  it("carry real service from a node and a gateway to the oracle, over a real chain's law", async () => {
    const { devnet, devices, customer } = world;
    const device = lowercaseHex((devices[0] as Wallet).address);
    const common = [
      "--deployment",
      devnet.deploymentFile,
      "--rpc",
      devnet.rpcUrl,
      "--oracle",
      oracleUrl,
    ];
    const deviceKey = await devnet.keyFile("device", devices[0] as Wallet);
    const nodeArgs = [
      "--key-file",
      deviceKey,
      "--folder",
      join(devnet.folder, "node"),
      "--port",
      "0",
    ];
    const node = spawn(
      process.execPath,
      [programOf("node"), "serve", ...common, ...nodeArgs, "--json"],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    try {
      const [line] = (await once(createInterface({ input: node.stdout }), "line")) as [string];
      const serving = JSON.parse(line);
      expect(serving.device).to.equal(device);
      const [nodes, film] = [join(devnet.folder, "nodes.txt"), join(devnet.folder, "film")];
      await writeFile(nodes, `# one a line\n${serving.url}\n`);
      await writeFile(film, Buffer.alloc(100_000, "film"));
      const { code, stdout, stderr } = await runProgram(
        "gateway",
        "run",
        ...common,
        ...[
          "--customer",
          customer.address,
          "--key-file",
          keyFile,
          "--nodes",
          nodes,
          "--file",
          film,
        ],
        ...[
          "--folder",
          join(devnet.folder, "gateway"),
          "--rounds",
          "2",
          "--interval",
          "0",
          "--json",
        ],
      );
      expect([code, stderr]).to.deep.equal([0, ""]);
      const rounds = stdout
        .trim()
        .split("\n")
        .map((round) => JSON.parse(round));
      expect(rounds).to.have.length(2);
      expect(rounds[1]).to.deep.include({
        round: 2,
        epoch: 2,
        nodes: 1,
        good: 1,
        signed: 1,
        failures: [],
      });

      const head = await headOf(2, device);
      expect(Number(head.receipt.egressBytes)).to.be.greaterThan(0);
      const vouchers = await (await fetch(`${oracleUrl}/v1/vouchers`)).json();
      expect(vouchers.vouchers[0].voucher).to.deep.equal({
        customer: lowercaseHex(customer.address),
        epoch: 2,
        cumulative: rounds[1].promised,
      });
    } finally {
      node.kill("SIGTERM");
      expect(await once(node, "exit")).to.deep.equal([0, null]);
    }
  });

  async function headOf(epoch: number, device: string) {
    const path = `/v1/receipts/${epoch}/${device}/${world.customer.address}`;
    for (let tries = 0; tries < 50; tries++) {
      const response = await fetch(`${oracleUrl}${path}`);
      if (response.ok) return response.json();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${path}: no receipt`);
  }

  it("make a device, and its consent to belong to an account", async () => {
    const { devnet, owners } = world;
    const { registry } = devnet.suite;
    const file = join(devnet.folder, "new-device.key");
    const { device } = JSON.parse(
      (await runProgram("node", "key", "--key-file", file, "--json")).stdout,
    );
    await (await registry.connect(devnet.role("manufacturer")).enrol([device], 1)).wait();
    const account = owners[0]?.address as string;
    const deadline = String((await devnet.now()) + 3_600);
    const { code, stdout } = await runProgram(
      "node",
      "bind",
      ...["--deployment", devnet.deploymentFile, "--key-file", file, "--account", account],
      ...["--nonce", "0", "--deadline", deadline],
    );
    expect(code).to.equal(0);
    const { signature } = JSON.parse(stdout);
    const [r, vs] = [signature.slice(0, 66), `0x${signature.slice(66)}`];
    const bystander = registry.connect(devnet.role("bystander"));
    await (await bystander.bind(device, account, deadline, { r, vs })).wait();
    expect(await registry.ownerAt(device, 3)).to.equal(account);
  });

  it("teach with --help, and refuse what they do not know", async () => {
    for (const name of ["node", "gateway"] as const) {
      const { code, stdout } = await runProgram(name, "--help");
      expect(code).to.equal(0);
      expect(stdout).to.match(/docs\/receipt-protocol\.md/);
      const wrong = await runProgram(name, "dance");
      expect([wrong.code, wrong.stdout]).to.deep.equal([3, ""]);
    }
    const failed = await runProgram("node", "key", "--key-file", keyFile);
    expect([failed.code, failed.stderr]).to.match(/link-node: .*exists/);
  });

  describe("ask the chain", () => {
    it("with the same words as the contracts", async () => {
      for (const [name, abi] of [
        ["CustomerEscrow", ESCROW_ABI],
        ["EpochLedger", LEDGER_ABI],
      ] as const) {
        const { abi: whole } = await hre.artifacts.readArtifact(name);
        const contract = new Interface(whole);
        for (const fragment of new Interface(abi).fragments) {
          const known = contract.fragments.map((each) => each.format("full"));
          expect(known).to.include(fragment.format("full"));
        }
      }
    });

    it("whether a customer and its key are good in an epoch, and covered", async () => {
      const customer = lowercaseHex(world.customer.address);
      const key = lowercaseHex(gatewayKey);
      const refusal = async (...args: Parameters<Chain["checkCustomer"]>) =>
        (await chain.checkCustomer(...args))?.refusal;
      expect(await refusal(customer, key, 2)).to.equal(undefined);
      expect(await refusal(customer, key, 1)).to.equal("key-unknown");
      expect(await refusal(key, key, 2)).to.equal("customer-unknown");
      const poor = world.devnet.wallet(8);
      const { escrow } = world.devnet.suite;
      await (await escrow.connect(world.devnet.role("admission")).admit(poor.address)).wait();
      await (await escrow.connect(poor).addKey(key)).wait();
      expect(await refusal(lowercaseHex(poor.address), key, 3)).to.equal("customer-uncovered");
    });

    it("what a resource costs, and what a customer has paid", async () => {
      const { egressPrice, storagePrice, computePrice, rewardCapBps } = world.devnet.parameters;
      const tariff = { egressPrice, storagePrice, computePrice, rewardCapBps };
      expect(await chain.tariffAt(2)).to.deep.equal(tariff);
      expect(await chain.collected(lowercaseHex(world.customer.address))).to.equal(0n);
    });
  });
});
