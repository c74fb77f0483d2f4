import { type Address, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { toCompact } from "@link-rewards/core/encoding/signature";
import { ledgerDomain } from "@link-rewards/core/signed/deployment";
import { reportDigest } from "@link-rewards/core/signed/report";
import type { Chain } from "@link-rewards/host/chain/chain";
import { revertReason } from "@link-rewards/host/chain/errors";
import { type ShownReport, signersOf } from "./signed-report.ts";

/** A member that signed both of two reports about one epoch and attempt. */
export type Equivocation = {
  readonly member: Address;
  readonly slot: number;
  /** The call that slashes it; absent when the contract does not take it, as `refusal` says. */
  readonly call?: { readonly to: Address; readonly calldata: Hex };
  readonly refusal?: string;
};

/** Who signed both, or why two reports prove nothing. */
export async function findEquivocations(
  chain: Chain,
  a: ShownReport,
  b: ShownReport,
): Promise<readonly Equivocation[] | { readonly nothing: string }> {
  const { quorum } = chain.suite;
  const domain = ledgerDomain(chain.deployment);
  if (a.report.epoch !== b.report.epoch || a.report.attempt !== b.report.attempt) {
    return {
      nothing: `one is about ${aboutOf(a)}, the other about ${aboutOf(b)}: a member signs one report for each attempt`,
    };
  }
  const [digestA, digestB] = [a, b].map(({ report }) => toHex(reportDigest(domain, report)));
  if (digestA === digestB) return { nothing: "both are the same report" };
  const [ofA, ofB] = [await bySlot(chain, a), await bySlot(chain, b)];
  const found: Equivocation[] = [];
  for (const [slot, first] of ofA) {
    const second = ofB.get(slot);
    if (second === undefined) continue;
    const shown = [
      a.report,
      b.report,
      toCompact(first.signature),
      toCompact(second.signature),
    ] as const;
    const member = first.signer;
    try {
      await quorum.proveEquivocation.staticCall(...shown);
    } catch (error) {
      const refusal = revertReason(error);
      if (refusal === undefined) throw error;
      found.push({ member, slot, refusal });
      continue;
    }
    const calldata = quorum.interface.encodeFunctionData("proveEquivocation", [...shown]) as Hex;
    const to = chain.deployment.contracts.oracleQuorum;
    found.push({ member, slot, call: { to, calldata } });
  }
  if (found.length > 0) return found;
  return {
    nothing: `no member signed both: one has signatures of ${namesOf(ofA)}, the other of ${namesOf(ofB)}`,
  };
}

type Signed = ReturnType<typeof signersOf>[number];

/** Of members and of those that were: a key that was handed on is its slot's all the same. */
async function bySlot(chain: Chain, shown: ShownReport): Promise<ReadonlyMap<number, Signed>> {
  const slots = new Map<number, Signed>();
  for (const signed of signersOf(chain, shown)) {
    const { known, slot } = await chain.suite.quorum.memberOf(signed.signer);
    if (known) slots.set(Number(slot), signed);
  }
  return slots;
}

function aboutOf({ report: { epoch, attempt } }: ShownReport): string {
  return `epoch ${epoch}, attempt ${attempt}`;
}

function namesOf(slots: ReadonlyMap<number, Signed>): string {
  return [...slots.values()].map(({ signer }) => signer).join(", ") || "no member";
}
