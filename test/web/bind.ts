import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { toDeviceSignature } from "@link-rewards/core/encoding/signature";
import { DOMAIN_NAME, DOMAIN_VERSION } from "@link-rewards/core/encoding/typed";
import { BIND_FIELDS } from "@link-rewards/core/signed/bind";
import { expect } from "chai";
import { getBytes, type HDNodeWallet, TypedDataEncoder, Wallet } from "ethers";
import { enrol } from "../../scripts/local/devnet.ts";
import { type LocalDevice, newDevice } from "../../scripts/local/local-device.ts";
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

  for (const keyType of ["secp256k1", "P-256"] as const) {
    it(`is pasted, sent and on the chain with a ${keyType} key; one that was changed is refused`, async () => {
      const { registry } = stage.world.devnet.suite;
      const account = stage.world.devnet.wallet(9);
      const { device, printed } = await deviceFor(stage, account, keyType);
      const { page, reaches } = await visitWith(stage, { signer: account });
      await reaches("never-bound");
      const box = page.getByLabel("Signed consent");
      const consent = JSON.parse(printed);
      await box.fill(JSON.stringify({ ...consent, deadline: consent.deadline + 1 }));
      await page.getByText("The signature is not the device’s").waitFor();
      await box.fill("hello");
      await page.getByText("This is not a device’s consent").waitFor();
      const publicKey = `0x${"11".repeat(64)}`;
      await box.fill(JSON.stringify({ ...consent, publicKey }));
      await page.getByText("The signature is not the device’s").waitFor();
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
  }

  it("says in plain words that the device belongs to somebody, or was bound too often", async () => {
    const { devnet, devices } = stage.world;
    const { registry } = devnet.suite;
    const account = devnet.wallet(9);
    const { page, reaches } = await visitWith(stage, { signer: account });
    await reaches("never-bound");
    const offer = async (device: LocalDevice, nonce: number) => {
      const { consent, signature } = await consentOf(stage, device, account.address, nonce);
      const { chainId, contracts } = stage.config.deployment;
      const place = { chainId, registry: contracts.DeviceRegistry.address };
      const shown = { ...place, ...consent, signature: toHex(signature) };
      await page.getByLabel("Signed consent").fill(JSON.stringify(shown));
      await page.getByRole("button", { name: "Bind device" }).click();
    };
    const now = await devnet.now();
    await offer(devices[0] as LocalDevice, now);
    await page.getByText("bound to an account already").waitFor();
    const device = newDevice();
    await enrolAll(stage, [device]);
    for (const i of [0, 1]) {
      const { address } = Wallet.createRandom();
      const { consent, signature } = await consentOf(stage, device, address, now + i);
      await (await registry.bind([consent], [toDeviceSignature(signature, "0x")])).wait();
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

  // A public key makes it wider than most terminals begin.
  for (const [keyType, columns] of [
    ["secp256k1", 80],
    ["P-256", 85],
  ] as const) {
    it(`is what the program draws beside it in ${columns} columns, with a ${keyType} key`, async () => {
      const { printed, drawn } = await deviceFor(stage, stage.world.devnet.wallet(9), keyType);
      const picture = pictureOf(drawn);
      const read = readQr(toRgba(picture), picture.width, picture.height);
      expect(`${read?.data}\n`).to.equal(printed);
      const lines = stripVTControlCharacters(drawn).split("\n");
      expect(Math.max(...lines.map((line) => [...line].length))).to.be.at.most(columns);
    });
  }

  it("is scanned with the camera where the browser reads codes", async () => {
    const account = stage.world.devnet.wallet(9);
    const { printed, drawn } = await deviceFor(stage, account);
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
  device: LocalDevice,
  account: string,
  nonce: number,
) {
  const { chainId, contracts } = config.deployment;
  const verifyingContract = contracts.DeviceRegistry.address;
  const domain = { name: DOMAIN_NAME, version: DOMAIN_VERSION, chainId, verifyingContract };
  const deadline = (await devnet.now()) + 3600;
  const consent = { device: device.address, account, nonce, deadline };
  const digest = TypedDataEncoder.hash(domain, { Bind: [...BIND_FIELDS] }, consent);
  return { consent, signature: device.sign(getBytes(digest)) };
}

async function enrolAll(
  { world: { devnet } }: Stage,
  devices: readonly Pick<LocalDevice, "address" | "publicKey">[],
): Promise<void> {
  await enrol(devnet.suite.registry.connect(devnet.role("manufacturer")), devices);
}

/** A device fresh from its maker, enrolled, with its consent to belong to `account`. */
async function deviceFor(
  stage: Stage,
  { address }: HDNodeWallet,
  keyType: "secp256k1" | "P-256" = "P-256",
) {
  const { devnet } = stage.world;
  const keyFile = join(devnet.folder, `device-${process.hrtime.bigint()}.key`);
  const kind = keyType === "P-256" ? ["--p256"] : [];
  const made = await runProgram("node", "key", "--key-file", keyFile, "--json", ...kind);
  const { device, publicKey = "0x" } = JSON.parse(made.stdout);
  await enrolAll(stage, [{ address: device, publicKey }]);
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
