import { type Address, keccak256, utf8 } from "@link-rewards/core/encoding/bytes";
import { maxOf } from "@link-rewards/core/encoding/fields";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { addressOf } from "@link-rewards/core/encoding/signature";
import { LAW_EVENTS, type LawEvent, type LawEventName } from "@link-rewards/core/law/events";
import type { Law } from "@link-rewards/core/law/law";
import { replay } from "@link-rewards/core/law/replay";
import {
  type VerifiedReceipt,
  type VerifiedVoucher,
  verifyReceipt,
  verifyVoucher,
} from "@link-rewards/core/law/verify";
import { type Receipt, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { type SignedVoucher, type Voucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { chain, escrowDomain, keyOf, registryDomain } from "../../core/world.ts";

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

export function buildWorld(size: { devices?: number; customers?: number } = {}): World {
  const devices = people("device", size.devices ?? 3);
  const customers = people("customer", size.customers ?? 2);
  const owners = people("owner", 2);
  /** A customer signs with its gateway's key. */
  const gateways = people("gateway", customers.length);
  const keys = new Map([
    ...devices.map(({ address, key }) => [address, key] as const),
    ...customers.map(({ address }, i) => [address, gateways[i]?.key as Uint8Array] as const),
  ]);
  const events = chain([
    ["ClassLimitSet", { deviceClass: 1, fromEpoch: 1, ...NO_LIMIT }],
    ...owners.map(({ address }, index) => ["AccountIndexed", { account: address, index }] as const),
    ...devices.flatMap(({ address: device }, i) => {
      const account = owners[i % owners.length]?.address as Address;
      return [
        ["DeviceEnrolled", { device, deviceClass: 1 }],
        ["DeviceBound", { device, account, fromEpoch: 1 }],
      ] as const;
    }),
    ...customers.flatMap(({ address: customer }, i) => {
      const key = gateways[i]?.address as Address;
      return [
        ["CustomerAdmitted", { customer, fromEpoch: 1 }],
        ["KeyAdded", { customer, key, fromEpoch: 1 }],
      ] as const;
    }),
  ]);
  const law = replay(events);
  const signature = signer(keys);
  const first = {
    device: devices[0]?.address as Address,
    customer: customers[0]?.address as Address,
    epoch: 1,
  };

  const world: World = {
    law,
    events,
    devices: devices.map(({ address }) => address),
    customers: customers.map(({ address }) => address),

    receipt: (fields) => ({
      ...first,
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
        customerSignature: signature(digest, receipt.customer, remake),
        deviceSignature: signature(digest, receipt.device, remake),
      };
    },
    verify: (signed) => expectTaken(verifyReceipt(signed, { law, domain: registryDomain })),
    verified: (fields, remake) => world.verify(world.sign(world.receipt(fields), remake)),

    signVoucher: (voucher, remake = 0) => {
      const digest = voucherDigest(escrowDomain, voucher);
      return { voucher, signature: signature(digest, voucher.customer, remake) };
    },
    verifiedVoucher: (fields, remake) => {
      const { customer, epoch } = first;
      const signed = world.signVoucher({ customer, epoch, cumulative: 10n, ...fields }, remake);
      const currentEpoch = signed.voucher.epoch;
      return expectTaken(verifyVoucher(signed, { law, domain: escrowDomain, currentEpoch }));
    },
  };
  return world;
}

const NO_LIMIT = {
  egressBytes: maxOf("uint64"),
  storageByteSeconds: maxOf("uint96"),
  computeMilliseconds: maxOf("uint64"),
};

type Person = { readonly address: Address; readonly key: Uint8Array };

function people(kind: string, count: number): readonly Person[] {
  return Array.from({ length: count }, (_, i) => {
    const key = keyOf(`${kind}-${i + 1}`);
    return { address: addressOf(key), key };
  });
}

/** Signatures are deterministic by custom only: each `remake` gives another one, just as valid. */
function signer(keys: ReadonlyMap<Address, Uint8Array>) {
  return (digest: Uint8Array, party: Address, remake: number): Uint8Array => {
    const key = keys.get(party);
    if (key === undefined) throw new Error(`nobody here signs for ${party}`);
    const recovered = secp256k1.sign(digest, key, {
      prehash: false,
      lowS: true,
      format: "recovered",
      extraEntropy: remake === 0 ? false : keccak256(utf8(`remake ${remake}`)),
    });
    const compact = recovered.slice(1);
    if (recovered[0] === 1) compact[32] = (compact[32] as number) | 0x80;
    return compact;
  };
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
