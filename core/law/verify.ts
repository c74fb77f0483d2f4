import { type Address, concatBytes, type Hex } from "../encoding/bytes.ts";
import { isRefused, type Refused, refuse } from "../encoding/refusal.ts";
import { HASH_BYTES } from "../encoding/tree.ts";
import {
  RESOURCES,
  type Receipt,
  receiptDigest,
  receiptDigests,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
} from "../signed/receipt.ts";
import {
  type Curves,
  PURE_CURVES,
  type SignerRecovery,
  type Signers,
  signersAt,
  signersOf,
} from "../signed/signers.ts";
import { type SignedVoucher, voucherDigest } from "../signed/voucher.ts";
import type { OpenEpoch } from "./clock.ts";
import {
  boundTo,
  capAt,
  deviceClass,
  isCustomerAt,
  isKeyAt,
  type Law,
  limitAt,
  paid,
  publicKeyOf,
  revocationOf,
} from "./law.ts";

declare const brand: unique symbol;

/** A receipt that counts, if nothing before it does. Only this file makes one, so no step can be skipped. */
export type VerifiedReceipt = SignedReceipt & {
  readonly digest: Uint8Array;
  /** Whom it earns for. */
  readonly account: Address;
  /** The customer's key that signed. */
  readonly key: Address;
  readonly [brand]: "receipt";
};

export type VerifiedVoucher = SignedVoucher & {
  readonly digest: Uint8Array;
  readonly key: Address;
  readonly [brand]: "voucher";
};

export type VerifyContext = {
  readonly law: Law;
  /** The EIP-712 domain separator of the DeviceRegistry for receipts, of the CustomerEscrow for vouchers. */
  readonly domain: Uint8Array;
  /** Faster ones than the pure ones, if the caller has them. */
  readonly curves?: Curves;
};

/** For what arrives: the bundle's receipts are of epochs long closed and go to `verifyReceipt` directly. */
export function refuseUnlessOpen(epoch: number, open: readonly OpenEpoch[]): Refused | undefined {
  if (open.some((candidate) => candidate.epoch === epoch)) return undefined;
  const names = open.map((candidate) => candidate.epoch).join(" and ") || "none";
  return refuse("epoch-closed", `epoch ${epoch} is not open; open: ${names}`);
}

/** What nothing but its signatures can speak against any more: the cheap half of verifying. */
export type LawfulReceipt = SignedReceipt & {
  /** Whom it earns for. */
  readonly account: Address;
  readonly [brand]: "lawful";
};

export function checkLawful(signed: SignedReceipt, law: Law): LawfulReceipt | Refused {
  const account = lawfulAccount(signed.receipt, law);
  return isRefused(account) ? account : ({ ...signed, account } as LawfulReceipt);
}

/** The dear half; `digest` is the receipt's. */
export function checkSigned(
  lawful: LawfulReceipt,
  digest: Uint8Array,
  signers: Signers,
  law: Law,
): VerifiedReceipt | Refused {
  const key = checkSigners(lawful.receipt, law, signers);
  if (isRefused(key)) return key;
  return { ...lawful, digest, key } as unknown as VerifiedReceipt;
}

/** Both halves, from cheap to dear; the first check that fails names the refusal. */
export function verifyReceipt(
  signed: SignedReceipt,
  { law, domain, curves = PURE_CURVES }: VerifyContext,
): VerifiedReceipt | Refused {
  const lawful = checkLawful(signed, law);
  if (isRefused(lawful)) return lawful;
  const digest = receiptDigest(domain, signed.receipt);
  const signers = signersOf(digest, signed, publicKeysOf([signed.receipt], law), curves);
  return checkSigned(lawful, digest, signers, law);
}

function publicKeysOf(receipts: readonly Receipt[], law: Law): ReadonlyMap<Address, Hex> {
  const keys = new Map<Address, Hex>();
  for (const { device } of receipts) {
    const publicKey = publicKeyOf(law, device);
    if (publicKey !== undefined) keys.set(device, publicKey);
  }
  return keys;
}

/** A lawful receipt and its bytes. */
export type LawfulArrival = { readonly lawful: LawfulReceipt; readonly packed: Uint8Array };

/**
 * The dear half for many at once: each digest is worked out once, and `recovery` may work on other threads. What is
 * refused already keeps its place.
 */
export async function checkAllSigned<R extends Refused>(
  items: readonly (LawfulArrival | R)[],
  { law, domain }: Pick<VerifyContext, "law" | "domain">,
  recovery: SignerRecovery,
): Promise<readonly (VerifiedReceipt | Refused | R)[]> {
  const arrived = items.filter((item): item is LawfulArrival => !isRefused(item));
  const records = concatBytes(...arrived.map(({ packed }) => packed));
  const digests = receiptDigests(domain, records, SIGNED_RECEIPT_BYTES);
  const recordBytes = SIGNED_RECEIPT_BYTES;
  const receipts = arrived.map(({ lawful }) => lawful.receipt);
  const publicKeys = publicKeysOf(receipts, law);
  const signers = await recovery({
    ...{ records, recordBytes, domain, publicKeys, digests },
    deviceDecides: true,
  });
  let next = 0;
  return items.map((item) => {
    if (isRefused(item)) return item;
    const i = next++;
    const digest = digests.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
    return checkSigned(item.lawful, digest, signersAt(signers, i), law);
  });
}

