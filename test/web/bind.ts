import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import type { HDNodeWallet } from "ethers";
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

/** A device fresh from its maker, enrolled, with its consent to belong to `account`. */
async function newDevice({ world: { devnet } }: Stage, { address }: HDNodeWallet) {
  const keyFile = join(devnet.folder, `device-${process.hrtime.bigint()}.key`);
  const made = await runProgram("node", "key", "--key-file", keyFile, "--json");
  const { device } = JSON.parse(made.stdout);
  const manufacturer = devnet.suite.registry.connect(devnet.role("manufacturer"));
  await (await manufacturer.enrol([device], DEVNET_CLASS)).wait();
  const { code, stdout, stderr } = await runProgram(
    "node",
    "bind",
    ...["--deployment", devnet.deploymentFile, "--key-file", keyFile, "--account", address],
    ...["--nonce", "0", "--deadline", String((await devnet.now()) + 3600), "--qr"],
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
