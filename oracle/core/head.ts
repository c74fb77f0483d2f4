import { compareBytes } from "./bytes.ts";
import { compareRank, isEquivocation, type Ranked } from "./merge.ts";
import { RESOURCES } from "./receipt.ts";
import type { PutOutcome } from "./store.ts";

/** The receipt stored for its (epoch, device, customer), and when its digest was first received, unix seconds. */
export type Head = Ranked & { readonly receivedAt: number };

/** For each (epoch, device, customer): one pair proves it, and the bound keeps two hostile signers from filling a disk. */
export const EQUIVOCATIONS_KEPT = 16;

export type Meeting = {
  readonly outcome: PutOutcome;
  /** What to store in place of the head; absent when the head stays. */
  readonly head?: Head;
  readonly evidence?: Evidence;
};

type Evidence = { readonly counting: Ranked; readonly other: Ranked };

/** What a store does with a receipt, given the head it has: the same in every engine. */
export function meet(head: Head | undefined, arrived: Ranked, receivedAt: number): Meeting {
  if (head === undefined) return accept(arrived, receivedAt, { totalFell: false });
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
  return accept(arrived, receivedAt, { totalFell, evidence });
}

function accept(
  arrived: Ranked,
  receivedAt: number,
  { totalFell, evidence }: { totalFell: boolean; evidence?: Evidence | undefined },
): Meeting {
  const equivocation = evidence !== undefined;
  const { digest } = arrived;
  return {
    outcome: { status: "accepted", digest, receivedAt, totalFell, equivocation },
    head: { ...arrived, receivedAt },
    ...(evidence && { evidence }),
  };
}

/** The same receipt with other signatures may take the head's place, but not its time. */
function know(head: Head, arrived: Ranked, wins: boolean): Meeting {
  const { digest, receivedAt } = head;
  const outcome = {
    status: "known",
    digest,
    receivedAt,
    totalFell: false,
    equivocation: false,
  } as const;
  return wins ? { outcome, head: { ...arrived, receivedAt } } : { outcome };
}
