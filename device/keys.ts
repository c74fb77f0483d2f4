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

export function signerOf(privateKey: Uint8Array): Signer {
  return { address: addressOf(privateKey), sign: (digest) => sign(digest, privateKey) };
}

/**
 * A key file is 0x and 64 hex digits, readable by its owner alone; an encrypted keystore (JSON, as wallets write it)
 * needs the file with its password.
 */
export async function loadSigner(keyFile: string, passwordFile?: string): Promise<Signer> {
  const text = (await readFile(keyFile, "utf8")).trim();
  if (text.startsWith("{")) return signerOf(await decrypt(text, keyFile, passwordFile));
  if (!isHexOf(text, 32))
    throw new Error(`${keyFile} holds neither a keystore nor 0x and 64 hex digits`);
  await refuseIfShared(keyFile);
  return signerOf(fromHex(lowercaseHex(text)));
}

async function decrypt(
  keystore: string,
  keyFile: string,
  passwordFile?: string,
): Promise<Uint8Array> {
  if (passwordFile === undefined)
    throw new Error(`${keyFile} is encrypted: name its password file`);
  await refuseIfShared(passwordFile);
  const password = (await readFile(passwordFile, "utf8")).replace(/\r?\n$/, "");
  try {
    const wallet = await Wallet.fromEncryptedJson(keystore, password);
    return fromHex(lowercaseHex(wallet.privateKey));
  } catch (cause) {
    throw new Error(`cannot open ${keyFile} with the password in ${passwordFile}`, { cause });
  }
}

async function refuseIfShared(file: string): Promise<void> {
  if (process.platform === "win32") return;
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) throw new Error(`${file} is readable by others: chmod 600 ${file}`);
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
