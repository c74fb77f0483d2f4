import { type ChainLog, type LogFilter, readLogs } from "@link-rewards/client/node/logs";
import type { Hex } from "@link-rewards/core/encoding/bytes";
import { del, get, keys, set } from "idb-keyval";
import type { Request } from "./rpc.ts";

/** The newest ones may still be undone: they are read anew each time. */
const UNSETTLED_BLOCKS = 64;

/** All logs up to a block, which is known by its hash. */
type Kept = { readonly through: number; readonly hash: Hex; readonly logs: readonly ChainLog[] };

/**
 * Reads the logs of a filter since the deployment, and keeps them in the browser: the next look goes on where this one ended.
 * `scope` names the deployment and the nodes: what one said is not taken for another's word.
 */
export function keepLogs(ask: Request, scope: string, startBlock: number) {
  const inMemory = new Map<string, Kept>();
  const node = { send: ask };
  const prefix = `link-rewards.logs ${scope} `;
  const hashOf = async (number: number) => {
    const block = await ask<{ hash: Hex } | null>("eth_getBlockByNumber", [hex(number), false]);
    return block?.hash;
  };

  async function read(filter: LogFilter): Promise<readonly ChainLog[]> {
    const key = `${prefix}${JSON.stringify(filter)}`;
    const before = inMemory.get(key) ?? (await kept(key));
    const [head, hash] = await Promise.all([
      ask<Hex>("eth_blockNumber").then(Number),
      before && hashOf(before.through),
    ]);
    // On a chain that has another block there all is read again.
    const settled = before !== undefined && before.hash === hash ? before : undefined;
    const logs: ChainLog[] = [...(settled?.logs ?? [])];
    const from = settled === undefined ? startBlock : settled.through + 1;
    for await (const page of readLogs(node, filter, from, head)) logs.push(...page.logs);
    await keep(key, logs, head - UNSETTLED_BLOCKS, from);
    return logs;
  }

  async function keep(key: string, logs: readonly ChainLog[], through: number, from: number) {
    if (through < from) return;
    const hash = await hashOf(through);
    if (hash === undefined) return;
    const some = { through, hash, logs: logs.filter(({ blockNumber }) => blockNumber <= through) };
    inMemory.set(key, some);
    // Storage may be forbidden or full: the page then reads it all again the next time.
    await set(key, some).catch(() => undefined);
  }

  async function forget(): Promise<void> {
    inMemory.clear();
    const all = await keys().catch(() => []);
    for (const key of all) if (String(key).startsWith(prefix)) await del(key);
  }

  return { read, forget };
}

async function kept(key: string): Promise<Kept | undefined> {
  return get<Kept>(key).catch(() => undefined);
}

function hex(number: number): Hex {
  return `0x${number.toString(16)}`;
}
