import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { isLowS, isPublicKeyOf, verifyP256 } from "@link-rewards/core/encoding/p256";
import { recover, sign as signPure } from "@link-rewards/core/encoding/signature";
import {
  createKeyFile,
  createP256KeyFile,
  type KeyFiles,
  openDeviceKey,
  openSigner,
  type Signer,
  signerOf,
} from "@link-rewards/host/keys";
import { createLog } from "@link-rewards/host/log";
import { expect } from "chai";
import { encryptKeystoreJson, JsonRpcProvider, verifyTypedData, Wallet } from "ethers";

const KEY = `0x${"c0ffee11".repeat(8)}`;
const ADDRESS = new Wallet(KEY).address;
const PASSWORD = "corréct horse battery staple";
const DIGEST = new Uint8Array(32).fill(7);

describe("openSigner", () => {
  let folder: string;
  let keystore: string;

  before(async () => {
    // The weakest scrypt there is: its strength is not what is tested.
    const options = { scrypt: { N: 2, r: 1, p: 1 } };
    keystore = await encryptKeystoreJson({ address: ADDRESS, privateKey: KEY }, PASSWORD, options);
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-signer-"));
  });

  afterEach(() => rm(folder, { recursive: true }));

  const file = async (name: string, content: string, mode = 0o600): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content);
    await chmod(path, mode);
    return path;
  };
  const keystoreOf = async (content: string, password: string) => ({
    keystore: await file("keystore.json", content),
    passwordFile: await file("password", password),
  });
  const refusal = async (source: KeyFiles): Promise<Error> => {
    const [outcome] = await Promise.allSettled([openSigner(source)]);
    if (outcome.status === "fulfilled") throw new Error("it was opened");
    return outcome.reason as Error;
  };

  for (const [spelling, content] of Object.entries({
    "with 0x": KEY,
    "without 0x": KEY.slice(2),
    "in capitals": KEY.slice(2).toUpperCase(),
    "and a line break": `${KEY}\n`,
  })) {
    it(`opens a key file ${spelling}`, async () => {
      const signer = await openSigner({ keyFile: await file("key", content) });
      expect(signer.address).to.equal(ADDRESS.toLowerCase());
      expect(recover(DIGEST, signer.sign(DIGEST))).to.equal(signer.address);
    });
  }

  it("opens a keystore with its password, and with the line break an editor adds", async () => {
    for (const end of ["", "\n", "\r\n"]) {
      const signer = await openSigner(await keystoreOf(keystore, PASSWORD + end));
      expect(signer.address).to.equal(ADDRESS.toLowerCase());
      expect(recover(DIGEST, signer.sign(DIGEST))).to.equal(signer.address);
    }
  });

  it("gives a wallet that sends with the same key, through the provider it is given", async () => {
    const provider = new JsonRpcProvider("http://127.0.0.1:9", 31337, { staticNetwork: true });
    const signer = await openSigner({ keyFile: await file("key", KEY) });
    const wallet = signer.wallet(provider);
    const types = { Report: [{ name: "epoch", type: "uint32" }] };
    const signature = await wallet.signTypedData({}, types, { epoch: 1 });
    expect(verifyTypedData({}, types, { epoch: 1 }, signature)).to.equal(ADDRESS);
    expect(wallet.provider).to.equal(provider);
    provider.destroy();
  });

  describe("refuses", () => {
    // Windows keeps no such modes.
    if (process.platform !== "win32") {
      for (const mode of [0o640, 0o604, 0o644, 0o620, 0o610, 0o601]) {
        const octal = mode.toString(8);
        it(`a file of mode 0${octal}, and says what to do`, async () => {
          const keyFile = await file("key", KEY, mode);
          const { message } = await refusal({ keyFile });
          expect(message).to.equal(
            `${keyFile} is open to other users (mode 0${octal}); run: chmod 600 ${keyFile}`,
          );
          await chmod(keyFile, 0o600);
          expect((await openSigner({ keyFile })).address).to.equal(ADDRESS.toLowerCase());
        });
      }

      it("a keystore or a password that others can read", async () => {
        for (const name of ["keystore", "passwordFile"] as const) {
          const source = await keystoreOf(keystore, PASSWORD);
          await chmod(source[name], 0o644);
          expect((await refusal(source)).message).to.include(`chmod 600 ${source[name]}`);
        }
      });

      it("what others can read behind a name that they cannot", async () => {
        const keyFile = join(folder, "name");
        await symlink(await file("key", KEY, 0o644), keyFile);
        expect((await refusal({ keyFile })).message).to.match(/open to other users/);
      });

      it("none that only its owner may read", async () => {
        const keyFile = await file("key", KEY, 0o400);
        expect((await openSigner({ keyFile })).address).to.equal(ADDRESS.toLowerCase());
      });
    }

    it("to guess which of two keys is meant, or a keystore without its password", async () => {
      const keyFile = await file("key", KEY);
      const both = { keyFile, ...(await keystoreOf(keystore, PASSWORD)) };
      for (const files of [{}, { keystore: "a" }, { passwordFile: "b" }, both]) {
        const error = await refusal(files);
        expect(error.message).to.equal(
          "give either --key-file, or --keystore with --password-file",
        );
        expect(error).to.have.property("misuse", true);
      }
    });

    it("a file that is not there", async () => {
      const { message } = await refusal({ keyFile: join(folder, "nowhere") });
      expect(message).to.match(/cannot read the key material: ENOENT.*nowhere/);
    });

    it("a folder, and a file larger than any key", async () => {
      const keyFile = join(folder, "folder");
      await mkdir(keyFile, { mode: 0o700 });
      expect((await refusal({ keyFile })).message).to.match(/must be a file of at most/);
      const large = await file("large", KEY.padEnd(70_000));
      expect((await refusal({ keyFile: large })).message).to.match(/must be a file of at most/);
    });

    for (const [what, content] of Object.entries({
      "a key file that is empty": "",
      "a key that is too short": KEY.slice(0, -1),
      "a key that is too long": `${KEY}0`,
      "a key with a letter that is not a hex digit": `${KEY.slice(0, -1)}g`,
      "two keys": `${KEY}\n${KEY}`,
      "the key zero": `0x${"00".repeat(32)}`,
      "the key past the last": `0x${"ff".repeat(32)}`,
    })) {
      it(`${what}, without quoting it`, async () => {
        const error = await refusal({ keyFile: await file("key", content) });
        expect(error.message).to.match(/64 hex digits|not a private key/);
        expectNoSecret(error, content.trim().slice(2, 66) || KEY);
      });
    }

    it("a wrong password, without quoting it", async () => {
      const error = await refusal(await keystoreOf(keystore, "letmein-please"));
      expect(error.message).to.match(/the password in .*password does not open .*keystore\.json/);
      expectNoSecret(error, "letmein");
    });

    it("an empty password file", async () => {
      const { message } = await refusal(await keystoreOf(keystore, "\n"));
      expect(message).to.match(/password is empty/);
    });

    it("a keystore that is none, without quoting it", async () => {
      for (const content of [KEY, `{"privateKey":"${KEY}"}`, `{"version":3,"crypto":"${KEY}"}`]) {
        const error = await refusal(await keystoreOf(content, PASSWORD));
        expect(error.message).to.match(/keystore\.json is not an encrypted keystore/);
        expectNoSecret(error);
      }
    });
  });

  describe("gives a signer that shows no key", () => {
    let signer: Signer;
    let wallet: Wallet;
    const provider = new JsonRpcProvider("http://127.0.0.1:9", 31337, { staticNetwork: true });

    beforeEach(async () => {
      signer = await openSigner(await keystoreOf(keystore, PASSWORD));
      wallet = signer.wallet(provider);
    });

    after(() => provider.destroy());

    it("as text, as JSON, inspected to the bottom, or inside something else", () => {
      for (const holder of [signer, wallet, wallet.connect(null), { nested: [signer, wallet] }]) {
        expectNoSecret(holder);
      }
      expect([String(signer), JSON.stringify(signer), inspect(signer)]).to.deep.equal([
        `Signer(${signer.address})`,
        `"Signer(${signer.address})"`,
        `Signer(${signer.address})`,
      ]);
      expect(`${wallet}`).to.equal(`Signer(${ADDRESS})`);
    });

    it("in a log", () => {
      const lines: string[] = [];
      const log = createLog({ destination: { write: (line) => void lines.push(line) } });
      log.info({ signer, wallet, deep: [{ signer }] }, `as ${signer}`);
      log.error({ err: new Error("failed", { cause: wallet }) }, "failed");
      expect(lines).to.have.length(2);
      expect(lines[0]).to.include(signer.address);
      expectNoSecret(lines);
    });
  });
});

