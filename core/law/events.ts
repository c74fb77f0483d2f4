import type { Field, StructOf } from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import { PUBLIC_KEY_BYTES } from "../encoding/p256.ts";
import { isRefused, type Refused, refuse } from "../encoding/refusal.ts";
import type { Contracts } from "../signed/deployment.ts";
import { REPORT_FIELDS } from "../signed/report.ts";

/** The price of each resource in wei per 10^12 units, and the fee in ten-thousandths of what counted. */
export const TARIFF_FIELDS = [
  { name: "egressPrice", type: "uint96" },
  { name: "storagePrice", type: "uint96" },
  { name: "computePrice", type: "uint96" },
  { name: "feeBps", type: "uint16" },
] as const;

export type Tariff = StructOf<typeof TARIFF_FIELDS>;

/** What the contracts take as a text: contracts/libraries/PrintableText.sol. */
const MAX_TEXT_BYTES = 256;

/**
 * An argument of an event. `indexed`: it is a topic of the log and not in its data. `abi`: its type in the contract, where
 * that has more room than the contract uses.
 */
export type EventField = Field & { readonly indexed?: true; readonly abi?: "uint64" | "uint256" };

const DEVICE = { name: "device", type: "address", indexed: true } as const;
const ACCOUNT = { name: "account", type: "address", indexed: true } as const;
const INSPECTOR = { name: "inspector", type: "address", indexed: true } as const;
const CUSTOMER = { name: "customer", type: "address", indexed: true } as const;
const MEMBER = { name: "member", type: "address", indexed: true } as const;
// The contract bounds slots and thresholds far below what its ABI has room for.
const SLOT = { name: "slot", type: "uint53", abi: "uint256" } as const;
const EPOCH = { name: "epoch", type: "uint32", indexed: true } as const;
const FROM_EPOCH = { name: "fromEpoch", type: "uint32" } as const;
const ATTEMPT = { name: "attempt", type: "uint32", indexed: true } as const;
const DIGEST = { name: "digest", type: "bytes32", indexed: true } as const;
/** A contract numbers its law events from 1. */
const REVISION = { name: "revision", type: "uint53", abi: "uint64" } as const;

/**
 * The events the law is derived from, by the contract that emits them, with all their arguments: names, topics and layout of
 * the logs follow from it (decode-log.ts).
 */
const EVENTS_OF = {
  deviceRegistry: {
    DeviceEnrolled: [
      DEVICE,
      { name: "deviceClass", type: "uint8" },
      // Of a P-256 key; empty for a secp256k1 one.
      { name: "publicKey", bytes: PUBLIC_KEY_BYTES },
      REVISION,
    ],
    ClassLimitSet: [
      { name: "deviceClass", type: "uint8", indexed: true },
      FROM_EPOCH,
      { name: "egressBytes", type: "uint64" },
      { name: "storageByteSeconds", type: "uint96" },
      { name: "computeMilliseconds", type: "uint64" },
      REVISION,
    ],
    AccountIndexed: [ACCOUNT, { name: "index", type: "uint32" }, FROM_EPOCH, REVISION],
    DeviceBound: [DEVICE, ACCOUNT, FROM_EPOCH, REVISION],
    DeviceTransferred: [
      DEVICE,
      { name: "from", type: "address", indexed: true },
      { name: "to", type: "address", indexed: true },
      FROM_EPOCH,
      REVISION,
    ],
    DeviceRevoked: [DEVICE, FROM_EPOCH, { name: "reason", text: MAX_TEXT_BYTES }, REVISION],
  },
  rewardProgramme: {
    InspectorAdded: [INSPECTOR, FROM_EPOCH, REVISION],
    InspectorRemoved: [INSPECTOR, FROM_EPOCH, REVISION],
  },
  customerEscrow: {
    CustomerAdmitted: [CUSTOMER, FROM_EPOCH, REVISION],
    CustomerDismissed: [CUSTOMER, FROM_EPOCH, REVISION],
    KeySet: [
      CUSTOMER,
      { name: "key", type: "address", indexed: true },
      { name: "cap", type: "uint96" },
      FROM_EPOCH,
      REVISION,
    ],
    EndpointSet: [CUSTOMER, { name: "url", text: MAX_TEXT_BYTES }, REVISION],
    VoucherCollected: [
      CUSTOMER,
      EPOCH,
      { name: "promised", type: "uint96" },
      { name: "amount", type: "uint96" },
      { name: "paid", type: "uint96" },
      REVISION,
    ],
  },
  epochLedger: {
    TariffSet: [FROM_EPOCH, { name: "tariff", fields: TARIFF_FIELDS }, REVISION],
    RulesSet: [
      FROM_EPOCH,
      { name: "rulesHash", type: "bytes32" },
      { name: "judge", type: "address" },
      REVISION,
    ],
    RootProposed: [
      EPOCH,
      ATTEMPT,
      DIGEST,
      { name: "report", fields: REPORT_FIELDS },
      { name: "signers", type: "uint256" },
      { name: "finalizableAt", type: "uint256" },
      REVISION,
    ],
    RootVetoed: [EPOCH, ATTEMPT, DIGEST, REVISION],
    RootRevoked: [EPOCH, ATTEMPT, DIGEST, { name: "prover", type: "address" }, REVISION],
    AttemptAbandoned: [EPOCH, ATTEMPT, REVISION],
    RootFinalized: [
      EPOCH,
      { name: "root", type: "bytes32" },
      { name: "total", type: "uint96" },
      { name: "delta", type: "uint96" },
      { name: "fee", type: "uint96" },
      REVISION,
    ],
    LedgerClosed: [{ name: "lastEpoch", type: "uint32" }, REVISION],
  },
  oracleQuorum: {
    MemberAdded: [MEMBER, SLOT, FROM_EPOCH, REVISION],
    MemberRemoved: [MEMBER, SLOT, FROM_EPOCH, REVISION],
    MemberExited: [MEMBER, SLOT, FROM_EPOCH, REVISION],
    MemberRotated: [
      MEMBER,
      { name: "successor", type: "address", indexed: true },
      SLOT,
      FROM_EPOCH,
      REVISION,
    ],
    MemberSlashed: [
      MEMBER,
      SLOT,
      { name: "bond", type: "uint256" },
      { name: "prover", type: "address", indexed: true },
      FROM_EPOCH,
      REVISION,
    ],
    ThresholdSet: [{ name: "threshold", type: "uint53", abi: "uint256" }, FROM_EPOCH, REVISION],
  },
} as const satisfies { [C in keyof Contracts]?: Record<string, readonly EventField[]> };

/** A contract that emits law events. */
export type Emitter = keyof typeof EVENTS_OF;

export const LAW_EVENTS = {
  ...EVENTS_OF.deviceRegistry,
  ...EVENTS_OF.rewardProgramme,
  ...EVENTS_OF.customerEscrow,
  ...EVENTS_OF.epochLedger,
  ...EVENTS_OF.oracleQuorum,
} as const;

export type LawEventName = keyof typeof LAW_EVENTS;

export const EMITTER_OF = Object.fromEntries(
  Object.entries(EVENTS_OF).flatMap(([emitter, events]) =>
    Object.keys(events).map((name) => [name, emitter]),
  ),
) as Readonly<Record<LawEventName, Emitter>>;

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
