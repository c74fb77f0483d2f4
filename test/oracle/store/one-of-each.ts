import { isNumberScalar, maxOf } from "@link-rewards/core/encoding/fields";
import { LAW_EVENTS, type LawEvent, type LawEventName } from "@link-rewards/core/law/events";

/** One event of every kind, with values at the ends of their ranges. Nothing a chain would ever say in this order. */
export function oneOfEach(blockNumber: number): readonly LawEvent[] {
  const names = Object.keys(LAW_EVENTS) as LawEventName[];
  return names.map((name, logIndex) => {
    const args = largest(LAW_EVENTS[name]);
    return { name, args, blockNumber, logIndex } as unknown as LawEvent;
  });
}

/** What has a meaning in JSON, in SQL, or in the arrays of PostgreSQL. */
const QUOTES = `"'\\\\{},%$1?;--\\u0000`;

type AnyField = (typeof LAW_EVENTS)[LawEventName][number];

function largest(fields: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(
    (fields as readonly AnyField[]).map((field) => {
      if ("fields" in field) return [field.name, largest(field.fields)];
      if ("text" in field) return [field.name, QUOTES.repeat(field.text).slice(0, field.text)];
      if ("bytes" in field) return [field.name, `0x${"fe".repeat(field.bytes)}`];
      if (field.type === "address") return [field.name, `0x${"fe".repeat(20)}`];
      if (field.type === "bytes32") return [field.name, `0x${"fe".repeat(32)}`];
      const max = maxOf(field.type);
      return [field.name, isNumberScalar(field.type) ? Number(max) : max];
    }),
  );
}
