import type { Address } from "../encoding/bytes.ts";
import { numberOf } from "./addresses.ts";
import { bind, enrol } from "./devices.ts";
import { EMITTER_OF, type LawEvent, type LawEventArgs, type LawEventName } from "./events.ts";
import {
  accountCount,
  accountsAt,
  addAccount,
  type Customer,
  emptyLaw,
  indexOf,
  type Law,
  type Member,
} from "./law.ts";
import { setFrom, type Timeline } from "./timeline.ts";

type Apply = { [N in LawEventName]: (law: Law, args: LawEventArgs<N>) => void };

/**
 * Events in the order of the chain, all of them. Throws when one is missing or comes twice: whatever were computed from
 * such a law could be wrong.
 */
export function applyEvent(law: Law, event: LawEvent): void {
  const { name, args, blockNumber, logIndex } = event;
  const last = law.position;
  if (
    blockNumber < last.blockNumber ||
    (blockNumber === last.blockNumber && logIndex <= last.logIndex)
  ) {
    throw new Error(
      `event ${name} at ${blockNumber}/${logIndex} does not follow ${last.blockNumber}/${last.logIndex}`,
    );
  }
  const emitter = EMITTER_OF[name];
  const expected = law.revisions[emitter] + 1;
  if (args.revision !== expected) {
    throw new Error(
      `event ${name} at ${blockNumber}/${logIndex} is number ${args.revision} of ${emitter}, expected ${expected}: the node left out events or gave some twice; read them again, or use another node`,
    );
  }
  (APPLY[name] as (law: Law, args: unknown) => void)(law, args);
  law.revisions[emitter] = expected;
  law.position = { blockNumber, logIndex };
}

export function replay(events: Iterable<LawEvent>, law = emptyLaw()): Law {
  for (const event of events) applyEvent(law, event);
  return law;
}

