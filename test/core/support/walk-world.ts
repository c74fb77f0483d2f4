import {
  type Address,
  keccak256,
  toHex,
  utf8,
  ZERO_ADDRESS,
  ZERO_HASH,
} from "@link-rewards/core/encoding/bytes";
import { maxOf } from "@link-rewards/core/encoding/fields";
import { SIGNATURE_BYTES } from "@link-rewards/core/encoding/signature";
import { rootOver } from "@link-rewards/core/encoding/tree";
import { type ComputedEpoch, computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { type Contributions, gatherUnordered } from "@link-rewards/core/epoch/contributions";
import { encodeRewards, REWARD_BYTES, type RewardLeaf } from "@link-rewards/core/epoch/records";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { bind, enrol } from "@link-rewards/core/law/devices";
import { addAccount, emptyLaw, type Law, ownerAt } from "@link-rewards/core/law/law";
import {
  packSignedReceipt,
  RECEIPT_BYTES,
  type SignedReceipt,
} from "@link-rewards/core/signed/receipt";
import type { Signers } from "@link-rewards/core/signed/signers";
import { allAccounts, deployment, receiptOf } from "../../worlds/paper.ts";
import type { Random } from "./forgeries.ts";

/**
 * An epoch of any size, for the walk alone: signatures are flags, as in test/core/support/epochs.ts. Accounts have two
 * devices, a tenth of the customers is served by everybody, and some customers pay too little.
 */
export type WalkWorld = {
  readonly law: Law;
  readonly epoch: number;
  readonly previousRewards: Uint8Array;
  readonly receipts: readonly OwnedReceipt[];
};

export type OwnedReceipt = { readonly signed: SignedReceipt; readonly account: Address };

const EPOCH = 2;
const A_WEI_A_BYTE = { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n, feeBps: 1_000 };
const NO_LIMIT = {
  egressBytes: maxOf("uint64"),
  storageByteSeconds: maxOf("uint96"),
  computeMilliseconds: maxOf("uint64"),
};
const MOST = maxOf("uint96");
const CUSTOMERS_OF_A_DEVICE = 5;
const DEVICES_OF_AN_ACCOUNT = 2;

export function named(name: string): Address {
  return toHex(keccak256(utf8(`walk ${name}`)).subarray(12));
}

function gatewayOf(customer: Address): Address {
  return named(`gateway of ${customer}`);
}

export function flaggedSigners(row: Uint8Array): Signers {
  const address = (from: number) => toHex(row.subarray(from, from + 20));
  const isFlagged = (from: number, flag: number) => row[from] === flag;
  return {
    customer: isFlagged(RECEIPT_BYTES, 1) ? gatewayOf(address(20)) : undefined,
    device: isFlagged(RECEIPT_BYTES + SIGNATURE_BYTES, 2) ? address(0) : undefined,
  };
}

export function signedBy(receipt: SignedReceipt["receipt"]): SignedReceipt {
  return {
    receipt,
    customerSignature: new Uint8Array(SIGNATURE_BYTES).fill(1),
    deviceSignature: new Uint8Array(SIGNATURE_BYTES).fill(2),
  };
}

/** `count` contributions. */
export function worldOf(count: number, random: Random): WalkWorld {
  const devices = Math.ceil(count / CUSTOMERS_OF_A_DEVICE);
  const accounts = Math.ceil(devices / DEVICES_OF_AN_ACCOUNT) + 1;
  const customers = Math.max(2 * CUSTOMERS_OF_A_DEVICE, Math.ceil(count / 20));
  const law = lawOf(accounts, devices, customers);
  const previousRewards = lastEpoch(law, Math.ceil(accounts * 0.9), random);
  const receipts: OwnedReceipt[] = [];
  for (let i = 0; i < count; i++) {
    const device = Math.floor(i / CUSTOMERS_OF_A_DEVICE);
    // The first serves everybody, the others a few.
    const turn = i % CUSTOMERS_OF_A_DEVICE;
    const customer = turn === 0 ? 0 : 1 + ((device * 7 + turn * 3) % (customers - 1));
    receipts.push(
      receiptIn(law, {
        device: named(`device ${device}`),
        customer: named(`customer ${customer}`),
        egressBytes: BigInt(1_000 + random(1_000_000)),
        sequence: 1 + random(5),
      }),
    );
  }
  pay(law, receipts, random);
  return { law, epoch: EPOCH, previousRewards, receipts: distinct(receipts) };
}

export function receiptIn(
  law: Law,
  fields: Pick<SignedReceipt["receipt"], "device" | "customer" | "egressBytes" | "sequence">,
): OwnedReceipt {
  const owner = ownerAt(law, fields.device, EPOCH) ?? ZERO_ADDRESS;
  const none = { storageByteSeconds: 0n, computeMilliseconds: 0n };
  return { signed: signedBy(receiptOf({ ...none, ...fields, epoch: EPOCH })), account: owner };
}

function distinct(receipts: readonly OwnedReceipt[]): readonly OwnedReceipt[] {
  const byKey = receipts.map((owned) => {
    const { device, customer } = owned.signed.receipt;
    return [`${device}${customer}`, owned] as const;
  });
  return [...new Map(byKey).values()];
}

function lawOf(accounts: number, devices: number, customers: number): Law {
  const law = emptyLaw();
  law.rules.push({ fromEpoch: 1, value: { hash: RULES_HASH, judge: ZERO_ADDRESS } });
  law.tariffs.push({ fromEpoch: 1, value: A_WEI_A_BYTE });
  law.limits.set(1, [{ fromEpoch: 1, value: NO_LIMIT }]);
  for (let i = 0; i < accounts; i++) {
    addAccount(law, named(`account ${i}`), i < accounts * 0.9 ? 1 : EPOCH);
  }
  for (let i = 0; i < devices; i++) {
    const device = enrol(law.devices, named(`device ${i}`), 1);
    bind(law.devices, device, Math.floor(i / DEVICES_OF_AN_ACCOUNT), 1);
  }
  for (let i = 0; i < customers; i++) {
    const customer = named(`customer ${i}`);
    law.customers.set(customer, {
      admitted: [{ fromEpoch: 1, value: true }],
      caps: new Map([[gatewayOf(customer), [{ fromEpoch: 1, value: MOST }]]]),
      endpoint: "",
      paid: new Map(),
    });
  }
  return law;
}

/** What is final before: the accounts of then, with anything. */
function lastEpoch(law: Law, leaves: number, random: Random): Uint8Array {
  let total = 0n;
  const rewards: RewardLeaf[] = allAccounts(law)
    .slice(0, leaves)
    .map((account) => {
      const leaf = { account, cumulative: BigInt(random(2 ** 30)), prefix: total };
      total += leaf.cumulative;
      return leaf;
    });
  const file = encodeRewards(rewards);
  const final = {
    epoch: EPOCH - 1,
    root: toHex(rootOver(file, REWARD_BYTES)),
    total,
    delta: 0n,
    fee: 0n,
    leaves,
    bundleHash: ZERO_HASH,
    proposal: undefined,
  };
  law.finals.set(final.epoch, final);
  law.lastFinal = final;
  return file;
}

/** The customer of everybody pays half, of the others every fourth too little. */
function pay(law: Law, receipts: readonly OwnedReceipt[], random: Random): void {
  const owed = new Map<Address, bigint>();
  for (const { signed } of receipts) {
    const { customer, egressBytes } = signed.receipt;
    owed.set(customer, (owed.get(customer) ?? 0n) + egressBytes);
  }
  let fund = 0n;
  for (const [customer, amount] of owed) {
    const isShort = customer === named("customer 0") || random(4) === 0;
    const paid = isShort ? amount / 2n : amount + BigInt(random(1_000));
    law.customers.get(customer)?.paid.set(EPOCH, paid);
    fund += paid;
  }
  law.funds.set(EPOCH, fund);
}

export function gathered(
  { law, epoch }: WalkWorld,
  receipts: readonly OwnedReceipt[],
): Contributions {
  const gathering = gatherUnordered(law, epoch);
  for (const { signed, account } of receipts)
    gathering.add(packSignedReceipt(signed), signed.receipt, account);
  return gathering.sorted();
}

export function computed(world: WalkWorld, receipts: readonly OwnedReceipt[]): ComputedEpoch {
  const { law, epoch, previousRewards } = world;
  const sealBlock = { number: 1, hash: ZERO_HASH };
  const contributions = gathered(world, receipts);
  return computeEpoch({ deployment, law, epoch, sealBlock, contributions, previousRewards });
}
