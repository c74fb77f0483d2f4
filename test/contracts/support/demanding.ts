import { toHex } from "@link-rewards/core/encoding/bytes";
import { buildTree, hashRecords, proofOf } from "@link-rewards/core/encoding/tree";
import { ROW_BYTES, recordAt } from "@link-rewards/core/epoch/records";
import { JUDGED_TABLES, type JudgedTable } from "@link-rewards/core/judge/evidence";
import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import type { ContractTransactionResponse } from "ethers";
import { from, type World } from "../../worlds/contracts.ts";
import type { Report } from "./epochs.ts";
import { proposeTables, type Served, servedWorld } from "./served.ts";
import { filesOf, type TableName, type Tables } from "./tables.ts";

export type Node = { readonly table: number; readonly level: number; readonly position: number };

export type Pending = Served & {
  readonly tables: Tables;
  readonly report: Report;
  readonly digest: string;
};

/** What a window ends at while a demand waits. */
export const NEVER = 2n ** 40n - 1n;

/** The honest report of epoch 2 is pending. */
export async function pendingWorld(): Promise<Pending> {
  const world = await from(servedWorld);
  return pending(world, world.second);
}

export async function pending(world: Served, tables: Tables): Promise<Pending> {
  const report = await proposeTables(world, tables);
  return { ...world, tables, report, digest: (await world.ledger.proposal()).digest };
}

export function nodeOf(table: JudgedTable, position: number, level = 0): Node {
  return { table: JUDGED_TABLES.indexOf(table), level, position };
}

type Demanding = World & { readonly report: Report };

/** A stranger demands, with just the bond unless told otherwise. */
export async function demand(
  world: Demanding,
  node: Node,
  { by = world.stranger, value }: { by?: HardhatEthersSigner; value?: bigint } = {},
): Promise<ContractTransactionResponse> {
  const { demands, report } = world;
  const bond = value ?? (await demands.minimumBond()) * 10n;
  return demands.connect(by).demand(report, node, { value: bond });
}

/** A row of the report's tables, and the way to its root. */
export function shownRow({ tables }: Pick<Pending, "tables">, table: TableName, position: number) {
  const file = filesOf(tables)[table];
  const tree = buildTree(hashRecords(file, ROW_BYTES[table]));
  return {
    row: toHex(recordAt(file, ROW_BYTES[table], position)),
    proof: proofOf(tree, position).map(toHex),
  };
}

/** A bystander shows it, unless somebody else does. */
export async function answer(
  world: Pending,
  table: TableName,
  position: number,
  by = world.bystander,
): Promise<ContractTransactionResponse> {
  const { row, proof } = shownRow(world, table, position);
  return world.demands.connect(by).answerRow(world.report, nodeOf(table, position), row, proof);
}
