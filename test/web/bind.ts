import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { DOMAIN_NAME, DOMAIN_VERSION } from "@link-rewards/core/encoding/typed";
import { BIND_FIELDS } from "@link-rewards/core/signed/bind";
import { expect } from "chai";
import { type BaseWallet, type HDNodeWallet, Signature, Wallet } from "ethers";
import { DEVNET_CLASS } from "../../scripts/local/devnet.ts";
import { runProgram } from "../device/support/program.ts";
import { launchBrowser } from "./support/browser.ts";
import { filmOf, pictureOf, toRgba } from "./support/qr-picture.ts";
import { onEachChain, type Stage, theStage } from "./support/stage.ts";
import { leaveAll, visitWith } from "./support/visit.ts";

const require = createRequire(import.meta.url);
/** A reader by other people than the writer. */
const readQr: typeof import("jsqr").default = require("jsqr");

onEachChain("a device's consent, as its program prints it", (stageOfChain) => {
  let stage: Stage;
  let undo: () => Promise<void>;

  before(async () => {
    stage = await stageOfChain();
  });
  beforeEach(async () => {
    undo = await stage.snapshot();
  });
  afterEach(async () => {
    await leaveAll();
    await undo();
  });

  it("is pasted, sent and on the chain; one that was changed is refused", async () => {
    const { registry } = stage.world.devnet.suite;
    const account = stage.world.devnet.wallet(9);
    const { device, printed } = await newDevice(stage, account);
    const { page, reaches } = await visitWith(stage, { signer: account });
    await reaches("never-bound");
    const box = page.getByLabel("Signed consent");
    const consent = JSON.parse(printed);
    await box.fill(JSON.stringify({ ...consent, deadline: consent.deadline + 1 }));
    await page.getByText("The signature is not the device’s").waitFor();
    await box.fill("hello");
    await page.getByText("This is not a device’s consent").waitFor();
    await box.fill(JSON.stringify({ ...consent, account: lowercaseHex(device) }));
    await page.getByText("not for the one shown here").waitFor();
    await box.fill(printed);
    await reaches("consent");
    await page.getByRole("button", { name: "Bind device" }).click();
    await reaches("done");
    expect((await registry.deviceOf(device)).account).to.equal(account.address);
    await reaches("joined-later");
    await box.fill(printed);
    await page.getByText("bound with this consent or a fresher one").waitFor();
  });

  it("says in plain words that the device belongs to somebody, or was bound too often", async () => {
    const { devnet, devices } = stage.world;
    const { registry } = devnet.suite;
    const account = devnet.wallet(9);
    const { page, reaches } = await visitWith(stage, { signer: account });
    await reaches("never-bound");
    const offer = async (device: BaseWallet, nonce: number) => {
      const { consent, signature } = await consentOf(stage, device, account.address, nonce);
      const { chainId, contracts } = stage.config.deployment;
      const place = { chainId, registry: contracts.DeviceRegistry.address };
      const shown = { ...place, ...consent, signature: signature.compactSerialized };
      await page.getByLabel("Signed consent").fill(JSON.stringify(shown));
      await page.getByRole("button", { name: "Bind device" }).click();
    };
    const now = await devnet.now();
    await offer(devices[0] as Wallet, now);
    await page.getByText("bound to an account already").waitFor();
    const device = Wallet.createRandom();
    await enrol(stage, device.address);
    for (const i of [0, 1]) {
      const { address } = Wallet.createRandom();
      const { consent, signature } = await consentOf(stage, device, address, now + i);
      const compact = { r: signature.r, vs: signature.yParityAndS };
      await (await registry.bind([consent], [compact])).wait();
    }
    await offer(device, now + 2);
    await page.getByText("bound too often in this epoch").waitFor();
  });
});

