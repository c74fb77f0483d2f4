import { hexToBytes as fromHexDigits, bytesToHex as toHexDigits } from "@noble/hashes/utils.js";
import { keccak } from "./keccak.ts";

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
  return keccak.hash(bytes);
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
  return a === b || (a.length === b.length && compareBytes(a, b) === 0);
}

/** Integers pass in pieces that a number holds exactly: byte by byte, bigints would cost more than the hashing. */
const PIECE_BYTES = 6;
const PIECE_BITS = BigInt(8 * PIECE_BYTES);

/** Big-endian; throws when the value does not fit, because a silent cut would change an amount. */
export function writeUint(
  target: Uint8Array,
  offset: number,
  size: number,
  value: bigint | number,
): void {
  if (size < PIECE_BYTES && Number.isInteger(value) && value >= 0 && value < 2 ** (8 * size)) {
    writePiece(target, offset, offset + size, value as number);
    return;
  }
  let rest = BigInt(value);
  if (rest < 0n || rest >> BigInt(8 * size) !== 0n)
    throw new RangeError(`${value} does not fit ${size} bytes`);
  for (let end = offset + size; end > offset; end -= PIECE_BYTES) {
    const piece = Number(BigInt.asUintN(8 * PIECE_BYTES, rest));
    rest >>= PIECE_BITS;
    writePiece(target, Math.max(offset, end - PIECE_BYTES), end, piece);
  }
}

function writePiece(target: Uint8Array, from: number, to: number, piece: number): void {
  let rest = piece;
  for (let i = to - 1; i >= from; i--) {
    target[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

export function readUint(bytes: Uint8Array, offset: number, size: number): bigint {
  if (offset + size > bytes.length)
    throw new RangeError(`no ${size} bytes at ${offset} of ${bytes.length}`);
  let at = offset + (size % PIECE_BYTES);
  let value = BigInt(readPiece(bytes, offset, at));
  for (; at < offset + size; at += PIECE_BYTES) {
    value = (value << PIECE_BITS) | BigInt(readPiece(bytes, at, at + PIECE_BYTES));
  }
  return value;
}

function readPiece(bytes: Uint8Array, from: number, to: number): number {
  let piece = 0;
  for (let i = from; i < to; i++) piece = piece * 256 + (bytes[i] as number);
  return piece;
}
