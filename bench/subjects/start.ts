import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import type { LawEvent } from "@link-rewards/core/law/events";
import { emptyLaw, type Law } from "@link-rewards/core/law/law";
import { applyEvent, replay } from "@link-rewards/core/law/replay";
import { openLawSnapshots } from "../../oracle/edge/law-snapshots.ts";
import { openSqliteStore } from "../../oracle/store/sqlite.ts";
import { deployment } from "../../test/worlds/paper.ts";
import type { Case, Contestant } from "../case.ts";
import { eventsOf } from "../chronicle.ts";

const EVENTS_AT_ONCE = 50_000;

async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-bench-start-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function markOf({ position }: Pick<Law, "position">) {
  return { number: position.blockNumber, hash: ZERO_HASH };
}

const fromSnapshot: Contestant = async (size) => {
  const folder = await scratch();
  const law = replay(eventsOf(size));
  await openLawSnapshots(folder, deployment).save({ law, block: markOf(law) });
  return async () => {
    const found = await openLawSnapshots(folder, deployment).load(
      Number.MAX_SAFE_INTEGER,
      async () => true,
    );
    if (found?.law.devices.addresses.count !== size) throw new Error("not the law");
  };
};

const fromEvents: Contestant = async (size) => {
  const store = await openSqliteStore(await scratch());
  let after: ReturnType<typeof markOf> | undefined;
  let page: LawEvent[] = [];
  const append = async () => {
    const last = page.at(-1);
    if (last === undefined) return;
    const mark = markOf({ position: last });
    if (!(await store.appendEvents(after, page, mark))) throw new Error("not stored");
    after = mark;
    page = [];
  };
  for (const event of eventsOf(size)) {
    // Pages end with a block.
    if (page.length >= EVENTS_AT_ONCE && event.logIndex === 0) await append();
    page.push(event);
  }
  await append();
  return async () => {
    const law = emptyLaw();
    for await (const event of store.events(0)) applyEvent(law, event);
    if (law.devices.addresses.count !== size) throw new Error("not the law");
  };
};

export const cases: readonly Case[] = [
  {
    what: "the law when a program starts, by devices",
    unit: "ms",
    sizes: { quick: [2_000], full: [100_000, 1_000_000] },
    rounds: { quick: 1, full: 3 },
    ours: fromSnapshot,
    peers: { "replay of the stored events": { run: fromEvents } },
  },
];