/** The customer's key that signed, if it and the device did. The device first: a stranger can name it, not sign for it. */
export function checkSigners(receipt: Receipt, law: Law, signers: Signers): Address | Refused {
  const signer = signers.device;
  if (signer === receipt.device) return customerKey(law, receipt, signers.customer);
  const isP256 = publicKeyOf(law, receipt.device) !== undefined;
  const found = isP256
    ? "its key is P-256, and this is not the low-s r and s of that key over the SHA-256 of the digest"
    : `its key is secp256k1, and this ${signer === undefined ? "is not a low-s signature" : `recovers to ${signer}`}`;
  return refuse(
    "device-signature-invalid",
    `the device ${receipt.device} did not sign this: ${found}`,
  );
}

/** Whom a receipt earns for, signatures aside. */
export function lawfulAccount(receipt: Receipt, law: Law): Address | Refused {
  const { device, customer, epoch } = receipt;
  if (receipt.sequence === 0)
    return refuse(
      "malformed",
      "the sequence is 0; the first of an epoch, device and customer is 1",
    );
  const ofClass = deviceClass(law, device);
  if (ofClass === undefined) return refuse("device-unknown", `device ${device} was never enrolled`);
  const revocation = revocationOf(law, device);
  if (revocation !== undefined && epoch >= revocation.fromEpoch) {
    return refuse(
      "device-revoked",
      `device ${device} is revoked from epoch ${revocation.fromEpoch} on: ${revocation.reason || "no reason was given"}`,
    );
  }
  const account = boundTo(law, device, epoch);
  if (account === undefined)
    return refuse("device-unbound", `device ${device} is bound to no account in epoch ${epoch}`);
  if (!isCustomerAt(law, customer, epoch)) return customerUnknown(customer, epoch);
  const limit = limitAt(law, ofClass, epoch);
  const over = RESOURCES.find((resource) => receipt[resource] > limit[resource]);
  if (over !== undefined) {
    return refuse(
      "implausible",
      `${over} is ${receipt[over]}, class ${ofClass} can deliver ${limit[over]} in an epoch`,
    );
  }
  return account;
}

/**
 * A voucher is void from its epoch's seal time on, and a member needs some time before that to collect it: it is taken
 * while receipts of its epoch are. What is over its key's cap would never be collected.
 */
export function verifyVoucher(
  signed: SignedVoucher,
  context: VerifyContext & { readonly open: readonly OpenEpoch[] },
): VerifiedVoucher | Refused {
  const { curves = PURE_CURVES } = context;
  const lawful = checkLawfulVoucher(signed, context);
  if (isRefused(lawful)) return lawful;
  return checkSignedVoucher(lawful, curves.recover(lawful.digest, signed.signature), context.law);
}

/** A voucher that nothing speaks against but, maybe, its signature. */
export type LawfulVoucher = SignedVoucher & { readonly digest: Uint8Array };

/** The cheap half: no signature is looked at. */
export function checkLawfulVoucher(
  signed: SignedVoucher,
  context: Pick<VerifyContext, "law" | "domain"> & { readonly open: readonly OpenEpoch[] },
): LawfulVoucher | Refused {
  const { customer, epoch, amount } = signed.voucher;
  const { law, domain, open } = context;
  const closed = refuseUnlessOpen(epoch, open);
  if (closed !== undefined) return closed;
  if (!isCustomerAt(law, customer, epoch)) return customerUnknown(customer, epoch);
  const before = paid(law, customer, epoch);
  if (amount <= before) {
    return refuse(
      "stale",
      `customer ${customer} has paid ${before} wei for epoch ${epoch} already`,
    );
  }
  return { ...signed, digest: voucherDigest(domain, signed.voucher) };
}

/** The dear half, when it is known whose signature it is; undefined: nobody's. */
export function checkSignedVoucher(
  lawful: LawfulVoucher,
  signer: Address | undefined,
  law: Law,
): VerifiedVoucher | Refused {
  const { customer, epoch, amount } = lawful.voucher;
  const key = customerKey(law, lawful.voucher, signer);
  if (isRefused(key)) return key;
  const cap = capAt(law, customer, key, epoch);
  if (amount > cap) {
    return refuse(
      "over-cap",
      `the voucher promises ${amount} wei; key ${key} may promise ${cap} for epoch ${epoch}`,
    );
  }
  return { ...lawful, key } as VerifiedVoucher;
}

function customerUnknown(customer: Address, epoch: number): Refused {
  return refuse("customer-unknown", `customer ${customer} is not admitted in epoch ${epoch}`);
}

function customerKey(
  law: Law,
  { customer, epoch }: { customer: Address; epoch: number },
  key: Address | undefined,
): Address | Refused {
  if (key === undefined) {
    return refuse(
      "customer-signature-invalid",
      "the customer's signature is not a low-s signature",
    );
  }
  if (isKeyAt(law, customer, key, epoch)) return key;
  return refuse(
    "key-unknown",
    `the signature recovers to ${key}, no key of customer ${customer} in epoch ${epoch}`,
  );
}