const APPLY: Apply = {
  DeviceEnrolled: (law, { device, deviceClass, publicKey }) => {
    enrol(law.devices, device, deviceClass, publicKey);
  },
  ClassLimitSet: (
    law,
    { deviceClass, fromEpoch, egressBytes, storageByteSeconds, computeMilliseconds },
  ) => {
    const limits = getOrSet(law.limits, deviceClass, () => []);
    setFrom(limits, fromEpoch, { egressBytes, storageByteSeconds, computeMilliseconds });
  },
  AccountIndexed: (law, { account, index, fromEpoch }) => {
    const next = accountCount(law);
    if (index !== next) throw new Error(`account ${account} has index ${index}, expected ${next}`);
    addAccount(law, account, fromEpoch);
  },
  DeviceBound: (law, { device, account, fromEpoch }) => bindTo(law, device, account, fromEpoch),
  DeviceTransferred: (law, { device, to, fromEpoch }) => bindTo(law, device, to, fromEpoch),
  DeviceRevoked: (law, { device, fromEpoch, reason }) => {
    law.devices.revoked.set(deviceOf(law, device), { fromEpoch, reason });
  },
  InspectorAdded: (law, { inspector, fromEpoch }) => {
    setFrom(inspectorOf(law, inspector), fromEpoch, true);
  },
  InspectorRemoved: (law, { inspector, fromEpoch }) => {
    setFrom(inspectorOf(law, inspector), fromEpoch, false);
  },
  CustomerAdmitted: (law, { customer, fromEpoch }) => {
    setFrom(customerOf(law, customer).admitted, fromEpoch, true);
  },
  CustomerDismissed: (law, { customer, fromEpoch }) => {
    setFrom(customerOf(law, customer).admitted, fromEpoch, false);
  },
  KeySet: (law, { customer, key, cap, fromEpoch }) => {
    const caps = getOrSet(customerOf(law, customer).caps, key, () => []);
    setFrom(caps, fromEpoch, cap);
  },
  EndpointSet: (law, { customer, url }) => {
    customerOf(law, customer).endpoint = url;
  },
  VoucherCollected: (law, { customer, epoch, amount, paid }) => {
    customerOf(law, customer).paid.set(epoch, paid);
    law.funds.set(epoch, (law.funds.get(epoch) ?? 0n) + amount);
  },
  TariffSet: (law, { fromEpoch, tariff }) => setFrom(law.tariffs, fromEpoch, tariff),
  RulesSet: (law, { fromEpoch, rulesHash, judge }) => {
    setFrom(law.rules, fromEpoch, { hash: rulesHash, judge });
  },
  RootProposed: (law, { digest, report, signers, finalizableAt }) => {
    law.pending = { digest, report, signers, finalizableAt };
  },
  RootVetoed: (law, { epoch, digest }) => {
    if (law.pending?.digest !== digest)
      throw new Error(`${digest} of epoch ${epoch} was vetoed and was not pending`);
    law.vetoed.set(digest, law.pending);
    endAttempt(law);
  },
  // One that was vetoed before can be convicted while a later attempt goes on.
  RootRevoked: (law, { digest }) => {
    law.vetoed.delete(digest);
    if (law.pending?.digest === digest) endAttempt(law);
  },
  AttemptAbandoned: endAttempt,
  RootFinalized: (law, { epoch, root, total, delta, fee }) => {
    const proposal = law.pending;
    if (proposal?.report.epoch !== epoch || proposal.report.root !== root) {
      throw new Error(`epoch ${epoch} became final without a matching proposal`);
    }
    const { bundleHash } = proposal.report;
    const leaves = accountsAt(law, epoch);
    law.lastFinal = { epoch, root, total, delta, fee, leaves, bundleHash, proposal };
    law.finals.set(epoch, law.lastFinal);
    law.pending = undefined;
    law.attempt = 0;
  },
  LedgerClosed: (law, { lastEpoch }) => {
    law.closedAfter = lastEpoch;
  },
  MemberAdded: (law, { member, slot, fromEpoch }) => {
    const keys = [{ fromEpoch: 0, value: member }];
    law.members.set(slot, { keys, fromEpoch, untilEpoch: undefined, seatUntil: undefined });
  },
  MemberExited: (law, { slot, fromEpoch }) => endMember(law, slot, fromEpoch, fromEpoch),
  // What lowers the threshold without the member's own doing takes one whole epoch more.
  MemberRemoved: (law, { slot, fromEpoch }) => endMember(law, slot, fromEpoch, fromEpoch),
  MemberSlashed: (law, { slot, fromEpoch }) => endMember(law, slot, fromEpoch, fromEpoch + 2),
  // Of two rotations in one epoch the later counts, and the key before both signs until then.
  MemberRotated: (law, { successor, slot, fromEpoch }) => {
    setFrom(memberOf(law, slot).keys, fromEpoch, successor);
  },
  ThresholdSet: (law, { threshold, fromEpoch }) => setFrom(law.thresholds, fromEpoch, threshold),
};

function endAttempt(law: Law): void {
  law.pending = undefined;
  law.attempt += 1;
}

/** A member that is slashed after it left stops signing at once; its seat goes as it would have gone. */
function endMember(law: Law, slot: number, untilEpoch: number, seatUntil: number): void {
  const member = memberOf(law, slot);
  member.untilEpoch = Math.min(member.untilEpoch ?? untilEpoch, untilEpoch);
  member.seatUntil ??= seatUntil;
}

function memberOf(law: Law, slot: number): Member {
  const member = law.members.get(slot);
  if (member === undefined) throw new Error(`slot ${slot} is in an event but has no member`);
  return member;
}

function inspectorOf(law: Law, inspector: Address): Timeline<boolean> {
  return getOrSet(law.inspectors, inspector, () => []);
}

function bindTo(law: Law, device: Address, account: Address, fromEpoch: number): void {
  const index = indexOf(law, account);
  if (index === undefined)
    throw new Error(`device ${device} is bound to account ${account}, which has no index`);
  bind(law.devices, deviceOf(law, device), index, fromEpoch);
}

function deviceOf(law: Law, device: Address): number {
  const number = numberOf(law.devices.addresses, device);
  if (number === undefined)
    throw new Error(`device ${device} is in an event but was never enrolled`);
  return number;
}

/** Anyone may set keys and an endpoint, also before being admitted. */
function customerOf(law: Law, customer: Address): Customer {
  return getOrSet(law.customers, customer, () => ({
    admitted: [],
    caps: new Map(),
    endpoint: "",
    paid: new Map(),
  }));
}

function getOrSet<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const present = map.get(key);
  if (present !== undefined) return present;
  const made = make();
  map.set(key, made);
  return made;
}
