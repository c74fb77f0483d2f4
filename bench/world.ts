import { createRequire } from "node:module";
import { type Address, keccak256, toHex, utf8, writeUint } from "@link-rewards/core/encoding/bytes";
import { SIGNATURE_BYTES } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { emptyLaw, type Law } from "@link-rewards/core/law/law";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import {
  packReceipt,
  type Receipt,
  receiptDigests,
  SIGNED_RECEIPT_BYTES,
} from "@link-rewards/core/signed/receipt";

/** An epoch of any size: every device serves two customers, and accounts have one device or two. */
export const EPOCH = 1;
const CUSTOMERS = 1_000;
const CUSTOMERS_OF_DEVICE = 2;
const DEVICES_PER_ACCOUNT = 5 / 3;

const contract = (n: number): Address => `0x${n.toString(16).padStart(40, "c")}`;
export const deployment: Deployment = {
  chainId: 31337,
  contracts: {
    linkToken: contract(1),
    deviceRegistry: contract(2),
    customerEscrow: contract(3),
    oracleQuorum: contract(4),
    epochLedger: contract(5),
    rewardDistributor: contract(6),
  },
  genesis: 1_700_000_000,
  epochSeconds: 604_800,
  graceSeconds: 3_600,
  emissionShare: 600_000_000n * 10n ** 18n,
};
export const domain = domainSeparator(deployment.chainId, deployment.contracts.deviceRegistry);

/** What is used of the secp256k1 package to make signatures by the million. */
type Bindings = {
  publicKeyCreate(key: Uint8Array, compressed: boolean): Uint8Array;
  ecdsaSign(digest: Uint8Array, key: Uint8Array): { signature: Uint8Array; recid: number };
};
const secp256k1 = createRequire(import.meta.url)("secp256k1/bindings.js") as Bindings;

export function keyOf(name: string): Uint8Array {
  return keccak256(utf8(`bench ${name}`));
}

function addressOfKey(key: Uint8Array): Address {
  return toHex(keccak256(secp256k1.publicKeyCreate(key, false).subarray(1)).subarray(12));
}

function compactSignature(digest: Uint8Array, key: Uint8Array): Uint8Array {
  const { signature, recid } = secp256k1.ecdsaSign(digest, key);
  signature[32] = (signature[32] as number) | (recid << 7);
  return signature;
}

export type World = {
  readonly law: Law;
  readonly receipts: Receipt[];
};

/** `signed`: devices and customers have keys, which takes longer than making up addresses. */
export function worldOf(contributions: number, { signed }: { signed: boolean }): World {
  const addressFor = (name: string) =>
    signed ? addressOfKey(keyOf(name)) : toHex(keyOf(name).subarray(12));
  const law = emptyLaw();
  const devices = Math.ceil(contributions / CUSTOMERS_OF_DEVICE);
  const accounts = Math.ceil(devices / DEVICES_PER_ACCOUNT);
  law.rules.push({ fromEpoch: 1, value: RULES_HASH });
  law.tariffs.push({
    fromEpoch: 1,
    value: {
      egressPrice: 10n ** 18n,
      storagePrice: 2n * 10n ** 13n,
      computePrice: 3n * 10n ** 21n,
      rewardCapBps: 15_000,
    },
  });
  const limit = {
    egressBytes: 10n ** 13n,
    storageByteSeconds: 10n ** 18n,
    computeMilliseconds: 10n ** 10n,
  };
  law.limits.set(1, [{ fromEpoch: 1, value: limit }]);
  for (let i = 0; i < accounts; i++) {
    const account = toHex(keyOf(`account ${i}`).subarray(12));
    law.accountIndex.set(account, i);
    law.accounts.push(account);
    law.accountBlocks.push(1);
  }
  const customers = Array.from({ length: CUSTOMERS }, (_, i) => addressFor(`customer ${i}`));
  for (const [i, customer] of customers.entries()) {
    law.customers.set(customer, {
      admitted: [{ fromEpoch: 1, value: true }],
      keys: new Map([[customer, [{ fromEpoch: 1, value: true }]]]),
      // One of ten pays less than it owes.
      paid: new Map([[EPOCH, i % 10 === 0 ? 10n ** 17n : 10n ** 24n]]),
      collected: 0n,
    });
  }
  law.funds.set(EPOCH, 10n ** 26n);
  law.position = { blockNumber: 1, logIndex: 0 };
  const receipts: Receipt[] = [];
  for (let i = 0; i < devices; i++) {
    const device = addressFor(`device ${i}`);
    const account = law.accounts[i % accounts] as Address;
    law.devices.set(device, {
      class: 1,
      accounts: [{ fromEpoch: 1, value: account }],
      revokedFrom: undefined,
    });
    for (let n = 0; n < CUSTOMERS_OF_DEVICE && receipts.length < contributions; n++) {
      receipts.push({
        device,
        customer: customers[(i * 7 + n) % CUSTOMERS] as Address,
        epoch: EPOCH,
        sequence: 1 + (i % 1000),
        egressBytes: 10n ** 9n * BigInt(1 + (i % 997)),
        storageByteSeconds: 10n ** 14n * BigInt(1 + (i % 89)),
        computeMilliseconds: 10n ** 5n * BigInt(1 + (i % 53)),
      });
    }
  }
  return { law, receipts };
}

/** Packed signed receipts, one after the other; of device `i`'s receipts the names are those of `worldOf`. */
export function signReceipts({ receipts }: World): Uint8Array {
  const packed = new Uint8Array(receipts.length * SIGNED_RECEIPT_BYTES);
  receipts.forEach((receipt, i) => {
    packed.set(packReceipt(receipt), i * SIGNED_RECEIPT_BYTES);
  });
  const digests = receiptDigests(domain, packed, SIGNED_RECEIPT_BYTES);
  const customerKeys = new Map<Address, Uint8Array>();
  for (let i = 0; i < CUSTOMERS; i++) {
    const key = keyOf(`customer ${i}`);
    customerKeys.set(addressOfKey(key), key);
  }
  receipts.forEach(({ customer }, i) => {
    const digest = digests.subarray(i * 32, (i + 1) * 32);
    const end = (i + 1) * SIGNED_RECEIPT_BYTES;
    const device = Math.floor(i / CUSTOMERS_OF_DEVICE);
    const customerKey = customerKeys.get(customer) as Uint8Array;
    packed.set(compactSignature(digest, customerKey), end - 2 * SIGNATURE_BYTES);
    packed.set(compactSignature(digest, keyOf(`device ${device}`)), end - SIGNATURE_BYTES);
  });
  return packed;
}

/** rewards.bin of `count` accounts. */
export function rewardsOf(count: number): Uint8Array {
  const rewards = new Uint8Array(count * 44);
  let prefix = 0n;
  for (let i = 0; i < count; i++) {
    const cumulative = BigInt((i * 7919) % 1_000_003) * 10n ** 12n;
    writeUint(rewards, i * 44 + 16, 4, i + 1);
    writeUint(rewards, i * 44 + 20, 12, cumulative);
    writeUint(rewards, i * 44 + 32, 12, prefix);
    prefix += cumulative;
  }
  return rewards;
}
