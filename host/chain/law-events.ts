import { type ChainLog, readLogs } from "@link-rewards/client/node/logs";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { decodeLog } from "@link-rewards/core/law/decode-log";
import { EMITTER_OF, type Emitter, type LawEvent } from "@link-rewards/core/law/events";
import type { Law } from "@link-rewards/core/law/law";
import type { Contracts } from "@link-rewards/core/signed/deployment";
import { isError, type JsonRpcProvider } from "ethers";
import { isPruned } from "./errors.ts";
import type { Suite } from "./suite.ts";

/** How many law events of each contract are known. */
export type Revisions = Law["revisions"];

/** `through`: the last block whose events are given. */
export type EventPage = { readonly events: readonly LawEvent[]; readonly through: number };

/** The node's answer about events is not all there is, as that of a node that lags behind: wrong now, not for ever. */
export type IncompleteEvents = Error & { readonly incompleteEvents: true };

export function isIncompleteEvents(error: unknown): error is IncompleteEvents {
  return error instanceof Error && "incompleteEvents" in error;
}

type Connected = {
  readonly provider: JsonRpcProvider;
  readonly suite: Suite;
  readonly contracts: Contracts;
};

export async function* readEvents(
  connected: Connected,
  from: number,
  to: number,
  known: Revisions,
): AsyncIterable<EventPage> {
  const counted = { ...known };
  for await (const page of readLawEvents(connected, from, to)) {
    countEvents(counted, page.events);
    // Before the last page is given: whoever stores it has then stored a history with nothing left out.
    if (page.through === to) await requireAll(connected, counted, to);
    yield page;
  }
  // Also what was read before, by whomever.
  if (from > to) await requireAll(connected, counted, to);
}

async function* readLawEvents(
  { provider, contracts }: Connected,
  from: number,
  to: number,
): AsyncIterable<EventPage> {
  const address = [...new Set(Object.values(EMITTER_OF))].map((emitter) => contracts[emitter]);
  for await (const { logs, through } of readLogs(provider, { address }, from, to))
    yield {
      events: logs.map((log) => toLawEvent(log, contracts)).filter((event) => event !== undefined),
      through,
    };
}

function countEvents(counted: Revisions, events: readonly LawEvent[]): void {
  for (const { name, args, blockNumber } of events) {
    const emitter = EMITTER_OF[name];
    const expected = counted[emitter] + 1;
    if (args.revision !== expected) {
      const found = `${name} in block ${blockNumber} is number ${args.revision}`;
      throw incomplete(emitter, `expected number ${expected}, found that ${found}`);
    }
    counted[emitter] = expected;
  }
}

/** Each contract says how many events there are: an empty answer of a node that lags behind does not pass for all. */
async function requireAll(connected: Connected, counted: Revisions, block: number): Promise<void> {
  let [said, found, at] = [await revisionsAt(connected.suite, block), counted, block];
  if (said === undefined) {
    // Full nodes keep the state of the newest blocks only: what happened since is counted with it there.
    at = await connected.provider.getBlockNumber();
    found = { ...counted };
    for await (const { events } of readLawEvents(connected, block + 1, at))
      countEvents(found, events);
    said = await revisionsAt(connected.suite, at);
  }
  if (said === undefined) throw new Error(`the RPC node has no state of its own block ${at}`);
  for (const emitter of Object.keys(said) as Emitter[]) {
    if (said[emitter] === found[emitter]) continue;
    const expected = `expected ${said[emitter]}, its revision at block ${at}`;
    throw incomplete(emitter, `${expected}, found ${found[emitter]}`);
  }
}

function incomplete(emitter: Emitter, message: string): IncompleteEvents {
  const contract = `${emitter.charAt(0).toUpperCase()}${emitter.slice(1)}`;
  return Object.assign(
    new Error(
      `the RPC node did not give all events of ${contract}: ${message}; ask again later, or another node`,
    ),
    { incompleteEvents: true as const },
  );
}

/** Undefined when the node has no state of that block any more. */
async function revisionsAt(suite: Suite, block: number): Promise<Revisions | undefined> {
  const revisionOf = async (contract: {
    revision(overrides: { blockTag: number }): Promise<bigint>;
  }) => {
    try {
      return Number(await contract.revision({ blockTag: block }));
    } catch (error) {
      // Nothing is at the address yet.
      if (isError(error, "BAD_DATA") && error.value === "0x") return 0;
      throw error;
    }
  };
  try {
    const [deviceRegistry, rewardProgramme, customerEscrow, epochLedger, oracleQuorum] =
      await Promise.all(
        [suite.registry, suite.programme, suite.escrow, suite.ledger, suite.quorum].map(revisionOf),
      );
    return {
      deviceRegistry,
      rewardProgramme,
      customerEscrow,
      epochLedger,
      oracleQuorum,
    } as Revisions;
  } catch (error) {
    if (isPruned(error)) return undefined;
    throw error;
  }
}

/** A node may answer anything, and no database takes everything: what a contract would not have written is refused. */
function toLawEvent(log: ChainLog, contracts: Contracts): LawEvent | undefined {
  const { blockNumber, logIndex } = log;
  const event = decodeLog(log);
  if (event === undefined) return undefined;
  const refused = (says: string) =>
    new Error(`the RPC node's log ${logIndex} of block ${blockNumber}: ${says}; use another node`);
  if (isRefused(event)) throw refused(event.message);
  const address = contracts[EMITTER_OF[event.name]];
  if (log.address !== address)
    throw refused(`${event.name} of ${log.address}, which only ${address} is asked for`);
  return event;
}
