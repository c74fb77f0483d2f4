import type { Verdict } from "./verdicts.ts";

/** Why a mutant that survives is no fault of the tests, by its id. */
export type Reasons = Readonly<Record<string, string>>;

export type Tally = {
  readonly killed: number;
  readonly survived: number;
  /** Survived for a reason that is known. */
  readonly explained: number;
  readonly equivalent: number;
  readonly stillborn: number;
  readonly unclear: number;
  /** Killed of those that could be, in percent; undefined when there was none. */
  readonly score: number | undefined;
};

export type Score = {
  readonly all: Tally;
  readonly contracts: Readonly<Record<string, Tally>>;
  readonly survivors: readonly Verdict[];
  readonly explained: readonly (Verdict & { readonly reason: string })[];
  readonly unclear: readonly Verdict[];
  /** Ids with a reason that were killed. */
  readonly refuted: readonly string[];
};

export function scoreOf(verdicts: readonly Verdict[], reasons: Reasons): Score {
  const contracts = [...Map.groupBy(verdicts, ({ contract }) => contract)];
  const survived = verdicts.filter(({ verdict }) => verdict === "survived");
  return {
    all: tally(verdicts, reasons),
    contracts: Object.fromEntries(
      contracts.map(([contract, own]) => [contract, tally(own, reasons)] as const).sort(byKey),
    ),
    survivors: survived.filter(({ id }) => reasons[id] === undefined),
    explained: survived.flatMap((verdict) => {
      const reason = reasons[verdict.id];
      return reason === undefined ? [] : [{ ...verdict, reason }];
    }),
    unclear: verdicts.filter(({ verdict }) => verdict === "unclear"),
    refuted: verdicts.flatMap((verdict) =>
      isKilled(verdict) && reasons[verdict.id] !== undefined ? [verdict.id] : [],
    ),
  };
}

export function isKilled({ verdict }: Verdict): boolean {
  return verdict === "killed" || verdict === "timeout";
}

function tally(verdicts: readonly Verdict[], reasons: Reasons): Tally {
  const count = (wanted: (verdict: Verdict) => boolean) => verdicts.filter(wanted).length;
  const killed = count(isKilled);
  const all = count(({ verdict }) => verdict === "survived");
  const explained = count(({ verdict, id }) => verdict === "survived" && id in reasons);
  const survived = all - explained;
  return {
    killed,
    survived,
    explained,
    equivalent: count(({ verdict }) => verdict === "equivalent" || verdict === "duplicate"),
    stillborn: count(({ verdict }) => verdict === "stillborn"),
    unclear: count(({ verdict }) => verdict === "unclear"),
    score: killed + survived === 0 ? undefined : (100 * killed) / (killed + survived),
  };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

export function isEnough({ all, refuted }: Score, least: number): boolean {
  const { score, unclear } = all;
  return score !== undefined && score >= least && unclear === 0 && refuted.length === 0;
}