function expectNoSecret(shown: unknown, ...more: readonly string[]): void {
  const texts = [
    String(shown),
    JSON.stringify(shown),
    inspect(shown, { depth: 20, showHidden: true, getters: true, maxStringLength: null }),
    shown instanceof Error ? String(shown.stack) : "",
  ].map((text) => text.toLowerCase());
  const bytes = fromHex(toHex(Buffer.from(KEY.slice(2), "hex")));
  const secrets = [KEY.slice(2), PASSWORD, bytes.join(", "), BigInt(KEY).toString(), ...more];
  for (const text of texts) {
    for (const secret of secrets) expect(text).not.to.include(secret.toLowerCase());
  }
}

describe("openDeviceKey", () => {
  let folder: string;
  let keyFile: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-device-key-"));
    keyFile = join(folder, "device.pem");
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = (text: string) => writeFile(keyFile, text, { mode: 0o600 });
  const refusal = async () => {
    const [outcome] = await Promise.allSettled([openDeviceKey({ keyFile })]);
    if (outcome.status === "fulfilled") throw new Error("it was opened");
    return String(outcome.reason);
  };

  it("opens a secp256k1 key as every program does, and shows no public key", async () => {
    await write(KEY);
    const key = await openDeviceKey({ keyFile });
    expect([key.address, key.publicKey]).to.deep.equal([ADDRESS.toLowerCase(), "0x"]);
    expect(recover(DIGEST, await key.sign(DIGEST))).to.equal(key.address);
  });

  it("opens a P-256 key in a PEM file, and signs with low s what OpenSSL verifies as it is", async () => {
    const made = await createP256KeyFile(keyFile);
    const key = await openDeviceKey({ keyFile });
    expect(key.publicKey)
      .to.match(/^0x[0-9a-f]{128}$/)
      .and.to.equal(made.publicKey);
    expect(isPublicKeyOf(key.publicKey, key.address)).to.equal(true);
    const publicKey = createPublicKey(await readFile(keyFile, "utf8"));
    // Of plain signatures every second one has a high s.
    for (let i = 0; i < 16; i++) {
      const signature = await key.sign(DIGEST);
      expect(isLowS(signature)).to.equal(true);
      expect(verifyP256(DIGEST, signature, key.publicKey)).to.equal(true);
      const encoding = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
      expect(verify("sha256", DIGEST, encoding, signature)).to.equal(true);
    }
  });

  it("takes what OpenSSL writes by itself: PKCS#8 and SEC 1", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const addresses = [];
    for (const type of ["pkcs8", "sec1"] as const) {
      await write(String(privateKey.export({ type, format: "pem" })));
      addresses.push((await openDeviceKey({ keyFile })).address);
    }
    expect(addresses[0]).to.equal(addresses[1]);
  });

  it("refuses a key of another curve, a PEM with a password and a broken one, and shows none of it", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
    await write(String(other.export({ type: "pkcs8", format: "pem" })));
    expect(await refusal()).to.include("holds a secp256k1 key; a PEM must hold a P-256 one");
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const locked = {
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "x",
    } as const;
    await write(String(privateKey.export(locked)));
    expect(await refusal()).to.include("without a password");
    await write("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
    expect(await refusal())
      .to.match(/is not a private key in PEM/)
      .and.to.not.include("c2VjcmV0");
  });

  it("refuses a PEM that others can read, and never writes over a key", async () => {
    if (process.platform === "win32") return;
    await createP256KeyFile(keyFile);
    expect(await createP256KeyFile(keyFile).catch(String)).to.match(/exists/);
    await chmod(keyFile, 0o644);
    expect(await refusal()).to.include(`chmod 600 ${keyFile}`);
  });

  it("is for devices alone: a PEM is no key of anybody else", async () => {
    await createP256KeyFile(keyFile);
    expect(await openSigner({ keyFile }).catch(String)).to.include(
      "must hold the 64 hex digits of a private key",
    );
  });

  it("shows its address and nothing else, however it is printed", async () => {
    const key = await createP256KeyFile(keyFile);
    for (const shown of [String(key), JSON.stringify(key), inspect(key)])
      expect(shown.replaceAll('"', "")).to.equal(`Signer(${key.address})`);
  });
});

describe("createKeyFile", () => {
  it("makes a key that only its owner can read, once", async () => {
    const folder = await mkdtemp(join(tmpdir(), "link-rewards-keys-"));
    try {
      const keyFile = join(folder, "device.key");
      const device = await createKeyFile(keyFile);
      expect((await openSigner({ keyFile })).address).to.equal(device);
      if (process.platform !== "win32") expect((await stat(keyFile)).mode & 0o777).to.equal(0o600);
      const before = await readFile(keyFile, "utf8");
      const failure = await createKeyFile(keyFile).catch((error: Error) => error.message);
      expect(failure).to.match(/exists/);
      expect(await readFile(keyFile, "utf8")).to.equal(before);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("signerOf", () => {
  it("signs with a key that is at hand, by whichever library", async () => {
    const key = fromHex(KEY as Hex);
    const signer = signerOf(key);
    expect(signer.address).to.equal(ADDRESS.toLowerCase());
    expect(signer.sign(DIGEST)).to.deep.equal(signerOf(key, signPure).sign(DIGEST));
  });
});
