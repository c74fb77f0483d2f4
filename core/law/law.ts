import { at } from "../encoding/at.ts";
import { type Address, type Hex, ZERO_HASH } from "../encoding/bytes.ts";
import type { PublicKeys } from "../encoding/p256.ts";
import type { Amounts } from "../signed/receipt.ts";
import type { Report } from "../signed/report.ts";
import {
  type Addresses,
  addAddress,
  addressAt,
  emptyAddresses,
  numberOf,
  withRoom,
} from "./addresses.ts";
import {
  accountBoundAt,
  type Devices,
  deviceAddress,
  emptyDevices,
  publicKeyAt,
  type Revocation,
} from "./devices.ts";
import type { Emitter, Tariff } from "./events.ts";
import { type Timeline, valueAt } from "./timeline.ts";

/**
 * What the contracts say, as an index over their events (replay.ts). Whatever is asked by epoch has stopped changing
 * once that epoch is sealed, so a law that is further ahead gives the same answers.
 */
export type Law = {
  readonly devices: Devices;
  readonly limits: Map<number, Timeline<Amounts>>;
  readonly accounts: Accounts;
  readonly customers: Map<Address, Customer>;
  readonly funds: Map<number, bigint>;
  readonly inspectors: Map<Address, Timeline<boolean>>;
  readonly tariffs: Timeline<Tariff>;
  readonly rules: Timeline<Rules>;
  readonly finals: Map<number, FinalEpoch>;
  /** By slot. */
  readonly members: Map<number, Member>;
  readonly thresholds: Timeline<number>;
  /** The last final epoch, once the ledger is closed: none follows. */
  closedAfter: number | undefined;
  lastFinal: FinalEpoch;
  /** The attempt of the epoch after the last final one. */
  attempt: number;
  pending: Proposal | undefined;
  /**
   * What the guardian vetoed, in whichever epoch and attempt, and nobody was slashed for; by digest. Which of them are
   * still open depends on the time and on demands: the ledger's `openUntil` says it.
   */
  vetoed: Map<Hex, Proposal>;
  /** Of each contract, the number of its last event applied; 0 before the first. */
  readonly revisions: Record<Emitter, number>;
  /** The last event applied. */
  position: { readonly blockNumber: number; readonly logIndex: number };
};

/** What an epoch is computed by, and the contract that judges it. */
export type Rules = { readonly hash: Hex; readonly judge: Address };

/** By registry index. */
export type Accounts = {
  readonly addresses: Addresses;
  /** The first epoch in which account i has a leaf, ascending. */
  fromEpochs: Uint32Array;
};

export type Customer = {
  readonly admitted: Timeline<boolean>;
  /** By key: the most, in wei, that is collected for an epoch on vouchers it signed; a key with a cap of 0 does not sign. */
  readonly caps: Map<Address, Timeline<bigint>>;
  /** Where its gateways are; empty when nowhere. */
  endpoint: string;
  readonly paid: Map<number, bigint>;
};

export type Member = {
  readonly keys: Timeline<Address>;
  /** The first epoch in which it signs, and has a seat. */
  readonly fromEpoch: number;
  /** The first epoch in which it no longer signs. */
  untilEpoch: number | undefined;
  /** The first epoch in which its seat no longer counts. */
  seatUntil: number | undefined;
};

export type Proposal = {
  readonly digest: Hex;
  readonly report: Report;
  readonly signers: bigint;
  readonly finalizableAt: bigint;
};

/** What an epoch fixed for good, with the parts of its report that later epochs build on. */
export type FinalEpoch = {
  readonly epoch: number;
  readonly root: Hex;
  readonly total: bigint;
  /** What went to the distributor, and the members' share; in wei. */
  readonly delta: bigint;
  readonly fee: bigint;
  readonly leaves: number;
  readonly bundleHash: Hex;
  /** The report it came from; none for the time before the first epoch. */
  readonly proposal: Proposal | undefined;
};

