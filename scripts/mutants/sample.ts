import { createHash } from "node:crypto";
import type { Mutant } from "./mutant.ts";

/**
 * At most `most` of the mutants: of each contract in proportion to how many it has, and of its operators in turn. Only
 * the seed and the ids decide which, so more of the same seed are these and others.
 */
export function sampleMutants(
  mutants: readonly Mutant[],
  most: number,
  seed: string,
): readonly Mutant[] {
  if (mutants.length <= most) return mutants;
  const ranks = new Map(
    mutants.map(({ id }) => [id, createHash("sha256").update(`${seed}\n${id}`).digest("hex")]),
  );
  const rank = ({ id }: Mutant) => ranks.get(id) ?? "";
  const shuffled = mutants.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
  const byContract = Map.groupBy(shuffled, ({ contract }) => contract);
  const shares = apportion(
    [...byContract].map(([contract, { length }]) => [contract, length] as const),
    most,
  );
  const chosen = new Set(
    [...byContract].flatMap(([contract, own]) => inTurn(own).slice(0, shares.get(contract))),
  );
  return mutants.filter((mutant) => chosen.has(mutant));
}

/** One of each operator, then the second of each, and so on. */
function inTurn(mutants: readonly Mutant[]): readonly Mutant[] {
  const turns = [...Map.groupBy(mutants, ({ operator }) => operator).values()];
  return turns
    .flatMap((own, operator) => own.map((mutant, turn) => ({ mutant, turn, operator })))
    .sort((a, b) => a.turn - b.turn || a.operator - b.operator)
    .map(({ mutant }) => mutant);
}

/** Whole shares of `most` in proportion to the sizes, with the largest remainders rounded up. */
function apportion(
  sizes: readonly (readonly [name: string, size: number])[],
  most: number,
): ReadonlyMap<string, number> {
  const all = sizes.reduce((sum, [, size]) => sum + size, 0);
  const quotas = sizes.map(([name, size]) => ({ name, quota: (size * most) / all }));
  const whole = quotas.reduce((sum, { quota }) => sum + Math.floor(quota), 0);
  const roundedUp = new Set(
    quotas
      .toSorted((a, b) => (b.quota % 1) - (a.quota % 1) || (a.name < b.name ? -1 : 1))
      .slice(0, most - whole)
      .map(({ name }) => name),
  );
  return new Map(
    quotas.map(({ name, quota }) => [name, Math.floor(quota) + (roundedUp.has(name) ? 1 : 0)]),
  );
}
