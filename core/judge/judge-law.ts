import type { Address, Hex } from "../encoding/bytes.ts";
import { NO_PUBLIC_KEY } from "../encoding/p256.ts";
import type { Tariff } from "../law/events.ts";
import {
  capAt,
  deviceClass,
  indexOf,
  type Law,
  limitAt,
  ownerAt,
  paid,
  publicKeyOf,
  tariffAt,
} from "../law/law.ts";
import type { Amounts } from "../signed/receipt.ts";

/** What the judge asks of the contracts. There is an answer to whatever a row says. */
export type JudgeLaw = {
  /** Undefined when the device earns for nobody. */
  ownerAt(device: Address, epoch: number): Address | undefined;
  /** What the device's class can deliver in an epoch. */
  limitAt(device: Address, epoch: number): Amounts;
  /** In wei; 0 for who is no key of the customer. */
  capAt(customer: Address, key: Address, epoch: number): bigint;
  /** After all others for an account without one. */
  indexOf(account: Address): number;
  tariffAt(epoch: number): Tariff;
  /** In wei. */
  paid(customer: Address, epoch: number): bigint;
  /** Of a device whose key is P-256; else empty. */
  publicKeyOf(device: Address): Hex;
};

/** The contract's is 2^256 − 1: the same after all others, and equal to itself. */
const NO_INDEX = Number.POSITIVE_INFINITY;

export function judgeLawOf(law: Law): JudgeLaw {
  return {
    ownerAt: (device, epoch) => ownerAt(law, device, epoch),
    limitAt: (device, epoch) => limitAt(law, deviceClass(law, device) ?? 0, epoch),
    capAt: (customer, key, epoch) => capAt(law, customer, key, epoch),
    indexOf: (account) => indexOf(law, account) ?? NO_INDEX,
    tariffAt: (epoch) => tariffAt(law, epoch),
    paid: (customer, epoch) => paid(law, customer, epoch),
    publicKeyOf: (device) => publicKeyOf(law, device) ?? NO_PUBLIC_KEY,
  };
}
