import { randomBytes } from "node:crypto";
import { open, readFile, stat } from "node:fs/promises";
import { Wallet } from "ethers";
import { type Address, fromHex, isHexOf, lowercaseHex, toHex } from "../oracle/core/bytes.ts";
import { addressOf, sign } from "../oracle/core/signature.ts";

/** Something that signs digests: in memory here, a secure element in a device. The key itself is never handed out. */
export type Signer = {
  readonly address: Address;
  readonly sign: (digest: Uint8Array) => Uint8Array | Promise<Uint8Array>;
};

/** Where a key is: an encrypted keystore (JSON, as wallets write it) with its password's file, or the bare key's file. */
export type KeyFiles = {
  readonly keystore?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly keyFile?: string | undefined;
};

/** Readable or writable by others than the owner. */
const OTHERS = 0o077;

export function signerOf(privateKey: Uint8Array): Signer {
  return { address: addressOf(privateKey), sign: (digest) => sign(digest, privateKey) };
}

export async function loadSigner({ keystore, passwordFile, keyFile }: KeyFiles): Promise<Signer> {
  if (keystore !== undefined && passwordFile !== undefined && keyFile === undefined) {
    return signerOf(await decrypt(keystore, passwordFile));
  }
  if (keystore !== undefined || keyFile === undefined) {
    throw new Error("give either --keystore with --password-file, or --key-file");
  }
  const key = (await readPrivately(keyFile)).trim();
  if (!isHexOf(key, 32)) throw new Error(`${keyFile} must hold a key: 0x and 64 hex digits`);
  return signerOf(fromHex(lowercaseHex(key)));
}

async function decrypt(keystore: string, passwordFile: string): Promise<Uint8Array> {
  const json = await readPrivately(keystore);
  const password = (await readPrivately(passwordFile)).replace(/\r?\n$/, "");
  try {
    const { privateKey } = await Wallet.fromEncryptedJson(json, password);
    return fromHex(lowercaseHex(privateKey));
  } catch (cause) {
    throw new Error(`cannot open ${keystore} with the password in ${passwordFile}`, { cause });
  }
}

/** A key that others on the machine can read is not a key. Windows has no such bits. */
async function readPrivately(file: string): Promise<string> {
  const { mode } = await stat(file);
  if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
    throw new Error(`${file} can be read by others; run: chmod 600 ${file}`);
  }
  return readFile(file, "utf8");
}

/** Makes a new key where there is none; never writes over one. */
export async function createKeyFile(keyFile: string): Promise<Address> {
  const privateKey = randomBytes(32);
  const file = await open(keyFile, "wx", 0o600);
  try {
    await file.writeFile(`${toHex(privateKey)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return addressOf(privateKey);
}
