import { type Hex, keccak256, toHex, utf8 } from "../encoding/bytes.ts";
import {
  BYTES_OF,
  type Field,
  isHexScalar,
  isNumberScalar,
  type Scalar,
} from "../encoding/fields.ts";
import { isPrintable } from "../encoding/json.ts";
import { type Refused, refuse } from "../encoding/refusal.ts";
import { type EventField, LAW_EVENTS, type LawEvent, type LawEventName } from "./events.ts";

/** A log as nodes give it. */
export type RawLog = {
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: number;
  readonly logIndex: number;
};

const WORD_BYTES = 32;
/** Hex digits. */
const WORD = 2 * WORD_BYTES;
const ZEROS = "0".repeat(WORD);
const WORDS = /^0x(?:[0-9a-f]{64})*$/;
const ONE_WORD = /^0x[0-9a-f]{64}$/;
/** Of a number that is not taken for another one: 2^53 - 1 has fourteen hex digits. */
const NUMBER_DIGITS = 14;

/** Where the arguments of an event stand: each in its topic, or in the words of the data. */
type Layout = {
  readonly name: LawEventName;
  readonly indexed: readonly EventField[];
  readonly inData: readonly EventField[];
  /** Words of the data before what has no fixed length. */
  readonly headWords: number;
};

const LAYOUTS: ReadonlyMap<string, Layout> = new Map(
  (Object.keys(LAW_EVENTS) as LawEventName[]).map((name) => [topicOf(name), layoutOf(name)]),
);

/** The first topic of an event's logs. */
export function topicOf(name: LawEventName): Hex {
  return toHex(keccak256(utf8(`${name}${tupleOf(LAW_EVENTS[name])}`)));
}

function tupleOf(fields: readonly EventField[]): string {
  return `(${fields.map(abiTypeOf).join(",")})`;
}

function abiTypeOf(field: EventField): string {
  if ("type" in field) return field.abi ?? field.type;
  if ("text" in field) return "string";
  if ("bytes" in field) return "bytes";
  if ("fields" in field) return tupleOf(field.fields);
  throw new TypeError(`${field.name} is a list, which no event has`);
}

function layoutOf(name: LawEventName): Layout {
  const fields: readonly EventField[] = LAW_EVENTS[name];
  const inData = fields.filter(({ indexed }) => !indexed);
  const headWords = inData.reduce((words, field) => words + wordsOf(field), 0);
  return { name, indexed: fields.filter(({ indexed }) => indexed), inData, headWords };
}

function wordsOf(field: Field): number {
  return "fields" in field ? field.fields.reduce((words, each) => words + wordsOf(each), 0) : 1;
}

/**
 * A log as the event the law is replayed from; undefined when it is none of those. By the fixed layout of each event, since
 * a general ABI decoder takes a hundred times as long, and a million devices are millions of events. As strict as the
 * contracts' own encoder: whatever it would not write is refused.
 */
export function decodeLog(log: RawLog): LawEvent | Refused | undefined {
  const { topics, blockNumber, logIndex } = log;
  const layout = LAYOUTS.get((topics[0] ?? "").toLowerCase());
  if (layout === undefined) return undefined;
  const { name, indexed, inData, headWords } = layout;
  if (topics.length !== 1 + indexed.length)
    return malformed(name, `${topics.length} topics in place of ${1 + indexed.length}`);
  const args: Record<string, unknown> = {};
  for (const [i, field] of indexed.entries()) {
    const topic = (topics[i + 1] as string).toLowerCase();
    const value = ONE_WORD.test(topic) ? scalarAt(topic, 2, scalarOf(field)) : undefined;
    if (value === undefined) return malformed(name, `topic ${i + 1} is no ${nameOf(field)}`);
    args[field.name] = value;
  }
  const data = log.data.toLowerCase();
  if (!WORDS.test(data)) return malformed(name, "its data are not whole words in hex");
  if (data.length < 2 + headWords * WORD)
    return malformed(name, `${(data.length - 2) / WORD} words of data, of at least ${headWords}`);
  const place = { head: 2, tail: 2 + headWords * WORD };
  const wrong = readInto(args, inData, data, place);
  if (wrong !== undefined) return malformed(name, wrong);
  if (place.tail !== data.length)
    return malformed(name, `${(data.length - place.tail) / WORD} words of data too many`);
  return { name, args, blockNumber, logIndex } as unknown as LawEvent;
}

