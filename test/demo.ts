import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { HDNodeWallet } from "ethers";
import type { Browser } from "playwright-core";
import { MNEMONIC } from "../scripts/local/devnet.ts";
import { launchBrowser } from "./web/support/browser.ts";
import { leaveAll, type Place, visit } from "./web/support/visit.ts";

const DEMO = fileURLToPath(new URL("../scripts/demo.ts", import.meta.url));
/** The demo takes about 70 seconds; a machine that also runs other things needs longer. */
const DEMO_TIMEOUT_MS = 600_000;
/** As many as the local chain funds. */
const WALLETS = 20;

describe("npm run demo -- --json --keep", () => {
  let demo: ChildProcess;
  let browser: Browser | undefined;
  let stdout = "";
  /** The addresses it prints, by what stands before them. */
  const printed = new Map<string, string>();

  before(async () => {
    demo = spawn(process.execPath, [DEMO, "--json", "--keep"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines = (stream: ChildProcess["stdout"]) =>
      createInterface({ input: stream as NonNullable<typeof stream> });
    lines(demo.stdout).on("line", (line) => {
      stdout += line;
    });
    for await (const line of lines(demo.stderr)) {
      const [, name, address] = /^ {2}(\S[a-z ]*?) {2,}(http\S+)/.exec(line) ?? [];
      if (name !== undefined && address !== undefined) printed.set(name, address);
      if (line.includes("npm run oracle -- proof")) break;
    }
    browser = await launchBrowser();
  }).timeout(DEMO_TIMEOUT_MS);
  afterEach(leaveAll);
  after(async () => {
    // It must not stay when the browser never came up, nor be waited for when it ended by itself.
    if (demo.exitCode === null && demo.signalCode === null) {
      const ended = once(demo, "exit");
      demo.kill("SIGINT");
      await ended;
    }
    await browser?.close();
    expect([demo.exitCode, demo.signalCode]).to.deep.equal([0, null]);
  });

  const place = (): Place => ({
    browser: browser as Browser,
    pagesUrl: printed.get("pages") as string,
    world: { devnet: { rpcUrl: printed.get("chain") as string } },
  });

  it("prints one document in which everything adds up", async () => {
    const demo = JSON.parse(stdout);
    expect(demo.ok).to.equal(true);
    expect(demo.epochs.map(({ epoch }: { epoch: number }) => epoch)).to.deep.equal([1, 2, 3]);
    for (const epoch of demo.epochs) {
      expect(epoch.auditAgrees).to.equal(true);
      for (const hash of ["root", "contributionRoot", "invoiceRoot", "bundleHash"]) {
        expect(epoch[hash]).to.match(/^0x[0-9a-f]{64}$/);
      }
      expect(BigInt(epoch.counted) <= BigInt(epoch.value)).to.equal(true);
    }
    // Twelve devices and three customers, all but the revoked device's in the second and third epoch, and in the third
    // only for those who paid the second; and the one of who signs with himself.
    expect(
      demo.epochs.map((epoch: { contributions: number }) => epoch.contributions),
    ).to.deep.equal([37, 33, 22]);
    const refused = demo.refusedCustomers.map(
      (each: { epoch: number; refusal: string; devices: number }) => [
        ...[each.epoch, each.refusal, each.devices],
      ],
    );
    expect(refused).to.deep.equal([
      // The one that is far away has its gateways named.
      [1, "customer-uncovered", 11],
      [3, "customer-unpaid", 12],
    ]);
    const half = demo.epochs[1];
    expect(BigInt(half.counted) < BigInt(half.value), "half a payment").to.equal(true);
    expect(demo.receipts.equivocations).to.be.at.least(1);
    expect(demo.receipts.refused).to.include({ "device-signature-invalid": 1 });
    expect(demo.receipts.refused["device-revoked"]).to.be.at.least(1);
    expect(demo.claims).to.equal(6);
    expect(demo.users.far.bytes).to.be.lessThan(demo.users.near.bytes);
    const sum = (amounts: Record<string, string>) =>
      Object.values(amounts).reduce((total, wei) => total + BigInt(wei), 0n);
    expect(sum(demo.inWei)).to.equal(sum(demo.outWei));
    expect(BigInt(demo.refundedWei) > 0n, "a refund").to.equal(true);
    expect(BigInt(demo.outWei.programme) < BigInt(demo.inWei.emissionShare), "bought").to.equal(
      true,
    );
    const { beganWei, endedWei } = demo.colluders;
    expect(BigInt(endedWei) < BigInt(beganWei), "who signs with himself loses").to.equal(true);
    expect(demo.crashesSurvived).to.equal(2);
    expect(demo.convictions).to.equal(3);
  });

  it("leaves a claim page on which an owner claims with a wallet", async () => {
    const route = new URL(printed.get("an owner") as string).hash;
    const owner = route.slice("#/claim/".length);
    const signer = Array.from({ length: WALLETS }, (_, i) =>
      HDNodeWallet.fromMnemonic(MNEMONIC, `m/44'/60'/0'/0/${i}`),
    ).find(({ address }) => address === owner) as HDNodeWallet;
    const { page, reaches } = await visit(place(), { wallets: [{ name: "Orange", signer }] });
    await page.locator("main .wallets button").click();
    await page.locator("button.primary").click();
    await reaches("done");
  });

  it("leaves an audit page that verifies an epoch", async () => {
    const { page, reaches } = await visit(place(), {
      at: new URL(printed.get("the audit") as string).hash,
    });
    await page.locator('[data-epoch="3"]').getByText("Final").waitFor();
    await page.locator('[data-invariant][data-state="holds"]').nth(4).waitFor();
    await page.locator('[data-epoch="3"] a').first().click();
    await page.getByRole("button", { name: "Verify this epoch here" }).click();
    await reaches("agrees");
  });
});
