import { type Address, keccak256, utf8 } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { addressOf, sign } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import type { LawEvent, LawEventArgs, LawEventName } from "@link-rewards/core/law/events";
import type { Law } from "@link-rewards/core/law/law";
import { replay } from "@link-rewards/core/law/replay";
import { type VerifiedReceipt, verifyReceipt } from "@link-rewards/core/law/verify";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { type Receipt, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";

/** A small world for tests and golden vectors: named keys, one deployment, and a chain with a few events. */
export function keyOf(name: string): Uint8Array {
  return keccak256(utf8(`link-rewards test key: ${name}`));
}

export function address(name: string): Address {
  return addressOf(keyOf(name));
}

export const deployment: Deployment = {
  chainId: 31337,
  contracts: {
    linkToken: "0x1000000000000000000000000000000000000001",
    deviceRegistry: "0x1000000000000000000000000000000000000002",
    customerEscrow: "0x1000000000000000000000000000000000000003",
    oracleQuorum: "0x1000000000000000000000000000000000000004",
    epochLedger: "0x1000000000000000000000000000000000000005",
    rewardDistributor: "0x1000000000000000000000000000000000000006",
  },
  genesis: 1_700_000_000,
  epochSeconds: 86_400,
  graceSeconds: 3_600,
  emissionShare: 600_000_000n * 10n ** 18n,
};

const domainOf = (contract: Address) => domainSeparator(deployment.chainId, contract);
export const registryDomain = domainOf(deployment.contracts.deviceRegistry);
export const escrowDomain = domainOf(deployment.contracts.customerEscrow);
export const ledgerDomain = domainOf(deployment.contracts.epochLedger);

type Happening = { [N in LawEventName]: readonly [N, LawEventArgs<N>] }[LawEventName];

/** One event a block, from `firstBlock` on. */
export function chain(happenings: readonly Happening[], firstBlock = 1): readonly LawEvent[] {
  return happenings.map(
    ([name, args], i) => ({ name, args, blockNumber: firstBlock + i, logIndex: 0 }) as LawEvent,
  );
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
  rewardCapBps: 15_000,
};

/** Alice owns two devices, Bob one; two customers with a gateway each; all from epoch 1 on. */
export const founding: readonly Happening[] = [
  ["RulesSet", { fromEpoch: 1, rulesHash: RULES_HASH }],
  ["TariffSet", { fromEpoch: 1, tariff }],
  ["ClassLimitSet", { deviceClass: 1, fromEpoch: 1, ...limit }],
  ...["device-1", "device-2", "device-3"].map(
    (name) => ["DeviceEnrolled", { device: address(name), deviceClass: 1 }] as const,
  ),
  ["AccountIndexed", { account: address("alice"), index: 0 }],
  bound("device-1", "alice"),
  bound("device-2", "alice"),
  ["AccountIndexed", { account: address("bob"), index: 1 }],
  bound("device-3", "bob"),
  ...["customer-1", "customer-2"].flatMap(
    (name, i) =>
      [
        ["CustomerAdmitted", { customer: address(name), fromEpoch: 1 }],
        ["KeyAdded", { customer: address(name), key: address(`gateway-${i + 1}`), fromEpoch: 1 }],
      ] as const,
  ),
];

export function bound(device: string, account: string, fromEpoch = 1): Happening {
  return ["DeviceBound", { device: address(device), account: address(account), fromEpoch }];
}

export function collected(customer: string, epoch: number, amount: bigint, before = 0n): Happening {
  const total = before + amount;
  return [
    "VoucherCollected",
    {
      customer: address(customer),
      epoch,
      countedEpoch: epoch,
      cumulative: total,
      amount,
      collected: total,
    },
  ];
}

export function lawOf(...more: readonly Happening[]): Law {
  return replay(chain([...founding, ...more]));
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
    customerSignature: sign(digest, keyOf(keys.gateway ?? gatewayOf(receipt.customer))),
    deviceSignature: sign(digest, keyOf(keys.device ?? nameOfDevice(receipt.device))),
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
  const outcome = verifyReceipt(signed, { law, domain: registryDomain });
  if (isRefused(outcome)) throw new Error(`${outcome.refusal}: ${outcome.message}`);
  return outcome;
}