const BEFORE_THE_FIRST: FinalEpoch = {
  epoch: 0,
  root: ZERO_HASH,
  total: 0n,
  delta: 0n,
  fee: 0n,
  leaves: 0,
  bundleHash: ZERO_HASH,
  proposal: undefined,
};

/** `seed`: 32 bits of chance, where strangers' addresses will be in it (addresses.ts). */
export function emptyLaw(seed = 0): Law {
  return {
    devices: emptyDevices(seed),
    limits: new Map(),
    accounts: { addresses: emptyAddresses(seed), fromEpochs: new Uint32Array() },
    customers: new Map(),
    funds: new Map(),
    inspectors: new Map(),
    tariffs: [],
    rules: [],
    finals: new Map([[0, BEFORE_THE_FIRST]]),
    members: new Map(),
    thresholds: [],
    closedAfter: undefined,
    lastFinal: BEFORE_THE_FIRST,
    attempt: 0,
    pending: undefined,
    vetoed: new Map(),
    revisions: {
      deviceRegistry: 0,
      rewardProgramme: 0,
      customerEscrow: 0,
      epochLedger: 0,
      oracleQuorum: 0,
    },
    position: { blockNumber: -1, logIndex: -1 },
  };
}

/** The account a device earns for; none when unknown, unbound or revoked. */
export function ownerAt(law: Law, device: Address, epoch: number): Address | undefined {
  return isRevokedAt(law, device, epoch) ? undefined : boundTo(law, device, epoch);
}

/** The account that a device is bound to, revoked or not. */
export function boundTo(law: Law, device: Address, epoch: number): Address | undefined {
  const number = numberOf(law.devices.addresses, device);
  const account = number === undefined ? undefined : accountBoundAt(law.devices, number, epoch);
  return account === undefined ? undefined : accountAt(law, account);
}

export function isEnrolled(law: Law, device: Address): boolean {
  return numberOf(law.devices.addresses, device) !== undefined;
}

export function revocationOf(law: Law, device: Address): Revocation | undefined {
  const number = numberOf(law.devices.addresses, device);
  return number === undefined ? undefined : law.devices.revoked.get(number);
}

/** Revocation is final, also against a binding that was still to come. */
export function isRevokedAt(law: Law, device: Address, epoch: number): boolean {
  const revocation = revocationOf(law, device);
  return revocation !== undefined && epoch >= revocation.fromEpoch;
}

/** Devices that are revoked in `epoch`. */
export function revokedAt(law: Law, epoch: number): readonly (Revocation & { device: Address })[] {
  return [...law.devices.revoked]
    .filter(([, { fromEpoch }]) => fromEpoch <= epoch)
    .map(([number, revocation]) => ({
      ...revocation,
      device: deviceAddress(law.devices, number),
    }));
}

/** Of all devices whose key is P-256: asked one by one, they are never all spelled out. */
export function publicKeys(law: Law): PublicKeys {
  return { size: law.devices.keyCount, get: (device) => publicKeyOf(law, device) };
}

/** Undefined for a device whose key is secp256k1, or that was never enrolled. */
export function publicKeyOf(law: Law, device: Address): Hex | undefined {
  const number = numberOf(law.devices.addresses, device);
  return number === undefined ? undefined : publicKeyAt(law.devices, number);
}

export function deviceClass(law: Law, device: Address): number | undefined {
  const number = numberOf(law.devices.addresses, device);
  return number === undefined ? undefined : law.devices.classes[number];
}

export function indexOf(law: Law, account: Address): number | undefined {
  return numberOf(law.accounts.addresses, account);
}

/** The account with a registry index. */
export function accountAt(law: Law, index: number): Address {
  return addressAt(law.accounts.addresses, index);
}

/** All accounts, whether they have a leaf already or not. */
export function accountCount(law: Law): number {
  return law.accounts.addresses.count;
}

