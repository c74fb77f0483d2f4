import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { type Field, maxOf, type Scalar, type StructOf } from "@link-rewards/core/encoding/fields";
import fc from "fast-check";

/** Random structs of a field table. fast-check prints the seed of a run that fails. */
export function structs<F extends readonly Field[]>(fields: F): fc.Arbitrary<StructOf<F>> {
  const entries = fields.map((field) => [field.name, valuesOf(field)] as const);
  return fc.record(Object.fromEntries(entries)) as unknown as fc.Arbitrary<StructOf<F>>;
}

function valuesOf(field: Field): fc.Arbitrary<unknown> {
  if ("type" in field) return scalars(field.type);
  if ("text" in field) return fc.string({ unit: "grapheme-ascii", maxLength: field.text });
  if ("bytes" in field) return fc.uint8Array({ maxLength: field.bytes }).map(toHex);
  if ("fields" in field) return structs(field.fields);
  return fc.array(structs(field.list), { maxLength: field.max });
}

function scalars(type: Scalar): fc.Arbitrary<Hex | number | bigint> {
  if (type === "address") return hexes(20);
  if (type === "bytes32") return hexes(32);
  const max = maxOf(type);
  if (max <= BigInt(Number.MAX_SAFE_INTEGER)) return fc.nat({ max: Number(max) });
  return fc.bigInt({ min: 0n, max });
}

export function hexes(length: number): fc.Arbitrary<Hex> {
  return fc.uint8Array({ minLength: length, maxLength: length }).map(toHex);
}
