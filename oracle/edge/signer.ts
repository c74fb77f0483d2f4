import { readFile, stat } from "node:fs/promises";
import { type BaseWallet, Wallet } from "ethers";
import { type Address, fromHex, isHexOf, lowercaseHex } from "../core/bytes.ts";
import { sign } from "../core/signature.ts";

/** Where a key is: an encrypted keystore with its password's file, or the bare key's file. */
export type KeyFiles = {
  readonly keystore?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly keyFile?: string | undefined;
};

/** Signs without ever showing the key: neither printing nor serializing it, nor an error about it, says what it is. */
export type Signer = {
  readonly address: Address;
  /** A compact EIP-2098 signature over 32 bytes. */
  sign(digest: Uint8Array): Uint8Array;
  /** For transactions. Not enumerable, as an ethers wallet carries its key. */
  readonly wallet: BaseWallet;
};

/** Readable or writable by others than the owner. */
const OTHERS = 0o077;

export async function loadSigner(files: KeyFiles): Promise<Signer> {
  const wallet = await walletOf(files);
  const privateKey = fromHex(lowercaseHex(wallet.privateKey));
  const signer = {
    address: lowercaseHex(wallet.address),
    sign: (digest: Uint8Array) => sign(digest, privateKey),
  };
  return Object.defineProperty(signer, "wallet", { value: wallet, enumerable: false }) as Signer;
}

async function walletOf({ keystore, passwordFile, keyFile }: KeyFiles): Promise<Wallet> {
  if (keyFile !== undefined && keystore === undefined) {
    const key = (await readPrivately(keyFile, "key file")).trim();
    const hex = key.startsWith("0x") ? key : `0x${key}`;
    if (!isHexOf(hex, 32))
      throw new Error(`${keyFile} must hold a key: 64 hex digits, nothing else`);
    return new Wallet(hex);
  }
  if (keystore === undefined || keyFile !== undefined) {
    throw new Error("give either --keystore with --password-file, or --key-file");
  }
  if (passwordFile === undefined) throw new Error("a keystore needs --password-file");
  const json = await readPrivately(keystore, "keystore");
  const password = (await readPrivately(passwordFile, "password file")).replace(/\r?\n$/, "");
  try {
    const opened = await Wallet.fromEncryptedJson(json, password);
    return new Wallet(opened.privateKey);
  } catch (cause) {
    throw new Error(`cannot open the keystore ${keystore}: ${(cause as Error).message}`);
  }
}

/** A key that others on the machine can read is not a key. Windows has no such bits. */
async function readPrivately(path: string, what: string): Promise<string> {
  let mode: number;
  try {
    mode = (await stat(path)).mode;
  } catch (cause) {
    throw new Error(`cannot read the ${what} ${path}: ${(cause as Error).message}`, { cause });
  }
  if (process.platform !== "win32" && (mode & OTHERS) !== 0) {
    throw new Error(`the ${what} ${path} can be read by others; run: chmod 600 ${path}`);
  }
  return readFile(path, "utf8");
}
