import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { expect } from "chai";
import { encryptKeystoreJson } from "ethers";
import { createKeyFile, loadSigner } from "../../device/keys.ts";
import { toHex } from "../../oracle/core/bytes.ts";
import { recover } from "../../oracle/core/signature.ts";
import { address, keyOf } from "../core/world.ts";

describe("keys", () => {
  let folder: string;
  const digest = new Uint8Array(32).fill(3);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-keys-"));
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function write(name: string, text: string, mode = 0o600): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  }

  const failureOf = (files: Parameters<typeof loadSigner>[0]) =>
    loadSigner(files).then(
      () => "",
      (error: Error) => error.message,
    );

  it("makes a key that only its owner can read, once", async () => {
    const keyFile = join(folder, "device.key");
    const device = await createKeyFile(keyFile);
    expect((await loadSigner({ keyFile })).address).to.equal(device);
    if (process.platform !== "win32") expect((await stat(keyFile)).mode & 0o777).to.equal(0o600);
    const before = await readFile(keyFile, "utf8");
    const failure = await createKeyFile(keyFile).catch((error: Error) => error.message);
    expect(failure).to.match(/exists/);
    expect(await readFile(keyFile, "utf8")).to.equal(before);
  });

  it("signs with the key of a file, and never shows it", async () => {
    const hex = toHex(keyOf("device-1"));
    const signer = await loadSigner({ keyFile: await write("key", `${hex}\n`) });
    expect(recover(digest, await signer.sign(digest))).to.equal(address("device-1"));
    for (const shown of [inspect(signer), JSON.stringify(signer), String(signer)]) {
      expect(shown).to.not.include(hex.slice(2));
    }
  });

  it("opens an encrypted keystore with the password of a file", async () => {
    const account = { address: address("device-1"), privateKey: toHex(keyOf("device-1")) };
    const json = await encryptKeystoreJson(account, "secret", { scrypt: { N: 2 } });
    const keystore = await write("keystore.json", json);
    const passwordFile = await write("password", "secret\n");
    const signer = await loadSigner({ keystore, passwordFile });
    expect(signer.address).to.equal(address("device-1"));
    const wrong = await failureOf({ keystore, passwordFile: await write("wrong", "guess") });
    expect(wrong).to.match(/cannot open .*keystore\.json with the password in .*wrong/);
  });

  it("takes no key that others can read", async () => {
    if (process.platform === "win32") return;
    const keyFile = await write("key", toHex(keyOf("device-1")), 0o640);
    expect(await failureOf({ keyFile })).to.match(/can be read by others; run: chmod 600/);
  });

  it("says what it needs", async () => {
    expect(await failureOf({})).to.match(/either --keystore with --password-file, or --key-file/);
    expect(await failureOf({ keystore: "a" })).to.match(/either --keystore/);
    expect(await failureOf({ keyFile: "a", keystore: "b", passwordFile: "c" })).to.match(/either/);
    expect(await failureOf({ keyFile: await write("key", "0x12") })).to.match(/64 hex digits/);
  });
});
