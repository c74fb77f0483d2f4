import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { type Address, fromHex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { signerOf } from "@link-rewards/host/keys";
import { expect } from "chai";
import { type Chain, connectChain } from "../../device/chain.ts";
import type { Door } from "../../device/gateway/door.ts";
import { type RunningGateway, startGateway } from "../../device/gateway/start.ts";
import { welcomeDevices } from "../../device/gateway/welcome.ts";
import { askStatus, type CustomerStatus, type DeviceStatus } from "../../device/node/status.ts";
import type { LocalDevice } from "../../scripts/local/local-device.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../worlds/network.ts";
import { runProgram } from "./support/program.ts";
import type { ProtectedDevice } from "./support/protected-device.ts";
import { SMALL_WORK } from "./support/service.ts";

const DEVICE = fileURLToPath(new URL("support/protected-device.ts", import.meta.url));
/** A byte is worth a millionth of an LTK. */
const EGRESS_PRICE = 10n ** 24n;
const FILM_BYTES = 100_000;
/** Some rounds of a gateway's. */
const MOST = LTK / 4n;
const WHOLE = 10_000;
const HALF = 5_000;

/** Customers, by what they do. */
const [PAYER, DRAINER, SHORT, OVERSIGNER] = [0, 1, 2, 3] as const;

describe("a device protects its owner", () => {
  let world: MemberWorld;
  let chain: Chain;
  let oracleUrl: string;
  let film: string;
  const gateways: { door: Door; gateway: RunningGateway }[] = [];
  const devices = new Map<string, ChildProcess>();

  before(async () => {
    world = await startMemberWorld({
      ...{ owners: 2, customers: 4 },
      parameters: { egressPrice: EGRESS_PRICE },
    });
    const deployment = await readDeploymentFile(world.devnet.deploymentFile);
    chain = connectChain([world.devnet.rpcUrl], deployment);
    oracleUrl = (await world.oracle.serve()).url;
    film = join(world.devnet.folder, "film");
    await writeFile(film, Buffer.alloc(FILM_BYTES, "film"));
    for (const [i, { address }] of world.customers.entries()) {
      const known = {
        customer: lowercaseHex(address),
        key: signerOf(fromHex(lowercaseHex(world.gateways[i]?.privateKey ?? ""))),
        chainId: deployment.chainId,
        registry: contractsOf(deployment).deviceRegistry,
        oracles: [oracleUrl],
        // They promise what they like.
        chain: { ...chain, spendable: async () => 10n ** 6n * LTK },
        epochMaxAgeMilliseconds: 0,
      };
      const door = await welcomeDevices(known);
      const gateway = await startGateway({
        ...known,
        escrow: contractsOf(deployment).customerEscrow,
        door,
        files: [film],
        folder: join(world.devnet.folder, `gateway-${i}`),
        work: SMALL_WORK,
        payBasisPoints: (epoch) => (i === SHORT && epoch === 1 ? HALF : WHOLE),
      });
      gateways.push({ door, gateway });
      const { escrow } = world.devnet.suite;
      const sender = escrow.connect(world.customers[i] ?? null);
      await (await sender.setEndpoint(`https://127.0.0.1:${door.port}`)).wait();
    }
    await startDevice("node");
  });

  after(async () => {
    for (const child of devices.values()) child.kill("SIGKILL");
    for (const { door } of gateways) await door.close();
    chain?.close();
    await world?.stop();
  });

  const folderOf = (name: string) => join(world.devnet.folder, name);
  const customerAt = (i: number): Address => lowercaseHex(world.customers[i]?.address ?? "");
  const deviceAt = (i: number) => world.devices[i] as LocalDevice;

  async function startDevice(name: string, more: Partial<ProtectedDevice> = {}, key = 0) {
    const { devnet } = world;
    const told: ProtectedDevice = {
      oracle: oracleUrl,
      rpcUrl: devnet.rpcUrl,
      deploymentFile: devnet.deploymentFile,
      keyFile: await devnet.keyFile(`key-of-${name}`, deviceAt(key)),
      folder: folderOf(name),
      most: MOST.toString(),
      ...more,
    };
    const file = join(devnet.folder, `${name}.json`);
    await writeFile(file, JSON.stringify(told));
    const child = spawn(process.execPath, [DEVICE, file], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    devices.set(name, child);
    await statusWhen(name, () => true);
  }

  /** As a power cut does. */
  async function kill(name: string) {
    const child = devices.get(name) as ChildProcess;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async function statusWhen(
    name: string,
    isThere: (status: DeviceStatus) => unknown,
  ): Promise<DeviceStatus> {
    for (;;) {
      const status = await askStatus(folderOf(name)).catch(() => undefined);
      if (status !== undefined && isThere(status)) return status;
      await sleep(50);
    }
  }

  /** How a customer stands, once that is so. */
  async function customerWhen(
    i: number,
    isSo: (customer: CustomerStatus) => unknown,
    name = "node",
  ): Promise<CustomerStatus> {
    const find = ({ customers }: DeviceStatus) =>
      customers.find(({ customer }) => customer === customerAt(i));
    const status = await statusWhen(name, (each) => {
      const found = find(each);
      return found !== undefined && isSo(found);
    });
    return find(status) as CustomerStatus;
  }

  /** One round of a customer's gateway with the first device, and what went wrong. */
  async function round(i: number): Promise<string> {
    const { door, gateway } = gateways[i] as (typeof gateways)[number];
    while (door.device(deviceAt(0).address) === undefined) await sleep(50);
    const { visits } = await gateway.serveRound();
    return visits.flatMap(({ failures }) => failures).join("; ");
  }

  const settle = (i: number) => (gateways[i] as (typeof gateways)[number]).gateway.settle();

  async function enter(epoch: number) {
    const { genesis, epochSeconds } = world.devnet.parameters;
    await world.devnet.warpTo(genesis + (epoch - 1) * epochSeconds + 1);
    await statusWhen("node", (status) => status.epoch === epoch);
  }

  async function closeOnce() {
    const { code, stderr } = await world.oracle.close();
    expect(code, stderr).to.equal(0);
  }

  /** Up to its seal; then `atSeal`; then until it is final. */
  async function finish(epoch: number, atSeal: () => Promise<unknown> = async () => undefined) {
    await world.endEpoch(epoch);
    await closeOnce();
    await world.sealEpoch(epoch);
    await statusWhen("node", (status) => status.epoch === epoch + 1);
    await atSeal();
    await closeOnce();
    await world.passWindow();
    await closeOnce();
  }

  it("serves a customer up to what its owner allows, signs for that, and says why it stops", async () => {
    let failures = "";
    while (failures === "") {
      failures = await round(PAYER);
      await settle(PAYER);
    }
    const reached = await customerWhen(PAYER, ({ refusal }) => refusal);
    expect(reached).to.include({ refusal: "exposure-reached", allowed: MOST.toString() });
    expect(reached.message).to.match(
      /^\d+ wei were served and are not final.*epochs 1.*allows \d+/,
    );
    const exposed = BigInt(reached.exposed);
    expect(exposed >= MOST, "reached").to.equal(true);
    // What comes after it in the same answer does not go out.
    expect(exposed < MOST + (65_536n * EGRESS_PRICE) / 10n ** 12n, "and no more").to.equal(true);
    expect(await round(PAYER)).to.contain("exposure-reached");
    const { receipts } = await askStatus(folderOf("node"));
    expect(receipts).to.have.length(1);
    // It promised all of it, and that lowers nothing.
    expect((await customerWhen(PAYER, () => true)).exposed).to.equal(reached.exposed);
  });

  it("knows after a power cut what it served, signed or not", async () => {
    expect(await round(DRAINER)).to.equal("");
    const before = await customerWhen(DRAINER, ({ exposed }) => exposed !== "0");
    const onDisk = async () => readFile(join(folderOf("node"), "exposure.json"), "utf8");
    const { customer } = before;
    for (;;) {
      const text = await onDisk().catch(() => "{}");
      const { epochs = [] } = JSON.parse(text);
      const found = epochs.find((each: { customer: string }) => each.customer === customer);
      if (found !== undefined && BigInt(found.served.egressBytes) > 0n) break;
      await sleep(50);
    }
    const served = (await askStatus(folderOf("node"))).customers;
    await kill("node");
    await startDevice("node");
    expect((await customerWhen(DRAINER, () => true)).exposed).to.equal(
      served.find((each) => each.customer === customer)?.exposed,
    );
    expect(await round(PAYER)).to.contain("exposure-reached");
  });

  it("stops when the customer's escrow is drained: what thaws covers nothing", async () => {
    const { escrow } = world.devnet.suite;
    const drainer = escrow.connect(world.customers[DRAINER] ?? null);
    await (await drainer.thaw(await escrow.balanceOf(customerAt(DRAINER)))).wait();
    expect(await round(DRAINER)).to.match(/customer-uncovered: 0 wei in the escrow do not thaw/);
    const { refusal } = await customerWhen(DRAINER, (each) => each.refusal);
    expect(refusal).to.equal("customer-uncovered");
    // And signs for what it got all the same.
    const { signed } = await settle(DRAINER);
    expect(signed).to.have.length(1);
  });

  it("is told at the seal that a customer paid half, and at the end that it signed for a friend", async () => {
    for (const i of [SHORT, OVERSIGNER]) {
      expect(await round(i)).to.equal("");
      await settle(i);
    }
    // Smallest bills first: of two lines the honest one gets half of what was paid for it alone.
    const friend = { device: deviceAt(1).address, customer: customerAt(OVERSIGNER) };
    const [answer] = await world.submit(oracleUrl, [{ ...friend, egressBytes: 10n ** 9n }]);
    expect(answer?.status).to.equal("accepted");
    const worth = (status: CustomerStatus) => BigInt(status.epochs[0]?.signed ?? 0);
    const short = worth(await customerWhen(SHORT, worth));
    const honest = worth(await customerWhen(OVERSIGNER, worth));
    await finish(1, async () => {
      expect(await round(SHORT)).to.match(/customer-unpaid: it paid \d+ wei for epoch 1, which is/);
      expect(await round(OVERSIGNER)).to.equal("");
    });
    const isLeft = ({ epochs }: CustomerStatus) => epochs[0]?.state === "final";
    const half = await customerWhen(SHORT, isLeft);
    expect(half.epochs[0]?.worth).to.equal((short - short / 2n).toString());
    expect(half.paid).to.deep.include({ epoch: 1, isWhole: false, by: "chain" });
    const diluted = await customerWhen(OVERSIGNER, isLeft);
    expect(diluted.epochs[0]?.worth).to.equal((honest - honest / 2n).toString());
    for (const i of [SHORT, OVERSIGNER])
      expect(await round(i)).to.match(
        /customer-unpaid: it paid \d+ wei for epoch 1, which did not/,
      );
  });

  it("serves again who paid: its line counted in full", async () => {
    const paid = await customerWhen(PAYER, (each) => each.paid);
    expect(paid.exposed).to.equal("0");
    expect(paid.paid).to.deep.include({ epoch: 1, isWhole: true, by: "chain" });
    expect(await round(PAYER)).to.equal("");
    expect((await customerWhen(PAYER, ({ exposed }) => exposed !== "0")).refusal).to.equal(
      undefined,
    );
    await settle(PAYER);
  });

  it("believes what most of its oracles say, where it has no node, and says so", async () => {
    await startDevice("nodeless", { rpcUrl: "" }, 1);
    const short = await customerWhen(SHORT, (each) => each.refusal, "nodeless");
    expect(short.paid).to.deep.include({ epoch: 1, isWhole: false, by: "oracles" });
    expect(short.refusal).to.equal("customer-unpaid");
    expect(short.message).to.contain("most oracles say");
    const payer = await customerWhen(PAYER, (each) => each.paid, "nodeless");
    expect(payer.refusal).to.equal(undefined);
    await kill("nodeless");
  });

  it("serves again who was not paid once the next epoch is final, and does not forget what was left", async () => {
    // A member has a person look at an epoch in which much less is served than in the one before.
    const others = [PAYER, DRAINER].map((i) => ({
      ...{ device: deviceAt(1).address, customer: customerAt(i) },
      ...{ epoch: 2, egressBytes: 1_000n },
    }));
    await world.submit(oracleUrl, others);
    await world.owe(oracleUrl, 2, LTK, PAYER);
    await finish(2);
    await enter(3);
    const left = await customerWhen(SHORT, ({ epochs }) => epochs[0]?.state === "uncounted");
    expect(BigInt(left.exposed) > 0n).to.equal(true);
    await customerWhen(PAYER, ({ paid }) => paid?.epoch === 2);
    for (const i of [SHORT, OVERSIGNER, PAYER]) {
      expect(await round(i)).to.equal("");
      await settle(i);
    }
    await finish(3);
    const again = await customerWhen(SHORT, ({ paid, epochs }) => {
      return paid?.epoch === 3 && epochs.every(({ worth, epoch }) => epoch !== 3 || worth === "0");
    });
    expect(again.paid?.isWhole).to.equal(true);
    expect(again.exposed).to.equal(left.exposed);
  });

  it("forgives when its owner says so, and remembers that", async () => {
    const { code, stdout } = await runProgram(
      ...(["node", "forgive", customerAt(SHORT), "--folder", folderOf("node"), "--json"] as const),
    );
    const forgiven = JSON.parse(stdout);
    expect([code, forgiven.customer]).to.deep.equal([0, customerAt(SHORT)]);
    expect(BigInt(forgiven.worth) > 0n).to.equal(true);
    await kill("node");
    await startDevice("node");
    expect((await customerWhen(SHORT, () => true)).exposed).to.equal("0");
    const left = await customerWhen(OVERSIGNER, ({ exposed }) => exposed !== "0");
    expect(left.epochs[0]).to.include({ epoch: 1, state: "uncounted" });
  });

  it("counts against a customer what it promised, to whomever", async () => {
    await enter(4);
    const promised = 500n * LTK;
    await world.owe(oracleUrl, 4, promised, DRAINER);
    // It owes nothing here, and is not even let in.
    const { gateways: links } = await statusWhen("node", ({ gateways }) =>
      gateways.some(({ reason }) => reason?.includes(`${promised} are owed`)),
    );
    const link = links.find(({ customer }) => customer === customerAt(DRAINER));
    expect(link).to.include({ state: "waiting", word: "customer-uncovered" });
  });

  it("is told why it was revoked", async () => {
    // Once revoked it is let in by no gateway.
    expect(await round(PAYER)).to.equal("");
    const { suite, role } = world.devnet;
    const manufacturer = suite.registry.connect(role("manufacturer"));
    await (await manufacturer.revoke([deviceAt(0).address], "fell off a lorry")).wait();
    // The oracle reads the chain with a delay.
    const isKnown = async () => {
      const receipt = { customer: customerAt(DRAINER), epoch: 4, egressBytes: 1n };
      const [answer] = await world.submit(oracleUrl, [receipt]);
      return answer?.refusal === "device-revoked";
    };
    while (!(await isKnown())) await sleep(50);
    expect(await round(PAYER)).to.equal("");
    await settle(PAYER);
    const { receipts } = await statusWhen("node", (status) =>
      status.receipts.some(({ refusal }) => refusal === "device-revoked"),
    );
    const message = receipts.find(({ refusal }) => refusal === "device-revoked")?.message;
    expect(message).to.contain("fell off a lorry");
    expect(await round(PAYER)).to.match(/device-revoked: .*fell off a lorry/);
  });
});
