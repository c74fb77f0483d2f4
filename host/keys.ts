import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import type { Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { inspect } from "node:util";
import {
  type Address,
  fromHex,
  type Hex,
  isHexOf,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { addressOf, addressOfPublicKey } from "@link-rewards/core/encoding/signature";
import { decryptKeystoreJson, isError, type Provider, Wallet } from "ethers";
import { nativeSignP256, publicKeyBytes } from "./p256.ts";
import { misuse } from "./program.ts";
import { loadSecp256k1, type Sign } from "./secp256k1.ts";

/** Something that signs digests: in memory here, a secure element in a device. The key itself is never handed out. */
export type DigestSigner = {
  readonly address: Address;
  /** EIP-2098, over a digest as core makes it; by a P-256 key r ‖ s over its SHA-256, with low s. */
  sign(digest: Uint8Array): Uint8Array | Promise<Uint8Array>;
};

/** A device may have either kind of key. */
export type DeviceKey = DigestSigner & {
  /** Of a P-256 key; NO_PUBLIC_KEY of a secp256k1 one. */
  readonly publicKey: Hex;
};

/** Signs with a private key that nothing it is printed, logged or serialised with can show. */
export type Signer = Omit<DeviceKey, "sign"> & {
  sign(digest: Uint8Array): Uint8Array;
  /** For sending transactions. */
  wallet(provider?: Provider): Wallet;
};

/**
 * Where a key is: an encrypted keystore as ethers, geth and others write it, with a file that has nothing but its
 * password; or a file with nothing but the key's 64 hex digits, with or without 0x. Keys come from files only: arguments
 * and environments show in process lists, histories and crash reports.
 */
export type KeyFiles = {
  readonly keystore?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly keyFile?: string | undefined;
};

/** More than any keystore has. */
const MAX_FILE_BYTES = 65_536;
/** Every permission of the file's group and of all others. */
const OTHERS = 0o077;
const KEY_BYTES = 32;
const PEM_BEGINS = "-----BEGIN";
/** OpenSSL's name of P-256. */
const P256 = "prime256v1";

export async function openSigner({ keystore, passwordFile, keyFile }: KeyFiles): Promise<Signer> {
  if (keyFile !== undefined && keystore === undefined) {
    return signerIn(keyFile, await readKey(keyFile));
  }
  if (keystore !== undefined && passwordFile !== undefined && keyFile === undefined) {
    return signerIn(keystore, await decryptKey(keystore, passwordFile));
  }
  throw misuse("give either --key-file, or --keystore with --password-file");
}

/** The key of a device: as the keys of {@link openSigner}, or P-256 where the key file is a PEM, as OpenSSL writes it. */
export async function openDeviceKey(files: KeyFiles): Promise<DeviceKey> {
  const { keyFile, keystore } = files;
  const text = keyFile && keystore === undefined ? await readSecret(keyFile) : "";
  if (keyFile !== undefined && text.includes(PEM_BEGINS)) return p256KeyOf(readPem(keyFile, text));
  return openSigner(files);
}

/** The device key of a P-256 key that is at hand. */
export function p256KeyOf(privateKey: KeyObject): Omit<Signer, "wallet"> {
  const publicKey = publicKeyBytes(createPublicKey(privateKey));
  return conceal({
    address: addressOfPublicKey(publicKey),
    publicKey: toHex(publicKey),
    sign: (digest: Uint8Array) => nativeSignP256(digest, privateKey),
  });
}

/** The signer of a key that is at hand. */
export function signerOf(privateKey: Uint8Array, sign: Sign = loadSecp256k1().sign): Signer {
  const hex = toHex(privateKey);
  return conceal({
    address: addressOf(privateKey),
    publicKey: NO_PUBLIC_KEY,
    // The key is in closures, so that no property shows it.
    sign: (digest: Uint8Array) => sign(digest, privateKey),
    wallet: (provider?: Provider) => walletOf(hex, provider ?? null),
  });
}

/** Makes a new key where there is none, readable by its owner alone; never writes over one. */
export async function createKeyFile(keyFile: string): Promise<Address> {
  const privateKey = randomBytes(KEY_BYTES);
  await writeNew(keyFile, `${toHex(privateKey)}\n`);
  return addressOf(privateKey);
}

/** As {@link createKeyFile}; the same file as `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256` writes. */
export async function createP256KeyFile(keyFile: string): Promise<DeviceKey> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: P256 });
  await writeNew(keyFile, String(privateKey.export({ type: "pkcs8", format: "pem" })));
  return p256KeyOf(privateKey);
}

async function writeNew(keyFile: string, text: string): Promise<void> {
  const file = await open(keyFile, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function readPem(keyFile: string, pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    // Thrown anew without its cause: a parser's message may quote what it was given.
    throw new Error(`${keyFile} is not a private key in PEM (PKCS#8) without a password`);
  }
  const { namedCurve } = key.asymmetricKeyDetails ?? {};
  if (namedCurve === P256) return key;
  const found = namedCurve ?? key.asymmetricKeyType;
  throw new Error(
    `${keyFile} holds a ${found} key; a PEM must hold a P-256 one, and a secp256k1 key is given as its 64 hex digits`,
  );
}

async function readKey(keyFile: string): Promise<Hex> {
  const text = (await readSecret(keyFile)).trim();
  const key = text.startsWith("0x") ? text : `0x${text}`;
  if (isHexOf(key, KEY_BYTES)) return key;
  throw new Error(`${keyFile} must hold the 64 hex digits of a private key and nothing else`);
}

async function decryptKey(keystoreFile: string, passwordFile: string): Promise<Hex> {
  const keystore = await readSecret(keystoreFile);
  // An editor ends a file with a line break, which is not a part of the password.
  const password = (await readSecret(passwordFile)).replace(/\r?\n$/, "");
  if (password === "") throw new Error(`${passwordFile} is empty; it must hold the password`);
  try {
    return (await decryptKeystoreJson(keystore, password)).privateKey as Hex;
  } catch (error) {
    // Thrown anew without its cause: a parser's message may quote what it was given.
    throw new Error(
      isError(error, "INVALID_ARGUMENT") && error.argument === "password"
        ? `the password in ${passwordFile} does not open ${keystoreFile}`
        : `${keystoreFile} is not an encrypted keystore (JSON, version 3)`,
    );
  }
}

function signerIn(file: string, key: Hex): Signer {
  try {
    return signerOf(fromHex(lowercaseHex(key)));
  } catch {
    throw new Error(`the number in ${file} is not a private key: it is zero or too large`);
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
