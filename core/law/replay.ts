import type { Address } from "../encoding/bytes.ts";
import type { LawEvent, LawEventArgs, LawEventName } from "./events.ts";
import { type Customer, type Device, emptyLaw, type Law } from "./law.ts";
import { setFrom } from "./timeline.ts";

type Apply = {
  [N in LawEventName]: (law: Law, args: LawEventArgs<N>, blockNumber: number) => void;
};

/** Events in the order of the chain. Throws when one is repeated or skipped back: the log would be corrupt. */
export function applyEvent(law: Law, event: LawEvent): void {
  const { blockNumber, logIndex } = event;
  const last = law.position;
  if (
    blockNumber < last.blockNumber ||
    (blockNumber === last.blockNumber && logIndex <= last.logIndex)
  ) {
    throw new Error(
      `event ${event.name} at ${blockNumber}/${logIndex} does not follow ${last.blockNumber}/${last.logIndex}`,
    );
  }
  (APPLY[event.name] as (law: Law, args: unknown, blockNumber: number) => void)(
    law,
    event.args,
    blockNumber,
  );
  law.position = { blockNumber, logIndex };
}

export function replay(events: Iterable<LawEvent>): Law {
  const law = emptyLaw();
  for (const event of events) applyEvent(law, event);
  return law;
}

const APPLY: Apply = {
  DeviceEnrolled: (law, { device, deviceClass }) => {
    law.devices.set(device, { class: deviceClass, accounts: [], revokedFrom: undefined });
  },
  ClassLimitSet: (law, { deviceClass, fromEpoch, ...limit }) => {
    setFrom(
      getOrSet(law.limits, deviceClass, () => []),
      fromEpoch,
      limit,
    );
  },
  AccountIndexed: (law, { account, index }, blockNumber) => {
    if (index !== law.accounts.length)
      throw new Error(`account ${account} has index ${index}, expected ${law.accounts.length}`);
    law.accounts.push(account);
    law.accountIndex.set(account, index);
    law.accountBlocks.push(blockNumber);
  },
  DeviceBound: (law, { device, account, fromEpoch }) => {
    setFrom(deviceOf(law, device).accounts, fromEpoch, account);
  },
  DeviceTransferred: (law, { device, to, fromEpoch }) => {
    setFrom(deviceOf(law, device).accounts, fromEpoch, to);
  },
  DeviceRevoked: (law, { device, fromEpoch }) => {
    deviceOf(law, device).revokedFrom = fromEpoch;
  },
  CustomerAdmitted: (law, { customer, fromEpoch }) => {
    setFrom(customerOf(law, customer).admitted, fromEpoch, true);
  },
  CustomerDismissed: (law, { customer, fromEpoch }) => {
    setFrom(customerOf(law, customer).admitted, fromEpoch, false);
  },
  KeyAdded: (law, { customer, key, fromEpoch }) => {
    setFrom(keyOf(law, customer, key), fromEpoch, true);
  },
  KeyRemoved: (law, { customer, key, fromEpoch }) => {
    setFrom(keyOf(law, customer, key), fromEpoch, false);
  },
  VoucherCollected: (law, { customer, countedEpoch, amount, collected }) => {
    const state = customerOf(law, customer);
    state.paid.set(countedEpoch, (state.paid.get(countedEpoch) ?? 0n) + amount);
    state.collected = collected;
    law.funds.set(countedEpoch, (law.funds.get(countedEpoch) ?? 0n) + amount);
  },
  TariffSet: (law, { fromEpoch, tariff }) => setFrom(law.tariffs, fromEpoch, tariff),
  RulesSet: (law, { fromEpoch, rulesHash }) => setFrom(law.rules, fromEpoch, rulesHash),
  RootProposed: (law, { digest, report, signers, finalizableAt }) => {
    law.pending = { digest, report, signers, finalizableAt };
  },
  RootVetoed: (law, { digest }) => {
    law.vetoed.add(digest);
    endAttempt(law);
  },
  RootRevoked: endAttempt,
  AttemptAbandoned: endAttempt,
  RootFinalized: (law, { epoch, root, total, delta, carry }) => {
    const proposal = law.pending;
    if (proposal?.report.epoch !== epoch || proposal.report.root !== root) {
      throw new Error(`epoch ${epoch} became final without a matching proposal`);
    }
    const { leaves, bundleHash } = proposal.report;
    law.lastFinal = { epoch, root, total, delta, carry, leaves, bundleHash, proposal };
    law.finals.set(epoch, law.lastFinal);
    law.pending = undefined;
    law.attempt = 0;
    law.vetoed = new Set();
  },
  MemberAdded: (law, { member, slot, fromEpoch, threshold }) => {
    law.members.set(member, { slot, fromEpoch });
    law.threshold = threshold;
  },
  MemberRemoved: (law, { member, threshold }) => {
    law.members.delete(member);
    law.threshold = threshold;
  },
  ThresholdSet: (law, { threshold }) => {
    law.threshold = threshold;
  },
  MemberExited: dropMember,
  MemberSlashed: dropMember,
};

function endAttempt(law: Law): void {
  law.pending = undefined;
  law.attempt += 1;
}

function dropMember(law: Law, { member }: { member: Address }): void {
  law.members.delete(member);
}

function deviceOf(law: Law, device: Address): Device {
  const state = law.devices.get(device);
  if (state === undefined)
    throw new Error(`device ${device} is in an event but was never enrolled`);
  return state;
}

/** Anyone may add keys, also before being admitted. */
function customerOf(law: Law, customer: Address): Customer {
  return getOrSet(law.customers, customer, () => ({
    admitted: [],
    keys: new Map(),
    paid: new Map(),
    collected: 0n,
  }));
}

function keyOf(law: Law, customer: Address, key: Address) {
  return getOrSet(customerOf(law, customer).keys, key, () => []);
}

function getOrSet<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const present = map.get(key);
  if (present !== undefined) return present;
  const made = make();
  map.set(key, made);
  return made;
}
