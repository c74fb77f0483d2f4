import { createRequire } from "node:module";
import {
  type Address,
  keccak256,
  toHex,
  utf8,
  writeUint,
  ZERO_ADDRESS,
} from "@link-rewards/core/encoding/bytes";
import { SIGNATURE_BYTES } from "@link-rewards/core/encoding/signature";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import { bind, enrol } from "@link-rewards/core/law/devices";
import { addAccount, emptyLaw, type Law } from "@link-rewards/core/law/law";
import {
  packReceipt,
  type Receipt,
  receiptDigests,
  SIGNED_RECEIPT_BYTES,
} from "@link-rewards/core/signed/receipt";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import { limit, registryDomain, tariff } from "../test/worlds/paper.ts";

/**
 * The world on paper again, at any size: every device serves two customers, and accounts have one device or two. Its law is
 * filled in and not replayed, and its keys are made natively, or a million of them would take minutes.
 */
export const EPOCH = 1;
const CUSTOMERS = 1_000;
const CUSTOMERS_OF_DEVICE = 2;
const DEVICES_PER_ACCOUNT = 5 / 3;

export const domain = registryDomain;

/** What is used of the secp256k1 package to make keys by the million. */
type Bindings = { publicKeyCreate(key: Uint8Array, compressed: boolean): Uint8Array };
const secp256k1 = createRequire(import.meta.url)("secp256k1/bindings.js") as Bindings;

export function keyOf(name: string): Uint8Array {
  return keccak256(utf8(`bench ${name}`));
}

function addressOfKey(key: Uint8Array): Address {
  return toHex(keccak256(secp256k1.publicKeyCreate(key, false).subarray(1)).subarray(12));
}

const { sign } = loadSecp256k1();

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
  law.rules.push({ fromEpoch: 1, value: { hash: RULES_HASH, judge: ZERO_ADDRESS } });
  law.tariffs.push({ fromEpoch: 1, value: tariff });
  law.limits.set(1, [{ fromEpoch: 1, value: limit }]);
  for (let i = 0; i < accounts; i++) {
    const account = toHex(keyOf(`account ${i}`).subarray(12));
    addAccount(law, account, 1);
  }
  const customers = Array.from({ length: CUSTOMERS }, (_, i) => addressFor(`customer ${i}`));
  for (const [i, customer] of customers.entries()) {
    law.customers.set(customer, {
      admitted: [{ fromEpoch: 1, value: true }],
      caps: new Map([[customer, [{ fromEpoch: 1, value: MAX_AMOUNT }]]]),
      endpoint: "",
      // One of ten pays less than it owes.
      paid: new Map([[EPOCH, i % 10 === 0 ? 10n ** 17n : 10n ** 24n]]),
    });
  }
  law.funds.set(EPOCH, 10n ** 27n);
  law.position = { blockNumber: 1, logIndex: 0 };
  const receipts: Receipt[] = [];
  for (let i = 0; i < devices; i++) {
    const device = addressFor(`device ${i}`);
    bind(law.devices, enrol(law.devices, device, 1), i % accounts, 1);
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
    packed.set(sign(digest, customerKey), end - 2 * SIGNATURE_BYTES);
    packed.set(sign(digest, keyOf(`device ${device}`)), end - SIGNATURE_BYTES);
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
