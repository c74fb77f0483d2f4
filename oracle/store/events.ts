import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { BlockMark } from "@link-rewards/core/law/block";
import { eventToJson, type LawEvent, parseEvent } from "@link-rewards/core/law/events";
import { type Engine, PAGE_ROWS, type Query, type Row } from "./engine.ts";
import type { Store } from "./store.ts";

/** Events in one statement. */
const EVENTS_AT_ONCE = 100;

const GET_CURSOR = "SELECT number, hash FROM event_cursor";
const SET_CURSOR = `
  INSERT INTO event_cursor (id, number, hash) VALUES (1, ?, ?)
  ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash`;
const putEvents = (count: number) =>
  `INSERT INTO events (block_number, log_index, name, args) VALUES ${Array(count).fill("(?, ?, ?, ?)")}`;
const DROP_EVENTS = "DELETE FROM events WHERE block_number > ?";
const PAGE_OF_EVENTS = `
  SELECT * FROM events WHERE (block_number, log_index) > (?, ?)
  ORDER BY block_number, log_index LIMIT ${PAGE_ROWS}`;

export function eventTable({
  query,
  write,
  snapshot,
}: Engine): Pick<Store, "cursor" | "appendEvents" | "rollback" | "events"> {
  const cursorOf = async (q: Query) => (await q(GET_CURSOR))[0] as BlockMark | undefined;

  return {
    cursor: () => cursorOf(query),

    appendEvents: (after, events, cursor) =>
      write(async (q) => {
        const stored = await cursorOf(q);
        if (stored?.number !== after?.number || stored?.hash !== after?.hash) return false;
        // First, so that another process with the same events waits here and then sees that it was slower.
        await q(SET_CURSOR, [cursor.number, cursor.hash]);
        for (let first = 0; first < events.length; first += EVENTS_AT_ONCE) {
          const some = events.slice(first, first + EVENTS_AT_ONCE);
          await q(putEvents(some.length), some.flatMap(toColumns));
        }
        return true;
      }),

    rollback: (cursor) =>
      write(async (q) => {
        const stored = await cursorOf(q);
        if (stored === undefined || stored.number <= cursor.number) return;
        await q(DROP_EVENTS, [cursor.number]);
        await q(SET_CURSOR, [cursor.number, cursor.hash]);
      }),

    // Of one moment: pages might mix what was before a rollback with what came after.
    events: async function* (fromBlock) {
      const moment = await snapshot();
      try {
        let last = [fromBlock - 1, Number.MAX_SAFE_INTEGER];
        for (;;) {
          const rows = await moment.query(PAGE_OF_EVENTS, last);
          yield* rows.map(toEvent);
          const end = rows.at(-1);
          if (end === undefined || rows.length < PAGE_ROWS) return;
          last = [end.block_number as number, end.log_index as number];
        }
      } finally {
        await moment.end();
      }
    },
  };
}

function toColumns(event: LawEvent) {
  const { blockNumber, logIndex, name } = event;
  return [blockNumber, logIndex, name, JSON.stringify(eventToJson(event).args)];
}

function toEvent({ name, args, block_number, log_index }: Row): LawEvent {
  const position = { blockNumber: block_number, logIndex: log_index };
  const event = parseEvent({ name, args: JSON.parse(args as string), ...position });
  if (isRefused(event)) throw new Error(`a stored event cannot be read: ${event.message}`);
  return event;
}
