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
import { type ComputedEpoch, computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { bind, enrol } from "@link-rewards/core/law/devices";
import type { Tariff } from "@link-rewards/core/law/events";
import { addAccount, emptyLaw, type Law, ownerAt } from "@link-rewards/core/law/law";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import { RECEIPT_BYTES } from "@link-rewards/core/signed/receipt";
import type { Signers } from "@link-rewards/core/signed/signers";
import fc from "fast-check";
import { deployment, receiptOf } from "../../worlds/paper.ts";

/**
 * Epochs of any shape, for arithmetic alone. Signatures are flags: the bytes of a valid one are all 1 or all 2, and
 * `flaggedSigners` reads them.
 */

/** What a customer pays: nothing, what it owes with so much more or less, or any amount. */
type Payment = { readonly over: bigint } | { readonly amount: bigint };

type Served = {
  readonly device: number;
  readonly customer: number;
  readonly egressBytes: bigint;
  readonly storageByteSeconds: bigint;
  readonly computeMilliseconds: bigint;
};

export type EpochSketch = {
  readonly tariff: Tariff;
  readonly served: readonly Served[];
  /** By customer. */
  readonly payments: readonly Payment[];
};

const DEVICES = 8;
const CUSTOMERS = 4;
const ACCOUNTS = 4;
/** Accounts that come with the second epoch. */
const LATE_ACCOUNTS = 2;
/** What earns, by its number; the others are idle, one in the middle and one at the end. */
const EARNING = { first: [0, 1, 3], later: [0, 1, 3, 4] } as const;
/** A device of a class with limits that bind: it is never served for more. */
const LIMITED = 6;
const LIMIT = { egressBytes: 5n, storageByteSeconds: 4n, computeMilliseconds: 3n };
const NO_LIMIT = {
  egressBytes: maxOf("uint64"),
  storageByteSeconds: maxOf("uint96"),
  computeMilliseconds: maxOf("uint64"),
};
/** A device that serves in the first epoch and is revoked from the second on. */
const REVOKED = 7;
export const MOST = 2n ** 96n - 1n;

function named(name: string): Address {
  return toHex(keccak256(utf8(`epoch ${name}`)).subarray(12));
}

/** One more than is ever served. */
export const customers = Array.from({ length: CUSTOMERS + 1 }, (_, i) => named(`customer ${i}`));
/** Those of random epochs. */
export const devices = Array.from({ length: DEVICES }, (_, i) => deviceAt(i));

function deviceAt(device: number): Address {
  return named(`device ${device}`);
}

function gatewayOf(customer: Address): Address {
  return named(`gateway of ${customer}`);
}

const CUSTOMER_SIGNED = 1;
const DEVICE_SIGNED = 2;

/** Who signed the receipt of a row, as its flags say. */
export function flaggedSigners(row: Uint8Array): Signers {
  const address = (from: number) => toHex(row.subarray(from, from + 20));
  const hasCustomer = row[RECEIPT_BYTES] === CUSTOMER_SIGNED;
  const hasDevice = row[RECEIPT_BYTES + SIGNATURE_BYTES] === DEVICE_SIGNED;
  return {
    customer: hasCustomer ? gatewayOf(address(20)) : undefined,
    device: hasDevice ? address(0) : undefined,
  };
}

const uint64 = fc.bigInt({ min: 0n, max: maxOf("uint64") });
const uint96 = fc.bigInt({ min: 0n, max: MOST });
/** Small amounts meet in ties; at this price a byte is a wei. */
const few = fc.bigInt({ min: 0n, max: 5n });
const A_WEI_A_BYTE = { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n };

const payment: fc.Arbitrary<Payment> = fc.oneof(
  fc.record({ over: fc.constantFrom(0n, -1n, 1n) }),
  fc.record({ amount: fc.oneof(fc.constant(0n), few, uint64, uint96) }),
);

/** `size`: how soon the longest lists come up. */
const sketchOf = (size: fc.SizeForArbitrary): fc.Arbitrary<EpochSketch> =>
  fc.record({
    tariff: fc
      .tuple(
        fc.oneof(
          fc.constant(A_WEI_A_BYTE),
          fc.record({ egressPrice: uint96, storagePrice: uint96, computePrice: uint96 }),
        ),
        fc.oneof(fc.constantFrom(0, 5_000), fc.nat(5_000)),
      )
      .map(([prices, feeBps]) => ({ ...prices, feeBps })),
    served: fc.uniqueArray(
      fc.record({
        device: fc.nat(DEVICES - 1),
        customer: fc.nat(CUSTOMERS - 1),
        egressBytes: fc.oneof(few, uint64),
        storageByteSeconds: fc.oneof(few, uint96),
        computeMilliseconds: fc.oneof(few, uint64),
      }),
      { selector: ({ device, customer }) => `${device} ${customer}`, maxLength: 16, size },
    ),
    payments: fc.array(payment, { minLength: CUSTOMERS + 1, maxLength: CUSTOMERS + 1 }),
  });

export const epochSketch = sketchOf("small");

/** The rule of design §3, written a second time. */
export function worthOf(amounts: Omit<Served, "device" | "customer">, tariff: Tariff): bigint {
  const sum =
    amounts.egressBytes * tariff.egressPrice +
    amounts.storageByteSeconds * tariff.storagePrice +
    amounts.computeMilliseconds * tariff.computePrice;
  const value = sum / 1_000_000_000_000n;
  return value > MOST ? MOST : value;
}

export type PlayedEpoch = {
  readonly law: Law;
  readonly epoch: number;
  readonly contributions: readonly VerifiedReceipt[];
  readonly computed: ComputedEpoch;
  readonly previousRewards: Uint8Array;
};

/** Sketches of epochs that follow one another, and the epoch in which the first accounts come. */
export type History = { readonly sketches: readonly EpochSketch[]; readonly begins: number };

export const history: fc.Arbitrary<History> = fc.record({
  sketches: fc.array(sketchOf("max"), { minLength: 1, maxLength: 3 }),
  begins: fc.constantFrom(1, 1, 1, 2),
});

/**
 * One epoch after the other; each becomes final as it was computed. What a device cannot deliver there, it does not:
 * nobody owns it, or it is over its class's limit.
 */
export function playEpochs(sketches: readonly EpochSketch[], begins = 1): readonly PlayedEpoch[] {
  const law = worldLaw(begins, sketches);
  const played: PlayedEpoch[] = [];
  let left = MOST;
  for (const [i, wished] of sketches.entries()) {
    const epoch = i + 1;
    const sketch = { ...wished, served: deliverable(law, epoch, wished.served) };
    left = pay(law, epoch, sketch, left);
    const contributions = sketch.served.map((served) => contributionOf(law, epoch, served));
    const previousRewards = played.at(-1)?.computed.files.get("rewards.bin") ?? new Uint8Array();
    const computed = compute({ law, epoch, contributions, previousRewards });
    played.push({ law, epoch, contributions, previousRewards, computed });
    const { manifest, bundleHash } = computed;
    const { root, total, delta, fee, leaves } = manifest;
    const final = { epoch, root, total, delta, fee, leaves, bundleHash, proposal: undefined };
    law.finals.set(epoch, final);
    law.lastFinal = final;
  }
  return played;
}

export function playHistory({ sketches, begins }: History): readonly PlayedEpoch[] {
  return playEpochs(sketches, begins);
}

export function compute({
  law,
  epoch,
  contributions,
  previousRewards,
}: Omit<PlayedEpoch, "computed">): ComputedEpoch {
  const sealBlock = { number: 1, hash: ZERO_HASH };
  return computeEpoch({ deployment, law, epoch, sealBlock, contributions, previousRewards });
}

function worldLaw(begins: number, sketches: readonly EpochSketch[]): Law {
  const law = emptyLaw();
  law.rules.push({ fromEpoch: 1, value: { hash: RULES_HASH, judge: ZERO_ADDRESS } });
  for (let i = 0; i < ACCOUNTS + LATE_ACCOUNTS; i++) {
    addAccount(law, named(`account ${i}`), i < ACCOUNTS ? begins : 2);
  }
  law.limits.set(1, [{ fromEpoch: 1, value: NO_LIMIT }]);
  law.limits.set(2, [{ fromEpoch: 1, value: LIMIT }]);
  const served = sketches.flatMap((sketch) => sketch.served.map(({ device }) => device));
  for (let i = 0; i < Math.max(DEVICES, ...served.map((device) => device + 1)); i++) {
    // Late accounts earn, too, once they have a leaf; devices of one account do not stand together by their addresses.
    const owner = (earning: readonly number[]) => earning[i % earning.length] ?? 0;
    const device = enrol(law.devices, deviceAt(i), i === LIMITED ? 2 : 1);
    bind(law.devices, device, owner(EARNING.first), begins);
    bind(law.devices, device, owner(EARNING.later), 2);
    if (i === REVOKED) law.devices.revoked.set(device, { fromEpoch: 2, reason: "" });
  }
  for (const customer of customers) {
    law.customers.set(customer, {
      admitted: [{ fromEpoch: 1, value: true }],
      caps: new Map([[gatewayOf(customer), [{ fromEpoch: 1, value: MOST }]]]),
      endpoint: "",
      paid: new Map(),
    });
  }
  return law;
}

function deliverable(law: Law, epoch: number, served: readonly Served[]): readonly Served[] {
  return served
    .filter(({ device }) => ownerAt(law, deviceAt(device), epoch) !== undefined)
    .map((wished) =>
      wished.device === LIMITED
        ? {
            ...wished,
            egressBytes: leastOf(wished.egressBytes, LIMIT.egressBytes),
            storageByteSeconds: leastOf(wished.storageByteSeconds, LIMIT.storageByteSeconds),
            computeMilliseconds: leastOf(wished.computeMilliseconds, LIMIT.computeMilliseconds),
          }
        : wished,
    );
}

function leastOf(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** In all never more than 96 bits hold: no more tokens exist. */
function pay(law: Law, epoch: number, { tariff, served, payments }: EpochSketch, most: bigint) {
  law.tariffs.push({ fromEpoch: epoch, value: tariff });
  let left = most;
  for (const [i, payment] of payments.entries()) {
    const owed = served
      .filter(({ customer }) => customer === i)
      .reduce((sum, each) => sum + worthOf(each, tariff), 0n);
    const wanted = "over" in payment ? owed + payment.over : payment.amount;
    const amount = wanted < 0n ? 0n : wanted < left ? wanted : left;
    law.customers.get(customers[i] as Address)?.paid.set(epoch, amount);
    left -= amount;
  }
  law.funds.set(epoch, most - left);
  return left;
}

function contributionOf(law: Law, epoch: number, served: Served): VerifiedReceipt {
  const { device, customer, ...amounts } = served;
  const address = deviceAt(device);
  return {
    receipt: receiptOf({
      ...amounts,
      device: address,
      customer: customers[customer] as Address,
      epoch,
    }),
    customerSignature: new Uint8Array(SIGNATURE_BYTES).fill(CUSTOMER_SIGNED),
    deviceSignature: new Uint8Array(SIGNATURE_BYTES).fill(DEVICE_SIGNED),
    account: ownerAt(law, address, epoch),
  } as unknown as VerifiedReceipt;
}
