import { at } from "../encoding/at.ts";
import { type Address, type Hex, ZERO_HASH } from "../encoding/bytes.ts";
import type { Amounts } from "../signed/receipt.ts";
import type { Report } from "../signed/report.ts";
import type { Tariff } from "./events.ts";
import { type Timeline, valueAt } from "./timeline.ts";

/**
 * What the contracts say, as an index over their events (replay.ts). Whatever is asked by epoch has stopped changing
 * once that epoch is sealed, so a law that is further ahead gives the same answers.
 */
export type Law = {
  readonly devices: Map<Address, Device>;
  readonly limits: Map<number, Timeline<Amounts>>;
  /** By index: position i is the account with registry index i. */
  readonly accounts: Address[];
  readonly accountIndex: Map<Address, number>;
  /** The block in which account i got its index. */
  readonly accountBlocks: number[];
  readonly customers: Map<Address, Customer>;
  readonly funds: Map<number, bigint>;
  readonly tariffs: Timeline<Tariff>;
  readonly rules: Timeline<Hex>;
  readonly finals: Map<number, FinalEpoch>;
  readonly members: Map<Address, Member>;
  threshold: bigint;
  lastFinal: FinalEpoch;
  /** The attempt of the epoch after the last final one. */
  attempt: number;
  pending: Proposal | undefined;
  /** What the guardian vetoed in that epoch, in whichever attempt. */
  vetoed: Set<Hex>;
  /** The last event applied. */
  position: { readonly blockNumber: number; readonly logIndex: number };
};

export type Device = {
  readonly class: number;
  readonly accounts: Timeline<Address>;
  revokedFrom: number | undefined;
};

export type Customer = {
  readonly admitted: Timeline<boolean>;
  readonly keys: Map<Address, Timeline<boolean>>;
  readonly paid: Map<number, bigint>;
  collected: bigint;
};

export type Member = { readonly slot: bigint; readonly fromEpoch: number };

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
  readonly delta: bigint;
  readonly carry: bigint;
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
  carry: 0n,
  leaves: 0,
  bundleHash: ZERO_HASH,
  proposal: undefined,
};

export function emptyLaw(): Law {
  return {
    devices: new Map(),
    limits: new Map(),
    accounts: [],
    accountIndex: new Map(),
    accountBlocks: [],
    customers: new Map(),
    funds: new Map(),
    tariffs: [],
    rules: [],
    finals: new Map([[0, BEFORE_THE_FIRST]]),
    members: new Map(),
    threshold: 0n,
    lastFinal: BEFORE_THE_FIRST,
    attempt: 0,
    pending: undefined,
    vetoed: new Set(),
    position: { blockNumber: -1, logIndex: -1 },
  };
}

/** The account a device earns for; none when unknown, unbound or revoked. */
export function ownerAt(law: Law, device: Address, epoch: number): Address | undefined {
  const state = law.devices.get(device);
  if (state === undefined || isRevokedAt(state, epoch)) return undefined;
  return valueAt(state.accounts, epoch);
}

/** Revocation is final, also against a binding that was still to come. */
export function isRevokedAt(device: Device, epoch: number): boolean {
  return device.revokedFrom !== undefined && epoch >= device.revokedFrom;
}

export function deviceClass(law: Law, device: Address): number | undefined {
  return law.devices.get(device)?.class;
}

export function indexOf(law: Law, account: Address): number | undefined {
  return law.accountIndex.get(account);
}

/** How many accounts had an index at the end of `blockNumber`. */
export function accountsAt(law: Law, blockNumber: number): number {
  let low = 0;
  let high = law.accountBlocks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(law.accountBlocks, middle) <= blockNumber) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function isCustomerAt(law: Law, customer: Address, epoch: number): boolean {
  const state = law.customers.get(customer);
  return state !== undefined && valueAt(state.admitted, epoch) === true;
}

/** As the escrow says it: a key does not count while its customer is not admitted. */
export function isKeyAt(law: Law, customer: Address, key: Address, epoch: number): boolean {
  const timeline = law.customers.get(customer)?.keys.get(key);
  return (
    timeline !== undefined &&
    isCustomerAt(law, customer, epoch) &&
    valueAt(timeline, epoch) === true
  );
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
      rewardCapBps: 0,
    }
  );
}

export function rulesAt(law: Law, epoch: number): Hex {
  return valueAt(law.rules, epoch) ?? ZERO_HASH;
}

/** What `customer` paid that counts for `epoch`, in wei. */
export function paid(law: Law, customer: Address, epoch: number): bigint {
  return law.customers.get(customer)?.paid.get(epoch) ?? 0n;
}

/** What all customers paid that counts for `epoch`, in wei. */
export function fund(law: Law, epoch: number): bigint {
  return law.funds.get(epoch) ?? 0n;
}

/** What `customer` has paid in all, in wei. */
export function collected(law: Law, customer: Address): bigint {
  return law.customers.get(customer)?.collected ?? 0n;
}

/** Members that have not left and whose first epoch has come. Whether the bond is paid, the quorum contract says. */
export function membersAt(law: Law, epoch: number): readonly Address[] {
  return [...law.members]
    .filter(([, { fromEpoch }]) => fromEpoch <= epoch)
    .map(([member]) => member);
}
