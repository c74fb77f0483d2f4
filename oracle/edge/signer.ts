import { type FileHandle, open } from "node:fs/promises";
import { inspect } from "node:util";
import { decryptKeystoreJson, type Provider, Wallet } from "ethers";
import { type Address, fromHex, type Hex, isHexOf, lowercaseHex } from "../core/bytes.ts";
import { addressOf, sign } from "../core/signature.ts";

/** Signs with a private key that nothing it is printed, logged or serialised with can show. */
export type Signer = {
  readonly address: Address;
  /** EIP-2098, over a digest as core makes it. */
  sign(digest: Uint8Array): Uint8Array;
  /** For sending transactions. */
  wallet(provider: Provider): Wallet;
};

/** Keys come from files only: arguments and environments show in process lists, histories and crash reports. */
export type KeySource =
  /** An encrypted keystore as ethers, geth and others write it, and a file that holds its password alone. */
  | { readonly keystoreFile: string; readonly passwordFile: string }
  /** A file with nothing but the key's 64 hex digits, with or without 0x. */
  | { readonly keyFile: string };

/** The names under which a secret might be logged, as paths for pino's `redact`. */
export const SECRET_PATHS: readonly string[] = ["key", "privateKey", "password", "mnemonic"].flatMap(
  (name) => [name, `*.${name}`, `*.*.${name}`],
);

/** More than any keystore, less than what a device file would go on giving. */
const MAX_FILE_BYTES = 65_536;
const OTHERS = 0o077;

export async function openSigner(source: KeySource): Promise<Signer> {
  return "keyFile" in source ? fromKeyFile(source.keyFile) : fromKeystore(source);
}

async function fromKeyFile(keyFile: string): Promise<Signer> {
  const text = (await readSecret(keyFile)).trim();
  const key = text.startsWith("0x") ? text : `0x${text}`;
  if (!isHexOf(key, 32)) {
    throw new Error(`${keyFile} must hold the 64 hex digits of a private key and nothing else`);
  }
  return signerOf(key, keyFile);
}

async function fromKeystore(source: {
  readonly keystoreFile: string;
  readonly passwordFile: string;
}): Promise<Signer> {
  const { keystoreFile, passwordFile } = source;
  const keystore = await readSecret(keystoreFile);
  // Editors end a file with a line break that is no part of the password.
  const password = (await readSecret(passwordFile)).replace(/\r?\n$/, "");
  let key: string;
  try {
    key = (await decryptKeystoreJson(keystore, password)).privateKey;
  } catch (error) {
    // Without its cause, which may quote what it was given.
    const isWrong = /incorrect password/.test((error as Error).message);
    throw new Error(
      isWrong
        ? `the password in ${passwordFile} does not open ${keystoreFile}`
        : `${keystoreFile} is no encrypted keystore (version 3 JSON)`,
    );
  }
  return signerOf(key as Hex, keystoreFile);
}

/** Closures hold the key, so that no property has it. */
function signerOf(key: Hex, file: string): Signer {
  const bytes = fromHex(lowercaseHex(key));
  let address: Address;
  try {
    address = addressOf(bytes);
  } catch {
    // Without its cause, which quotes the key.
    throw new Error(`${file} holds no private key: it is zero or too large`);
  }
  return conceal({
    address,
    sign: (digest: Uint8Array) => sign(digest, bytes),
    wallet: (provider: Provider) => conceal(new Wallet(key, provider)),
  });
}

/** However it is shown, it is shown as its address. */
function conceal<T extends { readonly address: string }>(holder: T): T {
  const shown = () => `Signer(${holder.address})`;
  for (const name of ["toString", "toJSON", inspect.custom]) {
    Object.defineProperty(holder, name, { value: shown });
  }
  return holder;
}

async function readSecret(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    // Of the open file and not of its name: what is checked is what is read.
    const { mode, size } = await refuseOthers(path, file);
    return await file.readFile("utf8");
  } finally {
    await file?.close();
  }
}
