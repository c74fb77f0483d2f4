import type { StructOf } from "../encoding/fields.ts";

export const BLOCK_FIELDS = [
  { name: "number", type: "uint53" },
  { name: "hash", type: "bytes32" },
] as const;

/** One block of the chain, whatever stands at its height on another branch. */
export type BlockMark = StructOf<typeof BLOCK_FIELDS>;

/** A block and its time, unix seconds. */
export type Block = BlockMark & { readonly timestamp: number };
