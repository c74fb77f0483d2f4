import type { Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { inspect } from "node:util";
import { decryptKeystoreJson, isError, type Provider, Wallet } from "ethers";
import { type Address, fromHex, type Hex, isHexOf, lowercaseHex } from "../core/bytes.ts";
import { addressOf, sign as signPure } from "../core/signature.ts";

/** Signs with a private key that nothing it is printed, logged or serialised with can show. */
export type Signer = {
  readonly address: Address;
  /** EIP-2098, over a digest as core makes it. */
  sign(digest: Uint8Array): Uint8Array;
  /** For sending transactions. */
  wallet(provider: Provider): Wallet;
};

/** Keys come from files only: arguments and environments show in process lists, histories and crash reports. */
export type KeySource = KeystoreSource | KeyFileSource;

/** An encrypted keystore as ethers, geth and others write it, and a file with nothing but its password. */
type KeystoreSource = { readonly keystoreFile: string; readonly passwordFile: string };

/** A file with nothing but the key's 64 hex digits, with or without 0x. */
type KeyFileSource = { readonly keyFile: string };

/** More than any keystore has. */
const MAX_FILE_BYTES = 65_536;
/** Every permission of the file's group and of all others. */
const OTHERS = 0o077;

/** `sign`: a faster one that gives the same bytes. */
export async function openSigner(source: KeySource, sign = signPure): Promise<Signer> {
  return "keyFile" in source
    ? signerOf(await readKey(source.keyFile), source.keyFile, sign)
    : signerOf(await decryptKey(source), source.keystoreFile, sign);
}

async function readKey(keyFile: string): Promise<Hex> {
  const text = (await readSecret(keyFile)).trim();
  const key = text.startsWith("0x") ? text : `0x${text}`;
  if (isHexOf(key, 32)) return key;
  throw new Error(`${keyFile} must hold the 64 hex digits of a private key and nothing else`);
}

async function decryptKey({ keystoreFile, passwordFile }: KeystoreSource): Promise<Hex> {
  const keystore = await readSecret(keystoreFile);
  // An editor ends a file with a line break, which is no part of the password.
  const password = (await readSecret(passwordFile)).replace(/\r?\n$/, "");
  if (password === "") throw new Error(`${passwordFile} is empty; it must hold the password`);
  try {
    return (await decryptKeystoreJson(keystore, password)).privateKey as Hex;
  } catch (error) {
    // Thrown anew without its cause: a parser's message may quote what it was given.
    throw new Error(
      isError(error, "INVALID_ARGUMENT") && error.argument === "password"
        ? `the password in ${passwordFile} does not open ${keystoreFile}`
        : `${keystoreFile} is no encrypted keystore (JSON, version 3)`,
    );
  }
}

/** The key is in closures, so that no property shows it. */
function signerOf(key: Hex, file: string, sign: typeof signPure): Signer {
  const bytes = fromHex(lowercaseHex(key));
  return conceal({
    address: addressOfKey(bytes, file),
    sign: (digest: Uint8Array) => sign(digest, bytes),
    wallet: (provider: Provider) => walletOf(key, provider),
  });
}

function addressOfKey(key: Uint8Array, file: string): Address {
  try {
    return addressOf(key);
  } catch {
    throw new Error(`the number in ${file} is no private key: it is zero or too large`);
  }
}

/** One that it makes for another provider is concealed too. */
function walletOf(key: Hex, provider: Provider | null): Wallet {
  const connect = (other: Provider | null) => walletOf(key, other);
  return Object.defineProperty(conceal(new Wallet(key, provider)), "connect", { value: connect });
}

/** However it is shown, its address is all there is to see. */
function conceal<T extends { readonly address: string }>(holder: T): T {
  const shown = () => `Signer(${holder.address})`;
  for (const name of ["toString", "toJSON", inspect.custom]) {
    Object.defineProperty(holder, name, { value: shown });
  }
  return holder;
}

async function readSecret(path: string): Promise<string> {
  const file = await openToRead(path);
  try {
    // Asked of the open file and not of its name: what is checked is what is read.
    refuseUnlessPrivate(path, await file.stat());
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (cause) {
    throw new Error(`cannot read the key material: ${(cause as Error).message}`, { cause });
  }
}

function refuseUnlessPrivate(path: string, stat: Stats): void {
  if (!stat.isFile() || stat.size > MAX_FILE_BYTES) {
    throw new Error(`${path} must be a file of at most ${MAX_FILE_BYTES} bytes`);
  }
  // Windows keeps its permissions elsewhere, and always answers 0666 here.
  if (process.platform === "win32" || (stat.mode & OTHERS) === 0) return;
  const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
  throw new Error(`${path} is open to other users (mode ${mode}); run: chmod 600 ${path}`);
}
