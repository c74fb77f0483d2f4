import { compareBytes } from "@link-rewards/core/encoding/bytes";
import { compareRank, isEquivocation, type Ranked } from "@link-rewards/core/law/order";
import { RESOURCES } from "@link-rewards/core/signed/receipt";
import type { PutOutcome } from "./store.ts";

/** For each (epoch, device, customer): one pair proves it, and the bound keeps two hostile signers from filling a disk. */
export const EQUIVOCATIONS_KEPT = 16;

export type Meeting = {
  readonly outcome: PutOutcome;
  /** What to store in place of the head; absent when the head stays. */
  readonly head?: Ranked;
  readonly evidence?: Evidence;
};

export type Evidence = { readonly counting: Ranked; readonly other: Ranked };

/** What a store does with a receipt, given the head it has: the same in every engine. */
export function meet(head: Ranked | undefined, arrived: Ranked): Meeting {
  if (head === undefined) return accept(arrived, { totalFell: false });
  const wins = compareRank(arrived, head) < 0;
  if (compareBytes(arrived.digest, head.digest) === 0) return know(head, arrived, wins);
  const equivocation = isEquivocation(arrived, head);
  if (!wins) {
    const outcome = { status: "stale", head, equivocation } as const;
    return equivocation ? { outcome, evidence: { counting: head, other: arrived } } : { outcome };
  }
  const totalFell = RESOURCES.some(
    (resource) => arrived.receipt[resource] < head.receipt[resource],
  );
  const evidence = equivocation ? { counting: arrived, other: head } : undefined;
  return accept(arrived, { totalFell, evidence });
}

function accept(
  arrived: Ranked,
  { totalFell, evidence }: { totalFell: boolean; evidence?: Evidence | undefined },
): Meeting {
  const equivocation = evidence !== undefined;
  const { digest } = arrived;
  return {
    outcome: { status: "accepted", digest, totalFell, equivocation },
    head: arrived,
    ...(evidence && { evidence }),
  };
}

/** The same receipt with other signatures may take the head's place. */
function know({ digest }: Ranked, arrived: Ranked, wins: boolean): Meeting {
  const outcome = { status: "known", digest, totalFell: false, equivocation: false } as const;
  return wins ? { outcome, head: arrived } : { outcome };
}
