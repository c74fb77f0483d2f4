import { spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { valueAtTariff } from "@link-rewards/core/epoch/value";
import { expect } from "chai";
import { servePage } from "../../device/node/page.ts";
import { askStatus } from "../../device/node/status.ts";
import { linesOf } from "../../device/node/status-lines.ts";
import { address, NO_CAP, tariff } from "../worlds/paper.ts";
import {
  customer,
  device,
  NOTHING_SERVED,
  type Service,
  type ServiceNode,
  startService,
} from "./support/service.ts";
import { settled } from "./support/settled.ts";

const NODE = fileURLToPath(new URL("../../device/node.ts", import.meta.url));

describe("a device's status", () => {
  let service: Service;
  let folder: string;
  beforeEach(async () => {
    service = await startService();
    folder = join(service.folder, "node");
  });
  afterEach(() => service.close());

  const account = address("alice");
  const earnings = {
    isEarningAt: async () => true,
    ownerAt: async () => account,
    tariffAt: async () => tariff,
  };

  /** A round with one gateway, signed and acknowledged. */
  async function served(): Promise<ServiceNode> {
    const node = await service.node({
      earnings,
      standingOf: async () => ({ cap: NO_CAP, tariff }),
    });
    const gateway = await service.gateway({ files: [await service.file("film", 40_000)] });
    await gateway.serveRound();
    await gateway.settle();
    await node.idle();
    return node;
  }

  it("says for whom it earns, how far its gateways are, and what became of its receipts", async () => {
    const node = await served();
    await settled(() => node.links()[0]?.roundTrip);
    const { gateways, customers, receipts, worth, ...rest } = await askStatus(folder);
    expect(rest).to.deep.equal({ device, epoch: 1, account, leftOut: [] });
    expect(gateways).to.have.length(1);
    expect(gateways[0]).to.include({ customer, state: "connected" });
    expect(gateways[0]?.roundTrip).to.be.greaterThan(0);
    expect(receipts).to.have.length(1);
    expect(receipts[0]).to.include({
      ...{ epoch: 1, customer, fate: "acknowledged", member: address("member") },
    });
    const signed = node.receipts()[0]?.signed?.receipt ?? NOTHING_SERVED;
    expect(worth).to.equal(valueAtTariff(signed, tariff).toString());
    expect(receipts[0]?.egressBytes).to.equal(signed.egressBytes.toString());
    expect(customers).to.have.length(1);
    const allowed = (100n * 10n ** 18n).toString();
    expect(customers[0]).to.deep.include({ customer, allowed });
    const { exposed } = Object(customers[0]);
    // What it counted of content kept may be a little more than what was signed.
    expect(customers[0]?.epochs).to.deep.equal([
      { epoch: 1, state: "open", worth: exposed, signed: worth },
    ]);
    expect(BigInt(exposed) >= BigInt(worth ?? 0)).to.equal(true);
  });

  it("says why it does not serve a customer", async () => {
    const node = await service.node({
      standingOf: async () => ({ refusal: "customer-uncovered", message: "nothing there" }),
    });
    await settled(() => node.links()[0]?.word);
    const [gateway] = (await askStatus(folder)).gateways;
    expect(gateway).to.include({
      ...{ customer, state: "waiting", word: "customer-uncovered" },
      reason: "customer-uncovered: nothing there",
    });
  });

  it("is printed", async () => {
    await served();
    const { printed, code } = await run(folder);
    expect(code).to.equal(0);
    expect(printed).to.match(/^device 0x[0-9a-f]{40}, epoch 1\nearns for 0x/);
    expect(printed).to.match(/connected to 1 gateways\n {2}https:\/\/127\.0\.0\.1:\d+ of 0x/);
    expect(printed).to.match(/ {2}0x[0-9a-f]{40}: 0\.\d+ of 100\.0 LTK that it may owe/);
    expect(printed).to.match(/epoch 1, 0x[0-9a-f]{40}: [\d.]+K?B sent, .* acknowledged by 0x/);
  });

  it("of nobody is an error", async () => {
    const { code, said } = await run(folder);
    expect([code, said]).to.deep.equal([
      2,
      `link-node: no device runs with the folder ${folder}\n`,
    ]);
  });

  it("is a page for this machine, and for no name that leads here", async () => {
    await served();
    const page = await servePage(folder, 0);
    try {
      const shown = await fetch(page.url);
      expect(shown.headers.get("content-security-policy")).to.contain("default-src 'none'");
      expect(await shown.text()).to.contain(`device ${device}, epoch 1`);
      const { port } = new URL(page.url);
      const rebound = await new Promise<{ status: number | undefined; body: string }>((resolve) => {
        get({ port, host: "127.0.0.1", headers: { host: "evil.example" } }, async (response) =>
          resolve({ status: response.statusCode, body: await text(response) }),
        );
      });
      expect(rebound.status).to.equal(403);
      expect(rebound.body).not.to.contain(device);
    } finally {
      await page.close();
    }
  });

  it("is not there where a folder's path is too long for a socket, and the device serves all the same", async () => {
    const said: unknown[] = [];
    const long = join(service.folder, "x".repeat(120));
    const node = await service.node({
      folder: long,
      log: (_level, event) => void said.push(event),
    });
    await settled(() => (node.links()[0]?.state === "connected" ? true : undefined));
    expect(said).to.include("no-status");
  });

  it("shows nothing of what others say but letters", async () => {
    const node = await service.node({
      standingOf: async () => ({ refusal: "customer-uncovered", message: "\u001b[2Jgone\nfine" }),
    });
    await settled(() => node.links()[0]?.word);
    const shown = linesOf(await askStatus(folder));
    expect(shown.join("")).to.contain("?[2Jgone?fine");
  });

  it("on a page without a device says that there is none", async () => {
    const page = await servePage(folder, 0);
    const shown = await (await fetch(page.url)).text();
    await page.close();
    expect(shown).to.contain(`no device runs with the folder ${folder}`);
  });
});

/** The command, as a process beside this one, which answers it. */
async function run(folder: string) {
  const child = spawn(process.execPath, [NODE, "status", "--folder", folder]);
  const [printed, said, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  return { printed, said, code };
}
