import { type Address, toHex } from "../encoding/bytes.ts";
import { BYTES_OF } from "../encoding/fields.ts";

const ADDRESS_BYTES = BYTES_OF.address;
const HEX_LENGTH = 2 + 2 * ADDRESS_BYTES;
/** A byte table and not a million strings: about 30 bytes an address where a Map of strings takes 150. */
const FIRST_SLOTS = 16;
/** Of the slots; beyond, looking past taken ones takes longer than memory is worth. */
const MOST_FULL = 0.75;

/**
 * Addresses in the order in which they came, each once, and their numbers by open addressing over the packed bytes. Whoever
 * has a device enrolled chooses an account's address freely, so `multipliers` come from chance: nobody can then choose many
 * that fall into one place.
 */
export type Addresses = {
  count: number;
  /** 20 bytes each, with room for more. */
  bytes: Uint8Array;
  /** A number plus one, or 0: free. As many as a power of two. */
  slots: Uint32Array;
  readonly multipliers: Uint32Array;
};

/** `seed`: 32 bits of chance, or anything where nobody would attack. */
export function emptyAddresses(seed: number): Addresses {
  const multipliers = Uint32Array.from({ length: ADDRESS_BYTES / 2 }, (_, i) => mixed(seed, i) | 1);
  return { count: 0, bytes: new Uint8Array(), slots: new Uint32Array(FIRST_SLOTS), multipliers };
}

/** Undefined for one that is not in it. */
export function numberOf(table: Addresses, address: Address): number | undefined {
  if (address.length !== HEX_LENGTH) return undefined;
  readHex(address);
  const number = table.slots[slotOf(table, KEY, 0)] as number;
  return number === 0 ? undefined : number - 1;
}

export function addressAt(table: Addresses, number: number): Address {
  if (number >= table.count) throw new RangeError(`no address ${number} of ${table.count}`);
  return toHex(table.bytes.subarray(number * ADDRESS_BYTES, (number + 1) * ADDRESS_BYTES));
}

/** Its number, and whether it was there already. */
export function addAddress(table: Addresses, address: Address): { number: number; known: boolean } {
  if (address.length !== HEX_LENGTH) throw new RangeError(`${address} is no address`);
  readHex(address);
  const slot = slotOf(table, KEY, 0);
  const taken = table.slots[slot] as number;
  if (taken !== 0) return { number: taken - 1, known: true };
  const number = table.count;
  table.bytes = withRoom(table.bytes, (number + 1) * ADDRESS_BYTES);
  table.bytes.set(KEY, number * ADDRESS_BYTES);
  table.count = number + 1;
  table.slots[slot] = table.count;
  if (table.count > table.slots.length * MOST_FULL) refill(table);
  return { number, known: false };
}

/** Of a column that grows: half as much again each time, so that it is copied seldom and little of it is empty. */
export function withRoom<T extends Uint8Array | Uint32Array>(column: T, length: number): T {
  if (length <= column.length) return column;
  const Column = column.constructor as new (length: number) => T;
  const grown = new Column(Math.max(length, column.length + (column.length >>> 1) + 64));
  grown.set(column);
  return grown;
}

function refill(table: Addresses): void {
  table.slots = new Uint32Array(slotsFor(table.count));
  for (let number = 0; number < table.count; number++)
    table.slots[slotOf(table, table.bytes, number * ADDRESS_BYTES)] = number + 1;
}

function slotsFor(count: number): number {
  let slots = FIRST_SLOTS;
  while (count * 1.5 > slots * MOST_FULL) slots *= 2;
  return slots;
}

/** Where the address is, or would be. */
function slotOf({ bytes, slots, multipliers }: Addresses, key: Uint8Array, from: number): number {
  let sum = 0;
  for (let i = 0; i < ADDRESS_BYTES; i += 2) {
    const pair = ((key[from + i] as number) << 8) | (key[from + i + 1] as number);
    sum = (sum + Math.imul(multipliers[i >> 1] as number, pair)) | 0;
  }
  const mask = slots.length - 1;
  // The upper bits are those that depend on all of a product.
  let slot = (sum >>> (Math.clz32(mask) & 31)) & mask;
  for (;;) {
    const number = slots[slot] as number;
    if (number === 0 || isAt(bytes, (number - 1) * ADDRESS_BYTES, key, from)) return slot;
    slot = (slot + 1) & mask;
  }
}

function isAt(bytes: Uint8Array, at: number, key: Uint8Array, from: number): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (bytes[at + i] !== key[from + i]) return false;
  return true;
}

/** What is looked for: one at a time, so that looking makes no garbage. */
const KEY = new Uint8Array(ADDRESS_BYTES);
const DIGITS = new Uint8Array(128);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  DIGITS[digit.charCodeAt(0)] = value;
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

function readHex(address: Address): void {
  for (let i = 0; i < ADDRESS_BYTES; i++) {
    const high = DIGITS[address.charCodeAt(2 + 2 * i)] as number;
    KEY[i] = (high << 4) | (DIGITS[address.charCodeAt(3 + 2 * i)] as number);
  }
}

/** The finalizer of MurmurHash3: each bit of the result depends on all of the input. */
function mixed(seed: number, i: number): number {
  let h = (seed + Math.imul(i + 1, 0x9e3779b9)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
