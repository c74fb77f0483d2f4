import { type Address, type Hex, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { topicOf } from "@link-rewards/core/law/decode-log";
import type { LawEvent } from "@link-rewards/core/law/events";
import { keyOf } from "./world.ts";

/** What enrolling and binding devices leaves on a chain: 2.6 events a device, three devices to two accounts or so. */
const ACCOUNTS_PER_DEVICE = 0.6;
const EVENTS_PER_BLOCK = 50;
/** As nodes answer for some thousand blocks. */
const LOGS_PER_PAGE = 10_000;

export function* eventsOf(devices: number): Generator<LawEvent> {
  let revision = 0;
  const next = () => {
    const place = revision++;
    return {
      revision,
      where: {
        blockNumber: 1 + Math.floor(place / EVENTS_PER_BLOCK),
        logIndex: place % EVENTS_PER_BLOCK,
      },
    };
  };
  for (let i = 0, accounts = 0; i < devices; i++) {
    const device = addressOf("device", i);
    const index = Math.floor(i * ACCOUNTS_PER_DEVICE);
    const account = addressOf("account", index);
    const enrolled = next();
    yield {
      name: "DeviceEnrolled",
      args: { device, deviceClass: 1, publicKey: NO_PUBLIC_KEY, revision: enrolled.revision },
      ...enrolled.where,
    };
    if (index === accounts) {
      accounts += 1;
      const indexed = next();
      yield {
        name: "AccountIndexed",
        args: { account, index, fromEpoch: 1, revision: indexed.revision },
        ...indexed.where,
      };
    }
    const bound = next();
    yield {
      name: "DeviceBound",
      args: { device, account, fromEpoch: 1, revision: bound.revision },
      ...bound.where,
    };
  }
}

function addressOf(kind: string, i: number): Address {
  return toHex(keyOf(`${kind} ${i}`).subarray(12));
}

/** The answers of a node to `eth_getLogs`, as they come over the wire. */
export function* answersOf(devices: number, address: Address): Generator<string> {
  let logs: string[] = [];
  for (const event of eventsOf(devices)) {
    logs.push(JSON.stringify(logOf(event, address)));
    if (logs.length < LOGS_PER_PAGE) continue;
    yield `[${logs.join(",")}]`;
    logs = [];
  }
  yield `[${logs.join(",")}]`;
}

const TOPICS = {
  DeviceEnrolled: topicOf("DeviceEnrolled"),
  AccountIndexed: topicOf("AccountIndexed"),
  DeviceBound: topicOf("DeviceBound"),
};

export type NodesLog = {
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: Hex;
  readonly logIndex: Hex;
};

function logOf({ name, args, blockNumber, logIndex }: LawEvent, address: Address) {
  const number = (value: number): Hex => `0x${value.toString(16)}`;
  const common = {
    address,
    blockNumber: number(blockNumber),
    logIndex: number(logIndex),
    blockHash: ZERO_HASH,
    transactionHash: ZERO_HASH,
    transactionIndex: "0x0",
    removed: false,
  };
  const word = (value: number | Address) =>
    (typeof value === "number" ? value.toString(16) : value.slice(2)).padStart(64, "0");
  const log = (topics: readonly Address[], ...words: readonly number[]) => ({
    ...common,
    topics: [TOPICS[name as keyof typeof TOPICS], ...topics.map((topic) => `0x${word(topic)}`)],
    data: `0x${words.map(word).join("")}`,
  });
  switch (name) {
    case "DeviceEnrolled":
      // The public key is empty: its place, and its length.
      return log([args.device], args.deviceClass, 3 * 32, args.revision, 0);
    case "AccountIndexed":
      return log([args.account], args.index, args.fromEpoch, args.revision);
    case "DeviceBound":
      return log([args.device, args.account], args.fromEpoch, args.revision);
    default:
      throw new TypeError(`no ${name} in this chronicle`);
  }
}
