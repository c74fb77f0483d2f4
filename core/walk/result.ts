import type { DemandNode } from "../judge/answer.ts";
import type { Evidence } from "../judge/evidence.ts";
import type { Heard } from "./hear.ts";

/** What a walk comes to, or needs to go on. */
export type Walk =
  | { readonly kind: "convicted"; readonly evidence: Evidence }
  /** To be demanded together, the most urgent first; the walk goes on when all of them were shown. */
  | { readonly kind: "demand"; readonly nodes: readonly DemandNode[] }
  /**
   * The report is what the rules make of its receipts. `missing`: packed receipts that are known and that it lacks, or
   * has with a lower sequence: no judge's matter.
   */
  | { readonly kind: "consistent"; readonly missing: readonly Uint8Array[] }
  /** Too little was shown to know, and more cannot be asked for. */
  | { readonly kind: "open"; readonly why: string };

/** Each costs a bond, and each that waits gives the others more time. */
export const MAX_DEMANDS_A_ROUND = 64;

/** The first of these, each once. */
export function demand(nodes: readonly DemandNode[]): Walk {
  const named = nodes.map(
    (node) => [`${node.table}/${node.level}/${node.position}`, node] as const,
  );
  const distinct = [...new Map(named).values()];
  if (distinct.length === 0) return { kind: "open", why: "nothing is left to be asked for" };
  return { kind: "demand", nodes: distinct.slice(0, MAX_DEMANDS_A_ROUND) };
}

/** Undefined when nothing speaks against the report. */
export function walkOf(heard: Heard | undefined): Walk | undefined {
  if (heard === undefined || heard.kind === "lawful") return undefined;
  if (heard.kind === "unlawful") return { kind: "convicted", evidence: heard.evidence };
  return demand(heard.nodes);
}
