import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import {
  maxOf,
  type Scalar,
  type ScalarField,
  type StructOf,
} from "@link-rewards/core/encoding/fields";
import fc from "fast-check";

/** Random structs of a field table. fast-check prints the seed of a run that fails. */
export function structs<F extends readonly ScalarField[]>(fields: F): fc.Arbitrary<StructOf<F>> {
  const entries = fields.map(({ name, type }) => [name, scalars(type)] as const);
  return fc.record(Object.fromEntries(entries)) as unknown as fc.Arbitrary<StructOf<F>>;
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
