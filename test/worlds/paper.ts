import { type Address, type Hex, keccak256, toHex, utf8 } from "@link-rewards/core/encoding/bytes";
import { maxOf } from "@link-rewards/core/encoding/fields";
import {
  addressOfP256,
  NO_PUBLIC_KEY,
  publicKeyOfP256,
  signP256,
} from "@link-rewards/core/encoding/p256";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { addressOf, sign } from "@link-rewards/core/encoding/signature";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import type { OpenEpoch } from "@link-rewards/core/law/clock";
import {
  EMITTER_OF,
  type LawEvent,
  type LawEventArgs,
  type LawEventName,
} from "@link-rewards/core/law/events";
import { accountsIn, emptyLaw, type Law } from "@link-rewards/core/law/law";
import { applyEvent, replay } from "@link-rewards/core/law/replay";
import {
  type VerifiedReceipt,
  type VerifiedVoucher,
  verifyReceipt,
  verifyVoucher,
} from "@link-rewards/core/law/verify";
import {
  type Deployment,
  escrowDomain as escrowDomainOf,
  ledgerDomain as ledgerDomainOf,
  registryDomain as registryDomainOf,
} from "@link-rewards/core/signed/deployment";
import { type Receipt, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { type SignedVoucher, type Voucher, voucherDigest } from "@link-rewards/core/signed/voucher";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";

/**
 * The world on paper: named keys, one deployment, events made up, and no chain. What core is tested and measured with, the
 * golden vectors are made of, and stores, ingest and devices stand on. `founding` is a few people who are always there,
 * `crowdOf` as many as one likes.
 */

/** A throw-away key; whoever has the name has the key. */
export function keyOf(name: string): Uint8Array {
  return keccak256(utf8(`link-rewards test key: ${name}`));
}

/** Devices 2, 5, 8 and so on have P-256 keys; all else is secp256k1. */
export function isP256(name: string): boolean {
  const [, number] = /^device-([0-9]+)$/.exec(name) ?? [];
  return Number(number) % 3 === 2;
}

export function address(name: string): Address {
  return isP256(name) ? addressOfP256(keyOf(name)) : addressOf(keyOf(name));
}

/** As an enrolment says it. */
export function publicKey(name: string): Hex {
  return isP256(name) ? toHex(publicKeyOfP256(keyOf(name))) : NO_PUBLIC_KEY;
}

export function signAs(name: string, digest: Uint8Array): Uint8Array {
  return isP256(name) ? signP256(digest, keyOf(name)) : sign(digest, keyOf(name));
}

/** Addresses that lead nowhere: what the arithmetic needs of a deployment. */
export const deployment: Deployment = {
  chainId: 31337,
  contracts: {
    linkToken: "0x1000000000000000000000000000000000000001",
    deviceRegistry: "0x1000000000000000000000000000000000000002",
    customerEscrow: "0x1000000000000000000000000000000000000003",
    oracleQuorum: "0x1000000000000000000000000000000000000004",
    judge: "0x1000000000000000000000000000000000000008",
    demands: "0x1000000000000000000000000000000000000009",
    epochLedger: "0x1000000000000000000000000000000000000005",
    rewardDistributor: "0x1000000000000000000000000000000000000006",
    rewardProgramme: "0x1000000000000000000000000000000000000007",
  },
  genesis: 1_700_000_000,
  epochSeconds: 86_400,
  graceSeconds: 3_600,
};

export const registryDomain = registryDomainOf(deployment);
export const escrowDomain = escrowDomainOf(deployment);
export const ledgerDomain = ledgerDomainOf(deployment);

/** An event before it has its place in the chain and in its contract's count. */
export type Happening = {
  [N in LawEventName]: readonly [N, Omit<LawEventArgs<N>, "revision">];
}[LawEventName];

/** One event a block, from block 1 or the block after `law` on, each with its contract's next number. */
export function chain(happenings: readonly Happening[], law = emptyLaw()): readonly LawEvent[] {
  const revisions = { ...law.revisions };
  const firstBlock = Math.max(0, law.position.blockNumber) + 1;
  return happenings.map(([name, args], i) => {
    const revision = ++revisions[EMITTER_OF[name]];
    return { name, args: { ...args, revision }, blockNumber: firstBlock + i, logIndex: 0 };
  }) as LawEvent[];
}

/** Whether they have a leaf already or not. */
export function allAccounts(law: Law): readonly Address[] {
  return accountsIn(law, Number.MAX_SAFE_INTEGER);
}

/** Lets the law go on by what happens next. */
export function happen(law: Law, ...happenings: readonly Happening[]): Law {
  for (const event of chain(happenings, law)) applyEvent(law, event);
  return law;
}

export const limit = {
  egressBytes: 10n ** 12n,
  storageByteSeconds: 10n ** 17n,
  computeMilliseconds: 4n * 86_400_000n,
};

export const tariff = {
  egressPrice: 10n ** 18n,
  storagePrice: 2n * 10n ** 13n,
  computePrice: 3n * 10n ** 21n,
  feeBps: 1_000,
};

/** What a key may promise that is to be trusted with everything. */
export const NO_CAP = maxOf("uint96");

/** Alice owns two devices, Bob one; two customers with a gateway each; all from epoch 1 on. */
export const founding: readonly Happening[] = [
  rulesSet(1),
  ["TariffSet", { fromEpoch: 1, tariff }],
  ["ClassLimitSet", { deviceClass: 1, fromEpoch: 1, ...limit }],
  ...["device-1", "device-2", "device-3"].map((name) => enrolled(name)),
  ["AccountIndexed", { account: address("alice"), index: 0, fromEpoch: 1 }],
  bound("device-1", "alice"),
  bound("device-2", "alice"),
  ["AccountIndexed", { account: address("bob"), index: 1, fromEpoch: 1 }],
  bound("device-3", "bob"),
  ...["customer-1", "customer-2"].flatMap(
    (name, i) =>
      [
        ["CustomerAdmitted", { customer: address(name), fromEpoch: 1 }],
        keySet(name, `gateway-${i + 1}`, NO_CAP),
      ] as const,
  ),
];

export function rulesSet(fromEpoch: number, rulesHash: Hex = RULES_HASH): Happening {
  return [
    "RulesSet",
    { fromEpoch, rulesHash, judge: "0x1000000000000000000000000000000000000008" },
  ];
}

export function enrolled(device: string, deviceClass = 1): Happening {
  return ["DeviceEnrolled", { device: address(device), deviceClass, publicKey: publicKey(device) }];
}

export function bound(device: string, account: string, fromEpoch = 1): Happening {
  return ["DeviceBound", { device: address(device), account: address(account), fromEpoch }];
}

export function keySet(customer: string, key: string, cap: bigint, fromEpoch = 1): Happening {
  return ["KeySet", { customer: address(customer), key: address(key), cap, fromEpoch }];
}

/** `amount` wei for `epoch`, of which `before` were paid already. */
export function collected(customer: string, epoch: number, amount: bigint, before = 0n): Happening {
  const paid = before + amount;
  return ["VoucherCollected", { customer: address(customer), epoch, promised: paid, amount, paid }];
}

export function lawOf(...more: readonly Happening[]): Law {
  return replay(chain([...founding, ...more]));
}

/** These epochs are open, whatever the time. */
export function opened(...epochs: readonly number[]): readonly OpenEpoch[] {
  return epochs.map((epoch) => ({ epoch, endsAt: 0, sealTime: 0, closesAt: 0 }));
}

export function receiptOf(fields: Partial<Receipt> = {}): Receipt {
  return {
    device: address("device-1"),
    customer: address("customer-1"),
    epoch: 1,
    sequence: 1,
    egressBytes: 5_000_000_000n,
    storageByteSeconds: 70_000_000_000_000n,
    computeMilliseconds: 90_000n,
    ...fields,
  };
}

/** Signed by the gateway of the customer's number and by the device, unless other keys are named. */
export function signReceipt(
  receipt: Receipt,
  keys: { gateway?: string; device?: string; domain?: Uint8Array } = {},
): SignedReceipt {
  const digest = receiptDigest(keys.domain ?? registryDomain, receipt);
  return {
    receipt,
    customerSignature: signAs(keys.gateway ?? gatewayOf(receipt.customer), digest),
    deviceSignature: signAs(keys.device ?? nameOfDevice(receipt.device), digest),
  };
}

function gatewayOf(customer: Address): string {
  return customer === address("customer-2") ? "gateway-2" : "gateway-1";
}

function nameOfDevice(device: Address): string {
  const names = ["device-1", "device-2", "device-3"];
  return names.find((name) => address(name) === device) ?? "device-1";
}

/** Fails the test when the receipt is refused. */
export function verified(signed: SignedReceipt, law: Law): VerifiedReceipt {
  return expectTaken(verifyReceipt(signed, { law, domain: registryDomain }));
}

function expectTaken<T extends object>(outcome: T | Refused): T {
  if (isRefused(outcome)) throw new Error(`${outcome.refusal}: ${outcome.message}`);
  return outcome;
}

/** As many people as a test wants, with real keys, and no limit on what a device may deliver but that of the fields. */
export type Crowd = {
  readonly law: Law;
  readonly events: readonly LawEvent[];
  readonly devices: readonly Address[];
  readonly customers: readonly Address[];
  /** A receipt of the first device for the first customer in epoch 1, with sequence 1, unless told otherwise. */
  receipt(fields?: Partial<Receipt>): Receipt;
  /** `remake` 0 gives the usual signatures, every other number another valid pair over the same digest. */
  sign(receipt: Receipt, remake?: number): SignedReceipt;
  verify(signed: SignedReceipt): VerifiedReceipt;
  /** All three in one. */
  verified(fields?: Partial<Receipt>, remake?: number): VerifiedReceipt;
  signVoucher(voucher: Voucher, remake?: number): SignedVoucher;
  verifiedVoucher(fields?: Partial<Voucher>, remake?: number): VerifiedVoucher;
};

export function crowdOf(size: { devices?: number; customers?: number } = {}): Crowd {
  const devices = people("device", size.devices ?? 3);
  const customers = people("customer", size.customers ?? 2);
  const owners = people("owner", 2);
  /** A customer signs with its gateway's key. */
  const gateways = people("gateway", customers.length);
  const signers = new Map([
    ...devices.map((device) => [device.address, device] as const),
    ...customers.map(({ address }, i) => [address, gateways[i] as Person] as const),
  ]);
  const events = chain([
    ["ClassLimitSet", { deviceClass: 1, fromEpoch: 1, ...NO_LIMIT }],
    ...owners.map(
      ({ address: account }, index) =>
        ["AccountIndexed", { account, index, fromEpoch: 1 }] as const,
    ),
    ...devices.flatMap(({ name, address: device }, i) => {
      const account = owners[i % owners.length]?.address as Address;
      return [enrolled(name), ["DeviceBound", { device, account, fromEpoch: 1 }]] as const;
    }),
    ...customers.flatMap(({ address: customer }, i) => {
      const key = gateways[i]?.address as Address;
      return [
        ["CustomerAdmitted", { customer, fromEpoch: 1 }],
        ["KeySet", { customer, key, cap: NO_CAP, fromEpoch: 1 }],
      ] as const;
    }),
  ]);
  const law = replay(events);
  const signature = signer(signers);
  const first = {
    device: devices[0]?.address as Address,
    customer: customers[0]?.address as Address,
    epoch: 1,
  };

  const crowd: Crowd = {
    law,
    events,
    devices: devices.map(({ address }) => address),
    customers: customers.map(({ address }) => address),

    receipt: (fields) => receiptOf({ ...first, ...fields }),
    sign: (receipt, remake = 0) => {
      const digest = receiptDigest(registryDomain, receipt);
      return {
        receipt,
        customerSignature: signature(digest, receipt.customer, remake),
        deviceSignature: signature(digest, receipt.device, remake),
      };
    },
    verify: (signed) => expectTaken(verifyReceipt(signed, { law, domain: registryDomain })),
    verified: (fields, remake) => crowd.verify(crowd.sign(crowd.receipt(fields), remake)),

    signVoucher: (voucher, remake = 0) => {
      const digest = voucherDigest(escrowDomain, voucher);
      return { voucher, signature: signature(digest, voucher.customer, remake) };
    },
    verifiedVoucher: (fields, remake) => {
      const { customer, epoch } = first;
      const signed = crowd.signVoucher({ customer, epoch, amount: 10n, ...fields }, remake);
      const open = opened(signed.voucher.epoch);
      return expectTaken(verifyVoucher(signed, { law, domain: escrowDomain, open }));
    },
  };
  return crowd;
}

const NO_LIMIT = {
  egressBytes: maxOf("uint64"),
  storageByteSeconds: maxOf("uint96"),
  computeMilliseconds: maxOf("uint64"),
};

type Person = { readonly name: string; readonly address: Address };

function people(kind: string, count: number): readonly Person[] {
  return Array.from({ length: count }, (_, i) => {
    const name = `${kind}-${i + 1}`;
    return { name, address: address(name) };
  });
}

/** Signatures are deterministic by custom only: each `remake` gives another one, just as valid. */
function signer(people: ReadonlyMap<Address, Person>) {
  return (digest: Uint8Array, party: Address, remake: number): Uint8Array => {
    const person = people.get(party);
    if (person === undefined) throw new Error(`nobody here signs for ${party}`);
    const key = keyOf(person.name);
    const extraEntropy = remake === 0 ? false : keccak256(utf8(`remake ${remake}`));
    if (isP256(person.name)) return p256.sign(digest, key, { lowS: true, extraEntropy });
    const recovered = secp256k1.sign(digest, key, {
      prehash: false,
      lowS: true,
      format: "recovered",
      extraEntropy,
    });
    const compact = recovered.slice(1);
    if (recovered[0] === 1) compact[32] = (compact[32] as number) | 0x80;
    return compact;
  };
}
