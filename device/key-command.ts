import { spawn } from "node:child_process";
import { createPublicKey, type KeyObject } from "node:crypto";
import { type Address, fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY, withLowS } from "@link-rewards/core/encoding/p256";
import { addressOfPublicKey, SIGNATURE_BYTES } from "@link-rewards/core/encoding/signature";
import type { DeviceKey } from "@link-rewards/host/keys";
import { nativeVerifyP256, publicKeyBytes } from "@link-rewards/host/p256";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";

/**
 * A key that never comes here: in a TPM, a secure element, another process. A program is run for each thing that is asked,
 * with one word more than the arguments that the owner gave:
 *
 *     public-key   writes its public key, as SubjectPublicKeyInfo in PEM or DER
 *     sign         reads 32 bytes, the digest, and writes the signature, as DER or as the 64 bytes r ‖ s
 *
 * A P-256 key signs the SHA-256 of these 32 bytes ("ECDSA with SHA-256"), a secp256k1 key the 32 bytes as they are. Low s,
 * and of secp256k1 the parity, are found here.
 */
export type KeyCommand = {
  readonly program: string;
  readonly arguments: readonly string[];
};

/** A TPM takes up to a second or two; a gateway waits 20 s for its greeting. */
const TIMEOUT_MS = 10_000;
/** More than any public key or signature has. */
const MAX_OUTPUT_BYTES = 4_096;
/** Of what it says on stderr, for the message. */
const SHOWN_CHARACTERS = 300;

const DIGEST_BYTES = 32;
/** How OpenSSL calls them. */
const P256 = "prime256v1";
const SECP256K1 = "secp256k1";

const S_OFFSET = 32;
const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const secp256k1 = loadSecp256k1();

/** The key of a command. Its public key is asked for once; each signature is checked with it before it is used. */
export async function openKeyCommand(
  command: KeyCommand,
  timeoutMilliseconds = TIMEOUT_MS,
): Promise<DeviceKey> {
  const ask = (word: string, input?: Uint8Array) => run(command, word, input, timeoutMilliseconds);
  const key = publicKeyIn(command, await ask("public-key"));
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve !== P256 && curve !== SECP256K1) {
    const kind = curve ?? key.asymmetricKeyType;
    throw failed(command, `its key is ${kind}; a device's is P-256 or secp256k1`);
  }
  const point = curve === P256 ? publicKeyBytes(key) : secp256k1Point(key);
  const address = addressOfPublicKey(point);
  const publicKey = curve === P256 ? toHex(point) : NO_PUBLIC_KEY;
  let last: Promise<unknown> = Promise.resolve();

  async function signOnce(digest: Uint8Array): Promise<Uint8Array> {
    const said = await ask("sign", digest);
    const plain = plainSignature(said);
    if (plain === undefined)
      throw failed(command, `it wrote ${said.length} bytes that are no signature`);
    const signature =
      curve === P256 ? checkedP256(digest, plain, publicKey) : withParity(digest, plain, address);
    if (signature !== undefined) return signature;
    throw failed(command, `its signature is not by the key of ${address}`);
  }

  return {
    address,
    publicKey,
    sign(digest) {
      if (digest.length !== DIGEST_BYTES) throw new RangeError("a digest has 32 bytes");
      // A secure element does one thing at a time.
      const signed = last.then(() => signOnce(digest));
      last = signed.catch(() => undefined);
      return signed;
    },
  };
}

/** What it wrote, when it ended well and in time. It gets no shell: arguments stay what they are. */
function run(
  command: KeyCommand,
  word: string,
  input: Uint8Array | undefined,
  timeoutMilliseconds: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.program, [...command.arguments, word], {
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own, so that what a script has started ends with it.
      detached: process.platform !== "win32",
    });
    const written: Buffer[] = [];
    let bytes = 0;
    let complaint = "";
    const end = (reason: string) => {
      clearTimeout(late);
      kill(child.pid);
      reject(failed(command, `${word}: ${reason}`));
    };
    const late = setTimeout(
      () => end(`no answer within ${timeoutMilliseconds} ms`),
      timeoutMilliseconds,
    );
    child.once("error", (error) => end(error.message));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.stderr.on("data", (piece: Buffer) => {
      if (complaint.length < SHOWN_CHARACTERS) complaint += piece.toString();
    });
    child.stdout.on("data", (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > MAX_OUTPUT_BYTES) end(`it wrote more than ${MAX_OUTPUT_BYTES} bytes`);
      else written.push(piece);
    });
    child.once("close", (code, signal) => {
      clearTimeout(late);
      if (code === 0) return resolve(Buffer.concat(written));
      const how = signal === null ? `ended with ${code}` : `was ended by ${signal}`;
      const [said = ""] = complaint.trim().slice(0, SHOWN_CHARACTERS).split("\n");
      reject(failed(command, `${word}: it ${how}${said === "" ? "" : `: ${said}`}`));
    });
  });
}

function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

function failed({ program }: KeyCommand, reason: string): Error {
  return new Error(`the key command ${program}: ${reason}`);
}

function publicKeyIn(command: KeyCommand, said: Buffer): KeyObject {
  try {
    return said.includes("-----BEGIN")
      ? createPublicKey(said)
      : createPublicKey({ key: said, format: "der", type: "spki" });
  } catch {
    // Thrown anew without its cause: a command that writes a private key must not have it in a log.
    throw failed(command, "public-key: what it wrote is no public key in PEM or DER");
  }
}

/** x ‖ y. */
function secp256k1Point(key: KeyObject): Uint8Array {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  return Buffer.concat([Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
}

function checkedP256(
  digest: Uint8Array,
  plain: Uint8Array,
  publicKey: Hex,
): Uint8Array | undefined {
  const signature = withLowS(plain);
  return nativeVerifyP256(digest, signature, publicKey) ? signature : undefined;
}

/** EIP-2098: of the two points that r may stand for, the one that leads to the key. */
function withParity(
  digest: Uint8Array,
  plain: Uint8Array,
  address: Address,
): Uint8Array | undefined {
  const s = BigInt(toHex(plain.subarray(S_OFFSET)));
  const low = 2n * s > SECP256K1_ORDER ? SECP256K1_ORDER - s : s;
  if (low < 0n) return undefined;
  for (const parity of [0n, 1n]) {
    const tail = (low | (parity << 255n)).toString(16).padStart(64, "0");
    const signature = Buffer.concat([plain.subarray(0, S_OFFSET), fromHex(`0x${tail}`)]);
    if (secp256k1.recover(digest, signature) === address) return new Uint8Array(signature);
  }
  return undefined;
}

/** r ‖ s, out of either form; undefined when it is neither. */
function plainSignature(said: Uint8Array): Uint8Array | undefined {
  if (said.length === SIGNATURE_BYTES) return new Uint8Array(said);
  const plain = new Uint8Array(SIGNATURE_BYTES);
  // SEQUENCE { INTEGER r, INTEGER s }, each of up to 33 bytes: every length is one byte.
  if (said[0] !== 0x30 || said[1] !== said.length - 2) return undefined;
  let at = 2;
  for (const end of [S_OFFSET, SIGNATURE_BYTES]) {
    const length = said[at + 1] ?? 0;
    if (said[at] !== 0x02 || length === 0) return undefined;
    const number = said.subarray(at + 2, at + 2 + length);
    if (number.length !== length) return undefined;
    const digits = number[0] === 0 ? number.subarray(1) : number;
    if (digits.length > S_OFFSET) return undefined;
    plain.set(digits, end - digits.length);
    at += 2 + length;
  }
  return at === said.length ? plain : undefined;
}
