/**
 * Why something was not taken: one closed set, spelled alike in HTTP, logs, metrics and docs.
 * Each says what it means and what the sender should do.
 */
export const REFUSALS = {
  malformed: {
    meaning: "A field is missing, unknown, of the wrong kind or out of its bounds.",
    remedy: "Correct the field the message names; sending it again unchanged cannot succeed.",
  },
  "too-large": {
    meaning: "The body or the batch is over its limit.",
    remedy: "Send smaller batches.",
  },
  "wrong-chain": {
    meaning: "The chain id or the registry in the envelope is not the one served here.",
    remedy: "Send to the oracle of that chain, or sign anew for this one.",
  },
  stale: {
    meaning: "Something that counts before this is already stored.",
    remedy: "Go on from the head in the answer; after a loss of state, from max(heads) + 65,536.",
  },
  "epoch-closed": {
    meaning:
      "By the chain's time the epoch is not open: it has passed its closing time, or the one before it has not begun.",
    remedy: "Use one of the open epochs in the answer; what came too late belongs to no one.",
  },
  "device-unknown": {
    meaning: "The device was never enrolled by the manufacturer.",
    remedy: "Have it enrolled, or check the device address.",
  },
  "device-unbound": {
    meaning: "The device belongs to no account in that epoch.",
    remedy: "Bind it; a binding counts from the next epoch.",
  },
  "device-revoked": {
    meaning: "The manufacturer has revoked the device for that epoch.",
    remedy: "Stop using this key; ask the manufacturer.",
  },
  "customer-unknown": {
    meaning: "The customer is not admitted in that epoch.",
    remedy: "Serve admitted customers only; an admission counts from the next epoch.",
  },
  "key-unknown": {
    meaning: "The customer's signature is by a key that is not the customer's in that epoch.",
    remedy:
      "Check the key, the chain and every signed field; a key counts from the epoch after it was set.",
  },
  "over-cap": {
    meaning: "The voucher promises more than its key may for one epoch.",
    remedy:
      "Sign no more than the key's cap, or have the customer raise it; a cap counts from the next epoch.",
  },
  "customer-signature-invalid": {
    meaning: "The customer's signature is not a signature: out of range, high s, or no such point.",
    remedy: "Sign in EIP-2098 compact form with low s.",
  },
  "device-signature-invalid": {
    meaning: "The device's signature is not by the device's key.",
    remedy:
      "Check the key, the chain and every signed field; sign with low s, in EIP-2098 compact form or, with a P-256 key, as r and s over the SHA-256 of the digest.",
  },
  implausible: {
    meaning: "The receipt alone is over what the device's class can deliver in an epoch.",
    remedy: "Check units and totals; totals start at zero in each epoch.",
  },
  busy: {
    meaning:
      "The queue is full, the commit failed, the epoch is so young that what holds in it is not final on chain, or this oracle's clock and its view of the chain are too far apart to tell which epoch it is; it was not acknowledged.",
    remedy: "Send the same again after Retry-After, or in a while.",
  },
  "not-a-member": {
    meaning:
      "The request is for members alone, and is not signed by the key of one, for this member, a moment ago and for the first time.",
    remedy:
      "Members: look at the key, the clock and whom it was sent to. Others: what is public is read without it.",
  },
  "wrong-version": {
    meaning: "The two members' programs have no version of the members' protocol in common.",
    remedy: "Update the older of the two.",
  },
} as const satisfies Record<string, { meaning: string; remedy: string }>;

export type Refusal = keyof typeof REFUSALS;

export type Refused = { readonly refusal: Refusal; readonly message: string };

export function refuse(refusal: Refusal, message: string): Refused {
  return { refusal, message };
}

export function isRefused<T>(outcome: T | Refused): outcome is Refused {
  return typeof outcome === "object" && outcome !== null && "refusal" in outcome;
}
