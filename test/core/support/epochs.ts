import { type Address, keccak256, toHex, utf8, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { maxOf } from "@link-rewards/core/encoding/fields";
import { type ComputedEpoch, computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import type { Tariff } from "@link-rewards/core/law/events";
import { emptyLaw, type Law } from "@link-rewards/core/law/law";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import fc from "fast-check";
import { deployment, receiptOf } from "../../worlds/paper.ts";

/** Epochs of any shape, for arithmetic alone: nobody looks at a signature. */

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

const DEVICES = 6;
const CUSTOMERS = 4;
const ACCOUNTS = 4;
/** Accounts that come with the second epoch. */
const LATE_ACCOUNTS = 2;
export const MOST = 2n ** 96n - 1n;

function named(name: string): Address {
  return toHex(keccak256(utf8(`epoch ${name}`)).subarray(12));
}

/** One more than is ever served. */
export const customers = Array.from({ length: CUSTOMERS + 1 }, (_, i) => named(`customer ${i}`));

const uint64 = fc.bigInt({ min: 0n, max: maxOf("uint64") });
const uint96 = fc.bigInt({ min: 0n, max: MOST });
/** Small amounts meet in ties; at this price a byte is a wei. */
const few = fc.bigInt({ min: 0n, max: 5n });
const A_WEI_A_BYTE = { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n };

const payment: fc.Arbitrary<Payment> = fc.oneof(
  fc.record({ over: fc.constantFrom(0n, -1n, 1n) }),
  fc.record({ amount: fc.oneof(fc.constant(0n), few, uint64, uint96) }),
);

export const epochSketch: fc.Arbitrary<EpochSketch> = fc.record({
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
    { selector: ({ device, customer }) => `${device} ${customer}`, maxLength: 16 },
  ),
  payments: fc.array(payment, { minLength: CUSTOMERS + 1, maxLength: CUSTOMERS + 1 }),
});

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

/** One epoch after the other; each becomes final as it was computed. */
export function playEpochs(sketches: readonly EpochSketch[]): readonly PlayedEpoch[] {
  const law = worldLaw();
  const played: PlayedEpoch[] = [];
  let left = MOST;
  for (const [i, sketch] of sketches.entries()) {
    const epoch = i + 1;
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

export function compute({
  law,
  epoch,
  contributions,
  previousRewards,
}: Omit<PlayedEpoch, "computed">): ComputedEpoch {
  const sealBlock = { number: 1, hash: ZERO_HASH };
  return computeEpoch({ deployment, law, epoch, sealBlock, contributions, previousRewards });
}

function worldLaw(): Law {
  const law = emptyLaw();
  law.rules.push({ fromEpoch: 1, value: RULES_HASH });
  for (let i = 0; i < ACCOUNTS + LATE_ACCOUNTS; i++) {
    const account = named(`account ${i}`);
    law.accounts.push(account);
    law.accountIndex.set(account, i);
    law.accountEpochs.push(i < ACCOUNTS ? 1 : 2);
  }
  return law;
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
    const customer = customers[i] as Address;
    const state = law.customers.get(customer) ?? {
      admitted: [],
      caps: new Map(),
      endpoint: "",
      paid: new Map(),
    };
    law.customers.set(customer, state);
    state.paid.set(epoch, amount);
    left -= amount;
  }
  law.funds.set(epoch, most - left);
  return left;
}

function contributionOf(law: Law, epoch: number, served: Served): VerifiedReceipt {
  const { device, customer, ...amounts } = served;
  // Late accounts earn, too, once they have a leaf; devices of one account do not stand together by their addresses.
  const account = law.accounts[device % (epoch === 1 ? ACCOUNTS : ACCOUNTS + LATE_ACCOUNTS)];
  return {
    receipt: receiptOf({
      ...amounts,
      device: named(`device ${device}`),
      customer: customers[customer] as Address,
      epoch,
    }),
    customerSignature: new Uint8Array(64).fill(1),
    deviceSignature: new Uint8Array(64).fill(2),
    account,
  } as unknown as VerifiedReceipt;
}
