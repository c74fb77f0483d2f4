import { keccak_256 } from "@noble/hashes/sha3.js";
import { hexToBytes as fromHexDigits, bytesToHex as toHexDigits } from "@noble/hashes/utils.js";

/** Lowercase hex with its 0x. */
export type Hex = `0x${string}`;
/** Twenty bytes, lowercase: checksummed only where a person reads it. */
export type Address = Hex;

export const ZERO_HASH: Hex = `0x${"00".repeat(32)}`;
export const ZERO_ADDRESS: Address = `0x${"00".repeat(20)}`;

const HEX_DIGITS = /^0x[0-9a-fA-F]*$/;

/** True for 0x and exactly `byteLength` bytes of hex in either case. */
export function isHexOf(value: unknown, byteLength: number): value is Hex {
  return typeof value === "string" && value.length === 2 + 2 * byteLength && HEX_DIGITS.test(value);
}

export function toHex(bytes: Uint8Array): Hex {
  return `0x${toHexDigits(bytes)}`;
}

export function fromHex(hex: Hex): Uint8Array {
  return fromHexDigits(hex.slice(2));
}

/** Any spelling of an address or hash in the one spelling used inside. */
export function lowercaseHex(hex: string): Hex {
  return hex.toLowerCase() as Hex;
}

export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Bytewise order; of two where one begins with the other, the shorter is first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Big-endian; throws when the value does not fit, because a silent cut would change an amount. */
export function writeUint(
  target: Uint8Array,
  offset: number,
  size: number,
  value: bigint | number,
): void {
  let rest = BigInt(value);
  if (rest < 0n || rest >> BigInt(8 * size) !== 0n)
    throw new RangeError(`${value} does not fit ${size} bytes`);
  for (let i = offset + size - 1; i >= offset; i--) {
    target[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

export function readUint(bytes: Uint8Array, offset: number, size: number): bigint {
  if (offset + size > bytes.length)
    throw new RangeError(`no ${size} bytes at ${offset} of ${bytes.length}`);
  let value = 0n;
  for (let i = offset; i < offset + size; i++) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
}