/** The accounts that have a leaf in `epoch`, by index. */
export function accountsIn(law: Law, epoch: number): readonly Address[] {
  return Array.from({ length: accountsAt(law, epoch) }, (_, i) => accountAt(law, i));
}

/** How many accounts have a leaf in `epoch`. */
export function accountsAt(law: Law, epoch: number): number {
  const { fromEpochs } = law.accounts;
  let low = 0;
  let high = accountCount(law);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(fromEpochs, middle) <= epoch) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The next account, with its index. Throws for one that is there: no registry indexes twice. */
export function addAccount(law: Law, account: Address, fromEpoch: number): number {
  const { number, known } = addAddress(law.accounts.addresses, account);
  if (known) throw new Error(`account ${account} has index ${number} already`);
  law.accounts.fromEpochs = withRoom(law.accounts.fromEpochs, number + 1);
  law.accounts.fromEpochs[number] = fromEpoch;
  return number;
}

export function isCustomerAt(law: Law, customer: Address, epoch: number): boolean {
  const state = law.customers.get(customer);
  return state !== undefined && valueAt(state.admitted, epoch) === true;
}

/** In wei. As the escrow says it: a key does not sign while its customer is not admitted. */
export function capAt(law: Law, customer: Address, key: Address, epoch: number): bigint {
  const timeline = law.customers.get(customer)?.caps.get(key);
  if (timeline === undefined || !isCustomerAt(law, customer, epoch)) return 0n;
  return valueAt(timeline, epoch) ?? 0n;
}

export function isKeyAt(law: Law, customer: Address, key: Address, epoch: number): boolean {
  return capAt(law, customer, key, epoch) > 0n;
}

/** Nothing is plausible for a class without a limit. */
export function limitAt(law: Law, deviceClass: number, epoch: number): Amounts {
  const timeline = law.limits.get(deviceClass) ?? [];
  return (
    valueAt(timeline, epoch) ?? { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n }
  );
}

/** Before any tariff was set everything is worth nothing. */
export function tariffAt(law: Law, epoch: number): Tariff {
  return (
    valueAt(law.tariffs, epoch) ?? {
      egressPrice: 0n,
      storagePrice: 0n,
      computePrice: 0n,
      feeBps: 0,
    }
  );
}

export function rulesAt(law: Law, epoch: number): Hex {
  return valueAt(law.rules, epoch)?.hash ?? ZERO_HASH;
}

/** What `customer` paid for `epoch`, in wei. */
export function paid(law: Law, customer: Address, epoch: number): bigint {
  return law.customers.get(customer)?.paid.get(epoch) ?? 0n;
}

/** What all customers paid for `epoch`, in wei. */
export function fund(law: Law, epoch: number): bigint {
  return law.funds.get(epoch) ?? 0n;
}

/** Whether the reward programme pays what `address` promises for `epoch`. */
export function isInspectorAt(law: Law, address: Address, epoch: number): boolean {
  return valueAt(law.inspectors.get(address) ?? [], epoch) === true;
}

/** The keys that sign in `epoch`, by slot. Whether the bond is paid, the quorum contract says. */
export function membersAt(law: Law, epoch: number): readonly Address[] {
  return [...law.members.values()]
    .filter(({ fromEpoch, untilEpoch }) => fromEpoch <= epoch && !isOver(untilEpoch, epoch))
    .map(({ keys }) => valueAt(keys, epoch))
    .filter((key) => key !== undefined);
}

/** How many members must sign in `epoch`: never more than have a seat, and never none. */
export function thresholdAt(law: Law, epoch: number): number {
  const seats = [...law.members.values()].filter(
    ({ fromEpoch, seatUntil }) => fromEpoch <= epoch && !isOver(seatUntil, epoch),
  );
  return Math.max(1, Math.min(valueAt(law.thresholds, epoch) ?? 1, seats.length));
}

function isOver(until: number | undefined, epoch: number): boolean {
  return until !== undefined && until <= epoch;
}