function malformed(name: LawEventName, says: string): Refused {
  return refuse("malformed", `a log of ${name} that its contract would not write: ${says}`);
}

/** Where the next fixed word is, and where the next part without a fixed length must be. */
type Place = { head: number; tail: number };

/** What is wrong, if anything is. */
function readInto(
  args: Record<string, unknown>,
  fields: readonly Field[],
  data: string,
  place: Place,
): string | undefined {
  for (const field of fields) {
    if ("fields" in field) {
      const struct: Record<string, unknown> = {};
      args[field.name] = struct;
      const wrong = readInto(struct, field.fields, data, place);
      if (wrong !== undefined) return wrong;
      continue;
    }
    const value =
      "type" in field ? scalarAt(data, place.head, field.type) : tailAt(field, data, place);
    if (value === undefined) return `its data have no ${nameOf(field)}`;
    args[field.name] = value;
    place.head += WORD;
  }
  return undefined;
}

/** Undefined for what does not fit the type. `at` is where the word's digits begin. */
function scalarAt(hex: string, at: number, type: Scalar): Hex | number | bigint | undefined {
  const end = at + WORD;
  const digits = 2 * BYTES_OF[type];
  const from = end - digits;
  if (from > at && !hex.startsWith(ZEROS.slice(0, from - at), at)) return undefined;
  if (isHexScalar(type)) return `0x${hex.slice(from, end)}`;
  if (!isNumberScalar(type)) return BigInt(`0x${hex.slice(from, end)}`);
  const low = Math.max(from, end - NUMBER_DIGITS);
  if (low > from && !hex.startsWith(ZEROS.slice(0, low - from), from)) return undefined;
  const value = Number.parseInt(hex.slice(low, end), 16);
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** A text or bytes: their offset in the head, and where that leads their length and themselves, filled up with zeros. */
function tailAt(field: Field, data: string, place: Place): string | undefined {
  const offset = scalarAt(data, place.head, "uint53") as number | undefined;
  if (offset !== (place.tail - 2) / 2 || place.tail + WORD > data.length) return undefined;
  const length = scalarAt(data, place.tail, "uint53") as number | undefined;
  if (length === undefined || length > maxBytesOf(field)) return undefined;
  const from = place.tail + WORD;
  const end = from + 2 * length;
  const paddedEnd = from + Math.ceil(length / WORD_BYTES) * WORD;
  if (paddedEnd > data.length || !data.startsWith(ZEROS.slice(0, paddedEnd - end), end))
    return undefined;
  place.tail = paddedEnd;
  const digits = data.slice(from, end);
  return "text" in field ? textOf(digits) : `0x${digits}`;
}

function maxBytesOf(field: Field): number {
  if ("text" in field) return field.text;
  return "bytes" in field ? field.bytes : 0;
}

/** The contracts take no other text than printable ASCII, of which each byte is a character. */
function textOf(digits: string): string | undefined {
  let text = "";
  for (let i = 0; i < digits.length; i += 2)
    text += String.fromCharCode(Number.parseInt(digits.slice(i, i + 2), 16));
  return isPrintable(text) ? text : undefined;
}

function scalarOf(field: EventField): Scalar {
  if ("type" in field) return field.type;
  throw new TypeError(`${field.name} is indexed and is no scalar`);
}

/** As a person reads it: what it is, and what it must be. */
function nameOf(field: EventField): string {
  if ("text" in field) return `${field.name}, at most ${field.text} characters of printable ASCII`;
  if ("bytes" in field) return `${field.name}, at most ${field.bytes} bytes`;
  return `${field.name} of type ${abiTypeOf(field)}`;
}
