import { fromHex, type Hex, keccak256, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { recordAt } from "@link-rewards/core/epoch/records";
import { MerkleTree } from "merkletreejs";
import { Piscina } from "piscina";

/** Leaves of one tree of merkletreejs: its objects for a million at once would fill the memory. */
const LEAVES_AT_ONCE = 65_536;
/** Fewer are done here before a thread has begun. */
const LEAVES_WORTH_A_THREAD = 4_096;
const IDLE_MS = 5_000;
const EMPTY_LEAF = Buffer.alloc(32);

/** Hashed records, and empty leaves after them. */
type Leaves = {
  readonly records: Uint8Array;
  readonly recordBytes: number;
  readonly padding: number;
};

/**
 * The root over fixed-size records by merkletreejs, which shares no code with core/encoding/tree.ts. On a thread of its own where
 * it takes long, beside those that check signatures. Bytes after the last whole record are left out.
 */
export async function secondRoot(file: Uint8Array, recordBytes: number): Promise<Hex> {
  const count = Math.floor(file.length / recordBytes);
  if (count === 0) return ZERO_HASH;
  // Copied: a view would go to the thread with all that it is a view of.
  const recordsFrom = (first: number) =>
    file.slice(first * recordBytes, Math.min(count, first + LEAVES_AT_ONCE) * recordBytes);
  if (count <= LEAVES_AT_ONCE) {
    const all = { records: recordsFrom(0), recordBytes, padding: 0 };
    return count < LEAVES_WORTH_A_THREAD ? rootTask(all) : rootInThread(all);
  }
  // Whole subtrees first, then a tree over their roots: of the same shape as one tree over all.
  const roots: Hex[] = [];
  for (let first = 0; first < count; first += LEAVES_AT_ONCE) {
    const records = recordsFrom(first);
    const padding = LEAVES_AT_ONCE - records.length / recordBytes;
    roots.push(await rootInThread({ records, recordBytes, padding }));
  }
  const empty = { records: new Uint8Array(), recordBytes, padding: LEAVES_AT_ONCE };
  return rootOf(roots.map(toBuffer), toBuffer(await rootInThread(empty)));
}

let thread: Piscina<Leaves, Hex> | undefined;

function rootInThread(leaves: Leaves): Promise<Hex> {
  thread ??= new Piscina({
    filename: import.meta.url,
    name: "rootTask",
    minThreads: 0,
    maxThreads: 1,
    idleTimeout: IDLE_MS,
  });
  return thread.run(leaves);
}

/** What runs in the thread; Piscina finds it by its name. @public */
export function rootTask({ records, recordBytes, padding }: Leaves): Hex {
  const leaves = Array.from({ length: records.length / recordBytes }, (_, i) =>
    keccakBuffer(recordAt(records, recordBytes, i)),
  );
  return rootOf([...leaves, ...Array<Buffer>(padding).fill(EMPTY_LEAF)], EMPTY_LEAF);
}

function rootOf(leaves: Buffer[], filling: Buffer): Hex {
  const tree = new MerkleTree(leaves, keccakBuffer, { fillDefaultHash: filling });
  return toHex(new Uint8Array(tree.getRoot()));
}

function keccakBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(keccak256(bytes));
}

function toBuffer(hex: Hex): Buffer {
  return Buffer.from(fromHex(hex));
}
