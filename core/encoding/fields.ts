import { type Address, fromHex, type Hex, readUint, toHex, writeUint } from "./bytes.ts";

/**
 * A struct is written once, as an `as const` table of its fields. Its static type, packed bytes, JSON parser,
 * and EIP-712 type all follow from the table.
 */
export const BYTES_OF = {
  address: 20,
  bytes32: 32,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  uint96: 12,
  uint256: 32,
  /** Not of Solidity: a count or a time that JSON carries as an exact number. */
  uint53: 8,
} as const;

export type Scalar = keyof typeof BYTES_OF;
export type ScalarField = { readonly name: string; readonly type: Scalar };
/** Printable ASCII of at most `text` bytes, as the contracts emit it. Of events only: it has no packed form and no column. */
type TextField = { readonly name: string; readonly text: number };
/** At most so many `bytes`, in hex. Of events and of what is shown only: it has no packed form and no column. */
type BytesField = { readonly name: string; readonly bytes: number };
type StructField = { readonly name: string; readonly fields: readonly Field[] };
type ListField = { readonly name: string; readonly list: readonly Field[]; readonly max: number };
export type Field = ScalarField | TextField | BytesField | StructField | ListField;

type NumberScalar = "uint8" | "uint16" | "uint32" | "uint53";
type ValueOfScalar<T> = T extends "address"
  ? Address
  : T extends "bytes32"
    ? Hex
    : T extends NumberScalar
      ? number
      : bigint;
type ValueOfField<F> = F extends { readonly type: infer T }
  ? ValueOfScalar<T>
  : F extends { readonly text: number }
    ? string
    : F extends { readonly bytes: number }
      ? Hex
      : F extends { readonly fields: infer G extends readonly Field[] }
        ? StructOf<G>
        : F extends { readonly list: infer G extends readonly Field[] }
          ? readonly StructOf<G>[]
          : never;
export type StructOf<F extends readonly Field[]> = {
  readonly [G in F[number] as G["name"]]: ValueOfField<G>;
};

type JsonOfField<F> = F extends { readonly type: infer T }
  ? ValueOfScalar<T> extends bigint
    ? string
    : ValueOfScalar<T>
  : F extends { readonly text: number }
    ? string
    : F extends { readonly bytes: number }
      ? Hex
      : F extends { readonly fields: infer G extends readonly Field[] }
        ? JsonOf<G>
        : F extends { readonly list: infer G extends readonly Field[] }
          ? readonly JsonOf<G>[]
          : never;
/** The same in JSON: integers up to 53 bits as numbers, wider ones as decimal strings. */
export type JsonOf<F extends readonly Field[]> = {
  readonly [G in F[number] as G["name"]]: JsonOfField<G>;
};

const NUMBERS: readonly Scalar[] = ["uint8", "uint16", "uint32", "uint53"] satisfies NumberScalar[];

export function isHexScalar(type: Scalar): boolean {
  return type === "address" || type === "bytes32";
}

/** Whether values of this type are numbers; wider integers are bigints. */
export function isNumberScalar(type: Scalar): boolean {
  return NUMBERS.includes(type);
}

export function byteLengthOf(fields: readonly ScalarField[]): number {
  return fields.reduce((length, field) => length + BYTES_OF[field.type], 0);
}

export function maxOf(type: Scalar): bigint {
  return type === "uint53"
    ? BigInt(Number.MAX_SAFE_INTEGER)
    : (1n << BigInt(8 * BYTES_OF[type])) - 1n;
}

/** Fields in their order, each big-endian at its own width, nothing between them. */
export function packFields<F extends readonly ScalarField[]>(
  fields: F,
  value: StructOf<F>,
): Uint8Array {
  const packed = new Uint8Array(byteLengthOf(fields));
  let offset = 0;
  for (const { name, type } of fields) {
    packScalar(packed, offset, BYTES_OF[type], type, (value as Record<string, unknown>)[name]);
    offset += BYTES_OF[type];
  }
  return packed;
}

/** Writes one value right-aligned in `size` bytes at `offset`. */
export function packScalar(
  target: Uint8Array,
  offset: number,
  size: number,
  type: Scalar,
  value: unknown,
): void {
  if (isHexScalar(type)) {
    const bytes = fromHex(value as Hex);
    if (bytes.length !== BYTES_OF[type]) throw new RangeError(`${value} is not of type ${type}`);
    target.set(bytes, offset + size - bytes.length);
    return;
  }
  if (BigInt(value as bigint) > maxOf(type)) throw new RangeError(`${value} does not fit ${type}`);
  writeUint(target, offset, size, value as bigint | number);
}

export function unpackFields<F extends readonly ScalarField[]>(
  fields: F,
  packed: Uint8Array,
): StructOf<F> {
  const expected = byteLengthOf(fields);
  if (packed.length !== expected)
    throw new RangeError(`expected ${expected} bytes, got ${packed.length}`);
  const value: Record<string, unknown> = {};
  let offset = 0;
  for (const { name, type } of fields) {
    value[name] = unpackScalar(packed, offset, type);
    offset += BYTES_OF[type];
  }
  return value as StructOf<F>;
}

function unpackScalar(packed: Uint8Array, offset: number, type: Scalar): Hex | number | bigint {
  if (isHexScalar(type)) return toHex(packed.subarray(offset, offset + BYTES_OF[type]));
  const value = readUint(packed, offset, BYTES_OF[type]);
  return isNumberScalar(type) ? Number(value) : value;
}
