import { secp256k1 } from "@noble/curves/secp256k1.js";
import { type Address, keccak256, utf8 } from "../../../oracle/core/bytes.ts";
import { LAW_EVENTS, type LawEvent, type LawEventName } from "../../../oracle/core/events.ts";
import { maxOf } from "../../../oracle/core/fields.ts";
import type { Law } from "../../../oracle/core/law.ts";
import { type Receipt, receiptDigest, type SignedReceipt } from "../../../oracle/core/receipt.ts";
import { isRefused, type Refused } from "../../../oracle/core/refusal.ts";
import { replay } from "../../../oracle/core/replay.ts";
import {
  type VerifiedReceipt,
  type VerifiedVoucher,
  verifyReceipt,
  verifyVoucher,
} from "../../../oracle/core/verify.ts";
import { type SignedVoucher, type Voucher, voucherDigest } from "../../../oracle/core/voucher.ts";
import { address, chain, escrowDomain, keyOf, registryDomain } from "../../core/world.ts";

/** A world of any size with real keys, and no limit on what a device may deliver but that of the fields. */
export type World = {
  readonly law: Law;
  readonly events: readonly LawEvent[];
  readonly devices: readonly Address[];
  readonly customers: readonly Address[];
  /** Of the first device to the first customer in epoch 1, with sequence 1, unless told otherwise. */
  receipt(fields?: Partial<Receipt>): Receipt;
  /** `remake` 0 gives the usual signatures, every other number another valid pair over the same digest. */
  sign(receipt: Receipt, remake?: number): SignedReceipt;
  verify(signed: SignedReceipt): VerifiedReceipt;
  /** All three in one. */
  verified(fields?: Partial<Receipt>, remake?: number): VerifiedReceipt;
  signVoucher(voucher: Voucher, remake?: number): SignedVoucher;
  verifiedVoucher(fields?: Partial<Voucher>, remake?: number): VerifiedVoucher;
};

export function buildWorld({ devices = 3, customers = 2, accounts = 2 } = {}): World {
  const names = (kind: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`);
  const deviceNames = names("device", devices);
  const customerNames = names("customer", customers);
  const deviceKeys = new Map(deviceNames.map((name) => [address(name), keyOf(name)]));
  const customerKeys = new Map(
    customerNames.map((name, i) => [address(name), keyOf(`gateway-${i + 1}`)]),
  );

  const events = chain([
    [
      "ClassLimitSet",
      {
        deviceClass: 1,
        fromEpoch: 1,
        egressBytes: maxOf("uint64"),
        storageByteSeconds: maxOf("uint96"),
        computeMilliseconds: maxOf("uint64"),
      },
    ],
    ...names("owner", accounts).map(
      (name, index) => ["AccountIndexed", { account: address(name), index }] as const,
    ),
    ...deviceNames.flatMap((name, i) => [
      ["DeviceEnrolled", { device: address(name), deviceClass: 1 }] as const,
      [
        "DeviceBound",
        { device: address(name), account: address(`owner-${(i % accounts) + 1}`), fromEpoch: 1 },
      ] as const,
    ]),
    ...customerNames.flatMap((name, i) => [
      ["CustomerAdmitted", { customer: address(name), fromEpoch: 1 }] as const,
      [
        "KeyAdded",
        { customer: address(name), key: address(`gateway-${i + 1}`), fromEpoch: 1 },
      ] as const,
    ]),
  ]);
  const law = replay(events);

  const world: World = {
    law,
    events,
    devices: [...deviceKeys.keys()],
    customers: [...customerKeys.keys()],

    receipt: (fields = {}) => ({
      device: address("device-1"),
      customer: address("customer-1"),
      epoch: 1,
      sequence: 1,
      egressBytes: 5_000_000_000n,
      storageByteSeconds: 70_000_000_000_000n,
      computeMilliseconds: 90_000n,
      ...fields,
    }),

    sign: (receipt, remake = 0) => {
      const digest = receiptDigest(registryDomain, receipt);
      return {
        receipt,
        customerSignature: signAnew(digest, customerKeys.get(receipt.customer), remake),
        deviceSignature: signAnew(digest, deviceKeys.get(receipt.device), remake),
      };
    },

    verify: (signed) => expectTaken(verifyReceipt(signed, { law, domain: registryDomain })),

    verified: (fields, remake) => world.verify(world.sign(world.receipt(fields), remake)),

    signVoucher: (voucher, remake = 0) => {
      const digest = voucherDigest(escrowDomain, voucher);
      return {
        voucher,
        signature: signAnew(digest, customerKeys.get(voucher.customer), remake),
      };
    },

    verifiedVoucher: (fields, remake) => {
      const voucher = { customer: address("customer-1"), epoch: 1, cumulative: 10n, ...fields };
      const context = { law, domain: escrowDomain, currentEpoch: voucher.epoch };
      return expectTaken(verifyVoucher(world.signVoucher(voucher, remake), context));
    },
  };
  return world;
}

/** One event of every kind, with values at the ends of their ranges. Nothing a chain would ever say in this order. */
export function oneOfEach(blockNumber: number): readonly LawEvent[] {
  const names = Object.keys(LAW_EVENTS) as LawEventName[];
  return names.map((name, logIndex) => {
    const args = largest(LAW_EVENTS[name]);
    return { name, args, blockNumber, logIndex } as unknown as LawEvent;
  });
}

type AnyField = (typeof LAW_EVENTS)[LawEventName][number];

function largest(fields: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(
    (fields as readonly AnyField[]).map((field) => {
      if ("fields" in field) return [field.name, largest(field.fields)];
      if (field.type === "address") return [field.name, `0x${"fe".repeat(20)}`];
      if (field.type === "bytes32") return [field.name, `0x${"fe".repeat(32)}`];
      const max = maxOf(field.type);
      return [field.name, max <= maxOf("uint32") ? Number(max) : max];
    }),
  );
}

function expectTaken<T extends object>(outcome: T | Refused): T {
  if (isRefused(outcome)) throw new Error(`${outcome.refusal}: ${outcome.message}`);
  return outcome;
}

/** Signatures are deterministic only by custom: every `remake` gives another one that is just as valid. */
function signAnew(digest: Uint8Array, key: Uint8Array | undefined, remake: number): Uint8Array {
  if (key === undefined) throw new Error("nobody in this world has that key");
  const recovered = secp256k1.sign(digest, key, {
    prehash: false,
    lowS: true,
    format: "recovered",
    extraEntropy: remake === 0 ? false : keccak256(utf8(`remake ${remake}`)),
  });
  const compact = recovered.slice(1);
  if (recovered[0] === 1) compact[32] = (compact[32] as number) | 0x80;
  return compact;
}
