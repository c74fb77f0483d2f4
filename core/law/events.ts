import type { Field, StructOf } from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import { isRefused, type Refused, refuse } from "../encoding/refusal.ts";
import { REPORT_FIELDS } from "../signed/report.ts";

/** The price of each resource in wei per 10^12 units, and the pot's limit in ten-thousandths of the paid value. */
export const TARIFF_FIELDS = [
  { name: "egressPrice", type: "uint96" },
  { name: "storagePrice", type: "uint96" },
  { name: "computePrice", type: "uint96" },
  { name: "rewardCapBps", type: "uint32" },
] as const;

export type Tariff = StructOf<typeof TARIFF_FIELDS>;

const DEVICE = { name: "device", type: "address" } as const;
const ACCOUNT = { name: "account", type: "address" } as const;
const CUSTOMER = { name: "customer", type: "address" } as const;
const KEY = { name: "key", type: "address" } as const;
const MEMBER = { name: "member", type: "address" } as const;
const EPOCH = { name: "epoch", type: "uint32" } as const;
const FROM_EPOCH = { name: "fromEpoch", type: "uint32" } as const;
const ATTEMPT = { name: "attempt", type: "uint16" } as const;
const DIGEST = { name: "digest", type: "bytes32" } as const;
const THRESHOLD = { name: "threshold", type: "uint256" } as const;

/** The events the law is derived from, by contract, with the arguments it needs. */
export const LAW_EVENTS = {
  // DeviceRegistry
  DeviceEnrolled: [DEVICE, { name: "deviceClass", type: "uint8" }],
  ClassLimitSet: [
    { name: "deviceClass", type: "uint8" },
    FROM_EPOCH,
    { name: "egressBytes", type: "uint64" },
    { name: "storageByteSeconds", type: "uint96" },
    { name: "computeMilliseconds", type: "uint64" },
  ],
  AccountIndexed: [ACCOUNT, { name: "index", type: "uint32" }],
  DeviceBound: [DEVICE, ACCOUNT, FROM_EPOCH],
  DeviceTransferred: [
    DEVICE,
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    FROM_EPOCH,
  ],
  DeviceRevoked: [DEVICE, FROM_EPOCH],
  // CustomerEscrow
  CustomerAdmitted: [CUSTOMER, FROM_EPOCH],
  CustomerDismissed: [CUSTOMER, FROM_EPOCH],
  KeyAdded: [CUSTOMER, KEY, FROM_EPOCH],
  KeyRemoved: [CUSTOMER, KEY, FROM_EPOCH],
  VoucherCollected: [
    CUSTOMER,
    EPOCH,
    { name: "countedEpoch", type: "uint32" },
    { name: "cumulative", type: "uint96" },
    { name: "amount", type: "uint96" },
    { name: "collected", type: "uint96" },
  ],
  // EpochLedger
  TariffSet: [FROM_EPOCH, { name: "tariff", fields: TARIFF_FIELDS }],
  RulesSet: [FROM_EPOCH, { name: "rulesHash", type: "bytes32" }],
  RootProposed: [
    EPOCH,
    ATTEMPT,
    DIGEST,
    { name: "report", fields: REPORT_FIELDS },
    { name: "signers", type: "uint256" },
    { name: "finalizableAt", type: "uint256" },
  ],
  RootVetoed: [EPOCH, ATTEMPT, DIGEST],
  RootRevoked: [EPOCH, ATTEMPT, DIGEST, { name: "prover", type: "address" }],
  AttemptAbandoned: [EPOCH, ATTEMPT],
  RootFinalized: [
    EPOCH,
    { name: "root", type: "bytes32" },
    { name: "total", type: "uint96" },
    { name: "delta", type: "uint96" },
    { name: "carry", type: "uint96" },
  ],
  // OracleQuorum
  MemberAdded: [MEMBER, { name: "slot", type: "uint256" }, FROM_EPOCH, THRESHOLD],
  MemberRemoved: [MEMBER, THRESHOLD],
  ThresholdSet: [THRESHOLD],
  MemberExited: [MEMBER],
  MemberSlashed: [MEMBER],
} as const satisfies Record<string, readonly Field[]>;

export type LawEventName = keyof typeof LAW_EVENTS;
export type LawEventArgs<N extends LawEventName> = StructOf<(typeof LAW_EVENTS)[N]>;

/** One log of the chain, in the terms of the core. */
export type LawEvent = {
  [N in LawEventName]: {
    readonly name: N;
    readonly args: LawEventArgs<N>;
    readonly blockNumber: number;
    readonly logIndex: number;
  };
}[LawEventName];

const POSITION_FIELDS = [
  { name: "blockNumber", type: "uint53" },
  { name: "logIndex", type: "uint53" },
] as const;

export function isLawEventName(name: string): name is LawEventName {
  return Object.hasOwn(LAW_EVENTS, name);
}

export function eventToJson({
  name,
  args,
  blockNumber,
  logIndex,
}: LawEvent): Record<string, unknown> {
  const fields: readonly Field[] = LAW_EVENTS[name];
  return {
    name,
    args: fieldsToJson(fields, args as StructOf<readonly Field[]>),
    blockNumber,
    logIndex,
  };
}

export function parseEvent(input: unknown): LawEvent | Refused {
  const { name, args, ...position } = Object(input) as Record<string, unknown>;
  if (typeof name !== "string" || !isLawEventName(name)) {
    return refuse("malformed", `event.name must be one of ${Object.keys(LAW_EVENTS).join(", ")}`);
  }
  const where = parseFields(POSITION_FIELDS, position, "event");
  if (isRefused(where)) return where;
  const fields: readonly Field[] = LAW_EVENTS[name];
  const parsed = parseFields(fields, args, `event.${name}`);
  if (isRefused(parsed)) return parsed;
  return { name, args: parsed, ...where } as unknown as LawEvent;
}
