import type { Refusal } from "@link-rewards/core/encoding/refusal";

/**
 * Why a node does not serve or sign: the oracle's words where they mean the same, and these for what only a node
 * can refuse.
 */
export const NODE_REFUSALS = {
  "content-unknown": {
    meaning: "The node does not hold this content.",
    remedy: "PUT it first.",
  },
  "content-mismatch": {
    meaning: "The bytes sent do not have the root they were sent under.",
    remedy: "Recompute the root; nothing was kept.",
  },
  "range-invalid": {
    meaning: "The range is not one range of bytes inside the content.",
    remedy: "Ask for `bytes=first-last`.",
  },
  "sequence-unexpected": {
    meaning: "The draft's sequence is not the next one this device signs.",
    remedy: "Sign the draft again with `next` as its sequence.",
  },
  "totals-short": {
    meaning: "The draft's totals are below what the device signed before, or has metered.",
    remedy: "Compare with `metered`; sign what was received.",
  },
  "credit-exhausted": {
    meaning: "More was served since the last signed receipt than the device gives on credit.",
    remedy: "Sign a receipt for what was received.",
  },
  "module-refused": {
    meaning:
      "The module is malformed, imports something, may answer differently elsewhere, or takes more than the device gives.",
    remedy: "Build it as docs/receipt-protocol.md says.",
  },
  "job-unfinished": {
    meaning: "The job trapped, or went beyond what it is worth or may take. It is not paid.",
    remedy: "Offer more milliseconds, or mend the module.",
  },
  "offer-short": {
    meaning: "This customer's module had no answer within as many milliseconds before.",
    remedy: "Offer more.",
  },
  "loss-exhausted": {
    meaning:
      "So many of this customer's jobs came to no answer in this epoch that the device runs no more.",
    remedy: "Try the module at home; wait for the next epoch.",
  },
  "customer-uncovered": {
    meaning:
      "What the customer has in the escrow, less what thaws, does not cover what it owes and has promised; or it has no share of the programme.",
    remedy: "Deposit, or cancel the thaw.",
  },
  "customer-unpaid": {
    meaning: "The customer did not pay for the last epoch that is final, or sealed, in full.",
    remedy: "Wait until the next epoch is final, and pay for all that is signed for.",
  },
  "exposure-reached": {
    meaning:
      "What the customer was served in epochs that are not final, and what of final ones was not paid, is worth as much as the device's owner allows.",
    remedy:
      "Wait until an epoch is final in which the device's line counted in full; only the owner forgives what did not count.",
  },
} as const satisfies Record<string, { meaning: string; remedy: string }>;

export type NodeRefusal = Refusal | keyof typeof NODE_REFUSALS;

export type NodeRefused = { readonly refusal: NodeRefusal; readonly message: string };

export function isNodeRefused<T>(outcome: T | NodeRefused): outcome is NodeRefused {
  return typeof outcome === "object" && outcome !== null && "refusal" in outcome;
}

const STATUS: Partial<Record<NodeRefusal, number>> = {
  "too-large": 413,
  "content-unknown": 404,
  "content-mismatch": 422,
  "range-invalid": 416,
  "module-refused": 422,
  "job-unfinished": 422,
  "offer-short": 409,
  "loss-exhausted": 402,
  "epoch-closed": 409,
  "sequence-unexpected": 409,
  "totals-short": 409,
  "credit-exhausted": 402,
  "customer-uncovered": 402,
  "customer-unpaid": 402,
  "exposure-reached": 402,
  "over-cap": 402,
  "customer-unknown": 403,
  "key-unknown": 403,
  "customer-signature-invalid": 401,
  busy: 503,
  "device-unknown": 503,
  "device-unbound": 503,
  "device-revoked": 503,
};

export function statusOf(refusal: NodeRefusal): number {
  return STATUS[refusal] ?? 400;
}
