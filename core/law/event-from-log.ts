import { lowercaseHex } from "../encoding/bytes.ts";
import { type Field, isHexScalar, isNumberScalar, type StructOf } from "../encoding/fields.ts";
import { LAW_EVENTS, type LawEvent, type LawEventName } from "./events.ts";

type Decoded = { readonly [name: string]: unknown };

/** What an ABI decoder gives (every integer a bigint, addresses checksummed) in the types used inside. */
function fieldsFromAbi<F extends readonly Field[]>(fields: F, decoded: Decoded): StructOf<F> {
  const value: Record<string, unknown> = {};
  for (const field of fields) value[field.name] = fieldFromAbi(field, decoded[field.name]);
  return value as StructOf<F>;
}

function fieldFromAbi(field: Field, decoded: unknown): unknown {
  if ("text" in field) return decoded;
  if ("bytes" in field) return lowercaseHex(decoded as string);
  if ("fields" in field) return fieldsFromAbi(field.fields, decoded as Decoded);
  if ("list" in field) {
    return (decoded as readonly Decoded[]).map((item) => fieldsFromAbi(field.list, item));
  }
  if (isHexScalar(field.type)) return lowercaseHex(decoded as string);
  return isNumberScalar(field.type) ? Number(decoded) : BigInt(decoded as bigint);
}

/** A decoded log as the event the law is replayed from. */
export function eventFromLog(
  name: LawEventName,
  decoded: Decoded,
  blockNumber: number,
  logIndex: number,
): LawEvent {
  const fields: readonly Field[] = LAW_EVENTS[name];
  return {
    name,
    args: fieldsFromAbi(fields, decoded),
    blockNumber,
    logIndex,
  } as unknown as LawEvent;
}
