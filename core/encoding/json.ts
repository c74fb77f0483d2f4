import { type Hex, isHexOf, lowercaseHex } from "./bytes.ts";
import {
  BYTES_OF,
  type Field,
  isHexScalar,
  isNumberScalar,
  type JsonOf,
  maxOf,
  type Scalar,
  type StructOf,
} from "./fields.ts";
import { isRefused, type Refused, refuse } from "./refusal.ts";

/** Up to the 78 digits of a uint256, in its one spelling. */
const DECIMAL = /^(0|[1-9][0-9]{0,77})$/;
const HEX_BYTES = /^0x([0-9a-fA-F]{2})*$/;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** Unknown JSON in, the struct out, or a refusal that names the field, what is wrong and the bound. */
export function parseFields<F extends readonly Field[]>(
  fields: F,
  input: unknown,
  where: string,
): StructOf<F> | Refused {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return refuse("malformed", `${where} must be an object`);
  }
  const stranger = Object.keys(input).find((key) => !fields.some((field) => field.name === key));
  if (stranger !== undefined) {
    return refuse(
      "malformed",
      `${where} has an unknown field ${JSON.stringify(stranger.slice(0, 40))}`,
    );
  }
  const value: Record<string, unknown> = {};
  for (const field of fields) {
    const parsed = parseField(
      field,
      (input as Record<string, unknown>)[field.name],
      `${where}.${field.name}`,
    );
    if (isRefused(parsed)) return parsed;
    value[field.name] = parsed;
  }
  return value as StructOf<F>;
}

function parseField(field: Field, input: unknown, where: string): unknown {
  if ("type" in field) return parseScalar(field.type, input, where);
  if ("text" in field) return parseText(field.text, input, where);
  if ("bytes" in field) return parseBytes(field.bytes, input, where);
  if ("fields" in field) return parseFields(field.fields, input, where);
  if (!Array.isArray(input) || input.length > field.max) {
    return refuse("malformed", `${where} must be a list of at most ${field.max}`);
  }
  const items: unknown[] = [];
  for (const [i, item] of input.entries()) {
    const parsed = parseFields(field.list, item, `${where}[${i}]`);
    if (isRefused(parsed)) return parsed;
    items.push(parsed);
  }
  return items;
}

function parseScalar(type: Scalar, input: unknown, where: string): Hex | number | bigint | Refused {
  if (isHexScalar(type)) {
    if (isHexOf(input, BYTES_OF[type])) return lowercaseHex(input);
    return refuse("malformed", `${where} must be 0x and ${2 * BYTES_OF[type]} hex digits`);
  }
  const max = maxOf(type);
  if (isNumberScalar(type)) {
    if (typeof input === "number" && Number.isInteger(input) && input >= 0 && input <= Number(max))
      return input;
    return refuse("malformed", `${where} must be a whole number from 0 to ${max}`);
  }
  if (typeof input === "string" && DECIMAL.test(input) && BigInt(input) <= max)
    return BigInt(input);
  return refuse("malformed", `${where} must be a decimal string from "0" to "${max}"`);
}

export function isPrintable(text: string): boolean {
  return PRINTABLE_ASCII.test(text);
}

/** Each character is one byte of UTF-8, so its length is its bytes. */
function parseText(maxBytes: number, input: unknown, where: string): string | Refused {
  if (typeof input === "string" && input.length <= maxBytes && isPrintable(input)) return input;
  return refuse("malformed", `${where} must be at most ${maxBytes} characters of printable ASCII`);
}

function parseBytes(maxBytes: number, input: unknown, where: string): Hex | Refused {
  if (typeof input === "string" && input.length <= 2 + 2 * maxBytes && HEX_BYTES.test(input))
    return lowercaseHex(input);
  return refuse("malformed", `${where} must be 0x and at most ${maxBytes} bytes of hex digits`);
}

/** JSON in the same shape: integers up to 53 bits as numbers, wider ones as decimal strings. */
export function fieldsToJson<F extends readonly Field[]>(fields: F, value: StructOf<F>): JsonOf<F> {
  const json: Record<string, unknown> = {};
  for (const field of fields)
    json[field.name] = fieldToJson(field, (value as Record<string, unknown>)[field.name]);
  return json as JsonOf<F>;
}

function fieldToJson(field: Field, value: unknown): unknown {
  if ("type" in field) return typeof value === "bigint" ? value.toString() : value;
  if ("text" in field || "bytes" in field) return value;
  if ("fields" in field) return fieldsToJson(field.fields, value as StructOf<readonly Field[]>);
  return (value as readonly StructOf<readonly Field[]>[]).map((item) =>
    fieldsToJson(field.list, item),
  );
}