describe("a device's consent, as a QR code", () => {
  let stage: Stage;
  let undo: () => Promise<void>;

  before(async () => {
    stage = await theStage();
    undo = await stage.snapshot();
  });
  afterEach(leaveAll);
  after(() => undo());

  it("is what the program draws beside it", async () => {
    const { printed, drawn } = await newDevice(stage, stage.world.devnet.wallet(9));
    const picture = pictureOf(drawn);
    const read = readQr(toRgba(picture), picture.width, picture.height);
    expect(`${read?.data}\n`).to.equal(printed);
    expect(Math.max(...drawn.split("\n").map((line) => [...line].length))).to.be.at.most(90);
  });

  it("is scanned with the camera where the browser reads codes", async () => {
    const account = stage.world.devnet.wallet(9);
    const { printed, drawn } = await newDevice(stage, account);
    const film = join(stage.world.devnet.folder, "camera.y4m");
    await writeFile(film, filmOf(pictureOf(drawn)));
    const browser = await launchBrowser([
      "--use-fake-ui-for-media-stream",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-video-capture=${film}`,
    ]);
    try {
      const { page, context, reaches } = await visitWith(
        { ...stage, browser },
        { signer: account },
        { before: async (page) => page.addInitScript({ content: await detectorScript() }) },
      );
      await reaches("never-bound");
      await page.getByRole("button", { name: "Scan QR code" }).click();
      await reaches("consent");
      expect(`${await page.getByLabel("Signed consent").inputValue()}\n`).to.equal(printed);
      expect(await page.locator("video").count()).to.equal(0);
      await context.close();
    } finally {
      await browser.close();
    }
  });

  it("is not offered where the browser reads none: pasting is", async () => {
    const { page, reaches } = await visitWith(
      stage,
      { signer: stage.world.devnet.wallet(9) },
      { before: (page) => page.addInitScript("delete window.BarcodeDetector") },
    );
    await reaches("never-bound");
    await page.getByLabel("Signed consent").waitFor();
    expect(await page.getByRole("button", { name: "Scan QR code" }).count()).to.equal(0);
  });
});

/** A device's consent, as its program would sign it. */
async function consentOf(
  { config, world: { devnet } }: Stage,
  device: BaseWallet,
  account: string,
  nonce: number,
) {
  const { chainId, contracts } = config.deployment;
  const verifyingContract = contracts.DeviceRegistry.address;
  const domain = { name: DOMAIN_NAME, version: DOMAIN_VERSION, chainId, verifyingContract };
  const deadline = (await devnet.now()) + 3600;
  const consent = { device: device.address, account, nonce, deadline };
  const signed = await device.signTypedData(domain, { Bind: [...BIND_FIELDS] }, consent);
  return { consent, signature: Signature.from(signed) };
}

async function enrol({ world: { devnet } }: Stage, device: string): Promise<void> {
  const manufacturer = devnet.suite.registry.connect(devnet.role("manufacturer"));
  await (await manufacturer.enrol([device], DEVNET_CLASS)).wait();
}

/** A device fresh from its maker, enrolled, with its consent to belong to `account`. */
async function newDevice(stage: Stage, { address }: HDNodeWallet) {
  const { devnet } = stage.world;
  const keyFile = join(devnet.folder, `device-${process.hrtime.bigint()}.key`);
  const made = await runProgram("node", "key", "--key-file", keyFile, "--json");
  const { device } = JSON.parse(made.stdout);
  await enrol(stage, device);
  const { code, stdout, stderr } = await runProgram(
    "node",
    "bind",
    ...["--deployment", devnet.deploymentFile, "--key-file", keyFile, "--account", address],
    ...["--folder", `${keyFile}.state`, "--deadline", String((await devnet.now()) + 3600), "--qr"],
  );
  expect(code, stderr).to.equal(0);
  return { device: device as string, printed: stdout, drawn: stderr };
}

/** Headless Chromium has a camera, but no BarcodeDetector: the same interface, over the reader above. */
async function detectorScript(): Promise<string> {
  const reader = await readFile(require.resolve("jsqr"), "utf8");
  return `(() => {
    const module = { exports: {} }, exports = module.exports;
    ${reader}
    window.BarcodeDetector = class {
      async detect(video) {
        const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
        const view = canvas.getContext("2d");
        view.drawImage(video, 0, 0);
        const { data, width, height } = view.getImageData(0, 0, canvas.width, canvas.height);
        const found = module.exports(data, width, height);
        return found === null ? [] : [{ rawValue: found.data }];
      }
    };
  })()`;
}
