import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { performServerHandshake } from "node:http2";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { contractsOf, type DeploymentFile } from "@link-rewards/client/deployment-file";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
import {
  connectChain as connectDeviceChain,
  type Chain as DeviceChain,
} from "../../../device/chain.ts";
import { type Order, orderReader } from "../../../device/inspector/order.ts";
import { parseRecord, recordPath } from "../../../device/inspector/record.ts";
import { dial } from "../../../device/node/dial.ts";
import { type RunningNode, startNode } from "../../../device/node/start.ts";
import { fileOfExample } from "../../../scripts/examples.ts";
import { admitCustomer } from "../../../scripts/local/devnet.ts";
import { MOVED_TIME } from "../../../scripts/local/local-chain.ts";
import type { LocalDevice } from "../../../scripts/local/local-device.ts";
import { freePort } from "../../oracle/support/free-port.ts";
import { type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { programOf, runProgram } from "../support/program.ts";
import { settled } from "../support/settled.ts";

/** Owners with a device each. */
const BOUND = 200;
const CAP = 10n ** 18n;
const QUICK = {
  firstMilliseconds: 50,
  longestMilliseconds: 200,
  retries: Number.POSITIVE_INFINITY,
};

type Said = Readonly<Record<string, unknown>>;
type Inspector = { readonly child: ChildProcess; readonly said: readonly Said[] };

describe("link-inspector", () => {
  let world: MemberWorld;
  let deployment: DeploymentFile;
  let law: Chain;
  let deviceChain: DeviceChain;
  let oracleUrl: string;
  let keyFile: string;
  let customer: HDNodeWallet;
  let port: number;
  const nodes: RunningNode[] = [];
  const stop = new AbortController();
  let running: Inspector | undefined;

  before(async () => {
    world = await startMemberWorld({ owners: BOUND });
    const { devnet } = world;
    keyFile = join(devnet.folder, "inspector.key");
    const made = await runProgram("gateway", "key", "--key-file", keyFile, "--json");
    customer = devnet.wallet(8);
    await admitCustomer(devnet, customer, JSON.parse(made.stdout).key, 0n);
    const { escrow, programme } = devnet.suite;
    await (await escrow.connect(customer).setKey(JSON.parse(made.stdout).key, CAP)).wait();
    const governance = programme.connect(devnet.role("governance"));
    await (await governance.addInspector(customer.address)).wait();
    await world.endEpoch(1);
    oracleUrl = (await world.oracle.serve()).url;
    deployment = await readDeploymentFile(devnet.deploymentFile);
    law = await connectChain({
      rpcUrls: [devnet.rpcUrl],
      deploymentFile: deployment,
      bounds: MOVED_TIME,
    });
    deviceChain = connectDeviceChain([devnet.rpcUrl], deployment);
    port = await freePort();
    await writeFile(join(devnet.folder, "film"), Buffer.alloc(100_000, "film"));
    await writeFile(join(devnet.folder, "question"), "\x02\0\0\0no, no, no");
  });

  after(async () => {
    running?.child.kill("SIGKILL");
    stop.abort();
    for (const node of nodes) await node.close();
    law.close();
    deviceChain.close();
    await world.stop();
  });

  const folder = () => join(world.devnet.folder, "inspector");
  const recordOf = async (epoch: number) =>
    parseRecord(await readFile(recordPath(join(folder(), "turns"), epoch), "utf8"));
  const fatesOf = async (epoch: number, fate: "visited" | "missed") =>
    (await recordOf(epoch)).lines.flatMap((line) =>
      "fate" in line && line.fate === fate ? [line.device] : [],
    );

  function args(...more: readonly string[]): readonly string[] {
    return [
      ...["run", ...world.chainArgs, "--oracle", oracleUrl, "--customer", customer.address],
      ...["--key-file", keyFile, "--folder", folder(), "--port", `${port}`],
      ...["--file", join(world.devnet.folder, "film"), "--module", fileOfExample("search")],
      ...["--input", join(world.devnet.folder, "question"), "--milliseconds", "20000"],
      ...["--at-once", "1", "--interval", "3600", "--json", ...more],
    ];
  }

  /** What it has said so far grows. */
  function start(): Inspector {
    const child = spawn(process.execPath, [programOf("inspector"), ...args()], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const said: Said[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => said.push(JSON.parse(line)));
    running = { child, said };
    return running;
  }

  async function node(key: LocalDevice): Promise<RunningNode> {
    const { chainId } = deployment;
    const started = await startNode({
      ...{ key, chainId, registry: contractsOf(deployment).deviceRegistry, oracles: [oracleUrl] },
      folder: join(world.devnet.folder, key.address),
      gateways: [{ customer: lowercaseHex(customer.address), url: `https://127.0.0.1:${port}` }],
      allowPrivateAddresses: true,
      standingOf: deviceChain.standingOf,
      backoff: QUICK,
    });
    nodes.push(started);
    return started;
  }

  /** Connects, and answers nothing. */
  async function connectDeaf(key: LocalDevice): Promise<void> {
    const { chainId } = deployment;
    const end = {
      ...{ key, customer: lowercaseHex(customer.address), epoch: async () => 2 },
      domain: domainSeparator(chainId, contractsOf(deployment).deviceRegistry),
      judge: async () => undefined,
    };
    for (;;) {
      try {
        const { signal } = stop;
        const about = { url: `https://127.0.0.1:${port}`, allowPrivate: true, signal };
        const session = performServerHandshake(await dial({ ...about, end }));
        session.on("error", () => undefined);
        return;
      } catch {
        await sleep(50);
      }
    }
  }

  it("visits each bound device that connects once in a pass, killed in its middle too, and can be checked", async () => {
    const { devices } = world;
    const { devices: drawn } = (await orderReader(law)(2)) as Order;
    expect([...drawn].sort()).to.deep.equal(devices.map((each) => each.address).sort());
    const first = drawn
      .filter((each) => [0, 1, 4].some((i) => devices[i]?.address === each))
      .map((each) => devices.find(({ address }) => address === each) as LocalDevice);
    const [a, deaf, c] = first as [LocalDevice, LocalDevice, LocalDevice];

    const { child, said } = start();
    await node(a);
    await settled(() => said[0]);
    // The pass had nobody but one; those who come late have their turn in it, one after the other.
    await connectDeaf(deaf);
    const visited = async () => (await fatesOf(2, "visited")).length;
    while ((await visited()) < 2) await sleep(20);
    await node(c);
    child.kill("SIGKILL");
    await once(child, "exit");

    const again = start();
    while ((await visited()) < 3) await sleep(20);
    await settled(() => again.said.find((each) => each.good === 1));
    expect(await fatesOf(2, "visited")).to.deep.equal([a, deaf, c].map((e) => e.address));
    expect(await fatesOf(2, "missed")).to.have.length(BOUND - 1);
    const { missed } = again.said.at(-1) as { missed: readonly string[] };
    expect(missed).to.have.length(BOUND - 3);
    expect(missed).not.to.include(a.address);

    await world.endEpoch(2);
    await settled(() => again.said.find((each) => each.epoch === 3 && each.good === 2));
    const { devices: next } = (await orderReader(law)(3)) as Order;
    expect(next).not.to.deep.equal(drawn);
    expect(await fatesOf(3, "visited")).to.deep.equal(
      next.filter((each) => each === a.address || each === c.address),
    );
    again.child.kill("SIGTERM");
    expect(await once(again.child, "exit")).to.deep.equal([0, null]);

    const records = [2, 3].map((epoch) => recordPath(join(folder(), "turns"), epoch));
    const kept = await check(...records);
    expect([kept.code, kept.lines.map((each) => each.keptToOrder)]).to.deep.equal([
      0,
      [true, true],
    ]);
    const [record = ""] = records;
    const text = (await readFile(record, "utf8")).split("\n");
    const tampered = join(world.devnet.folder, "tampered.jsonl");
    await writeFile(tampered, [...text.slice(0, 5), ...text.slice(6)].join("\n"));
    const differs = await check(tampered);
    expect(differs.code).to.equal(1);
    expect(differs.lines[0]).to.deep.include({ keptToOrder: false, line: 6 });
  });

  it("pays what it signed for without a balance", async () => {
    const { vouchers } = await (await fetch(`${oracleUrl}/v1/vouchers`)).json();
    const inspector = lowercaseHex(customer.address);
    const own = vouchers.filter(
      ({ voucher }: { voucher: { customer: string } }) => voucher.customer === inspector,
    );
    expect(own.length).to.be.greaterThan(0);
    expect(await world.devnet.suite.escrow.balanceOf(customer)).to.equal(0n);
  });

  it("does not buy for who is no inspector, and does not run without a job", async () => {
    const other = await runProgram(
      "inspector",
      ...args("--folder", join(world.devnet.folder, "other")).map((each) =>
        each === customer.address ? world.customer.address : each,
      ),
    );
    expect(other.code).to.equal(2);
    expect(other.stderr).to.match(/link-inspector: 0x[0-9a-f]{40} is no inspector in epoch 3; who/);
    const without = args().filter((each) => !["--module", fileOfExample("search")].includes(each));
    const { code, stderr } = await runProgram("inspector", ...without);
    expect([code, stderr]).to.match(/required option '--module <file>' not specified/);
  });

  async function check(...records: readonly string[]) {
    const { code, stdout } = await runProgram(
      "inspector",
      ...["check", ...world.chainArgs, "--json", "--", ...records],
    );
    const lines = stdout.split("\n").filter((each) => each !== "");
    return { code, lines: lines.map((each) => JSON.parse(each) as Said) };
  }
});
