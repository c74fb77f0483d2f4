import { readFileSync } from "node:fs";
import type { Field } from "@link-rewards/core/encoding/fields";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { decodeLog, type RawLog, topicOf } from "@link-rewards/core/law/decode-log";
import {
  EMITTER_OF,
  type Emitter,
  eventToJson,
  LAW_EVENTS,
  type LawEvent,
  type LawEventName,
  parseEvent,
} from "@link-rewards/core/law/events";
import { expect } from "chai";
import { type EventFragment, Interface } from "ethers";
import fc from "fast-check";
import { structs } from "../arbitraries.ts";

const interfaceOf = (name: string) => {
  const artifact = import.meta.resolve(`@link-rewards/contracts/interfaces/${name}.json`);
  return new Interface(JSON.parse(readFileSync(new URL(artifact), "utf8")).abi);
};
const CONTRACTS: Record<Emitter, Interface> = {
  deviceRegistry: interfaceOf("IDeviceRegistry"),
  rewardProgramme: interfaceOf("IRewardProgramme"),
  customerEscrow: interfaceOf("ICustomerEscrow"),
  epochLedger: interfaceOf("IEpochLedger"),
  oracleQuorum: interfaceOf("IOracleQuorum"),
};

const names = Object.keys(LAW_EVENTS) as LawEventName[];
const isNumbered = ({ inputs }: EventFragment) => inputs.at(-1)?.name === "revision";

describe("law events", () => {
  for (const [emitter, contract] of Object.entries(CONTRACTS)) {
    it(`are all that the ${emitter} numbers`, () => {
      const numbered = contract.fragments
        .filter((fragment) => fragment.type === "event")
        .filter((fragment) => isNumbered(fragment as EventFragment));
      expect(names.filter((name) => EMITTER_OF[name] === emitter)).to.have.members(
        numbered.map((fragment) => (fragment as EventFragment).name),
      );
    });
  }

  for (const name of names) {
    const contract = CONTRACTS[EMITTER_OF[name]];
    const fragment = contract.getEvent(name) as EventFragment;
    const fields: readonly Field[] = LAW_EVENTS[name];
    const written = (args: Record<string, unknown>) => ({
      ...contract.encodeEventLog(
        fragment,
        fragment.inputs.map((input) => args[input.name]),
      ),
      blockNumber: 7,
      logIndex: 3,
    });

    it(`reads ${name} as ethers does, and keeps it through JSON`, () => {
      expect(topicOf(name)).to.equal(fragment.topicHash);
      fc.assert(
        fc.property(structs(fields), (args) => {
          const log = written(args);
          const event = decodeLog(log);
          expect(event).to.deep.equal({ name, args, blockNumber: 7, logIndex: 3 });
          const decoded = contract.decodeEventLog(fragment, log.data, log.topics);
          expect(contract.encodeEventLog(fragment, [...decoded])).to.deep.include({
            data: log.data,
            topics: log.topics,
          });
          const json = JSON.parse(JSON.stringify(eventToJson(event as LawEvent)));
          expect(parseEvent(json)).to.deep.equal(event);
          const loud = { ...log, data: log.data.toUpperCase().replace("0X", "0x") };
          expect(decodeLog(loud)).to.deep.equal(event);
        }),
        { numRuns: 50 },
      );
    });

    it(`refuses a log of ${name} that is not what the contract writes`, () => {
      const digit = (hex: string, i: number) => (hex[i] === "1" ? "2" : "1");
      const changed = (hex: string, i: number) =>
        hex.slice(0, i) + digit(hex, i) + hex.slice(i + 1);
      fc.assert(
        fc.property(structs(fields), fc.nat(), (args, at) => {
          const log = written(args);
          const { data, topics } = log;
          const last = topics.at(-1) as string;
          const spoilt = [
            { ...log, data: data.slice(0, -64) },
            { ...log, data: data.slice(0, -1) },
            { ...log, data: `${data}00` },
            { ...log, data: data + "00".repeat(32) },
            { ...log, data: data.slice(2) },
            { ...log, data: `${data.slice(0, -1)}g` },
            { ...log, topics: [...topics, last] },
            ...(topics.length === 1
              ? []
              : [
                  { ...log, topics: topics.slice(0, -1) },
                  { ...log, topics: topics.with(-1, last.slice(0, -2)) },
                  { ...log, topics: topics.with(-1, `${last.slice(0, -1)}g`) },
                ]),
          ];
          for (const each of spoilt) expect(decodeLog(each)).to.include({ refusal: "malformed" });
          // Whatever one digit is changed to: refused, or other arguments; never the same ones, and never a mix.
          const i = 2 + (at % (data.length - 2));
          const other = decodeLog({ ...log, data: changed(data, i) });
          if (other === undefined || isRefused(other)) return;
          expect(written(other.args).data).to.equal(changed(data, i));
          expect(other.args).to.not.deep.equal(args);
        }),
        { numRuns: 50 },
      );
    });
  }

  it("refuses bits above an argument's type, in topics and in data", () => {
    const registry = CONTRACTS.deviceRegistry;
    const somebody = `0x${"11".repeat(20)}`;
    const log = { blockNumber: 7, logIndex: 3 };
    const limit = { ...log, ...registry.encodeEventLog("ClassLimitSet", [1, 1, 2, 3, 4, 5]) };
    /** With a digit at a place of a word of the data. */
    const decoded = (word: number, place: number, digit = "1") => {
      const i = 2 + word * 64 + place;
      const data = limit.data.slice(0, i) + digit + limit.data.slice(i + 1);
      return decodeLog({ ...limit, data });
    };
    const says = (outcome: unknown) => expect(outcome).to.have.property("message");
    const args = (outcome: unknown) => expect(outcome).to.have.property("args");
    says(decoded(0, 55)).that.contains("no fromEpoch of type uint32");
    args(decoded(0, 56)).that.includes({ fromEpoch: 2 ** 28 + 1 });
    says(decoded(1, 47)).that.contains("no egressBytes of type uint64");
    args(decoded(1, 48)).that.includes({ egressBytes: 2n ** 60n + 2n });
    // Has room for 64 bits, of which a number holds 53.
    says(decoded(4, 0)).that.contains("no revision of type uint64");
    says(decoded(4, 49)).that.contains("no revision of type uint64");
    says(decoded(4, 50, "2")).that.contains("no revision of type uint64");
    args(decoded(4, 50)).that.includes({ revision: 2 ** 52 + 5 });
    const topic = `0x${"0".repeat(61)}100`;
    const wide = decodeLog({ ...limit, topics: [limit.topics[0] as string, topic] });
    expect(wide)
      .to.have.property("message")
      .that.contains("topic 1 is no deviceClass of type uint8");
    const bound = registry.encodeEventLog("DeviceBound", [somebody, somebody, 2, 1]);
    const dirty = `0x${"0".repeat(23)}1${"11".repeat(20)}`;
    const foreign = decodeLog({ ...log, data: bound.data, topics: bound.topics.with(2, dirty) });
    expect(foreign)
      .to.have.property("message")
      .that.contains("topic 2 is no account of type address");
  });

  it("refuses bytes and texts that point elsewhere, are longer than they say, or are not filled up with zeros", () => {
    const registry = CONTRACTS.deviceRegistry;
    const device = `0x${"11".repeat(20)}`;
    const { topics, data } = registry.encodeEventLog("DeviceEnrolled", [device, 1, "0xabcd", 1]);
    const word = (i: number, value: string) => {
      const from = 2 + i * 64;
      return {
        topics,
        data: data.slice(0, from) + value + data.slice(from + 64),
        blockNumber: 1,
        logIndex: 0,
      };
    };
    const number = (value: number) => value.toString(16).padStart(64, "0");
    // deviceClass, offset, revision; length, bytes.
    expect(decodeLog(word(3, number(2)))).to.have.nested.property("args.publicKey", "0xabcd");
    const says = (log: RawLog) => expect(decodeLog(log)).to.have.property("message");
    for (const offset of [0, 64, 95, 97, 128, 2 ** 53, 2 ** 200])
      says(word(1, number(offset))).that.contains("no publicKey, at most 64 bytes");
    for (const length of [1, 33, 64, 65, 2 ** 31, 2 ** 60]) {
      says(word(3, number(length))).that.contains("no publicKey");
    }
    says(word(4, `abcd${"0".repeat(59)}1`)).that.contains("no publicKey");
  });

  it("takes no log for a law event whose first topic is none", () => {
    const blank = { data: "0x", blockNumber: 1, logIndex: 0 };
    for (const topics of [[], ["0x"], [`0x${"11".repeat(32)}`]])
      expect(decodeLog({ ...blank, topics })).to.equal(undefined);
  });

  it("takes a text as long as the contracts do, and no longer", () => {
    const told = (length: number) => ({
      name: "EndpointSet",
      args: { customer: `0x${"11".repeat(20)}`, url: "u".repeat(length), revision: 1 },
      blockNumber: 1,
      logIndex: 0,
    });
    expect(parseEvent(told(256))).to.deep.equal(told(256));
    expect(parseEvent(told(257))).to.have.property("refusal", "malformed");
  });

  it("refuses JSON that is not an event", () => {
    const good = eventToJson({
      name: "AttemptAbandoned",
      args: { epoch: 1, attempt: 0, revision: 1 },
      blockNumber: 1,
      logIndex: 0,
    } as LawEvent);
    expect(isRefused(parseEvent(good))).to.equal(false);
    const bad: unknown[] = [
      null,
      "AttemptAbandoned",
      {},
      { ...good, name: "toString" },
      { ...good, args: { epoch: 1, attempt: 2 ** 32, revision: 1 } },
      { ...good, args: { epoch: 1, attempt: 0 } },
      { ...good, blockNumber: -1 },
      { ...good, extra: 1 },
    ];
    for (const input of bad) expect(parseEvent(input)).to.have.property("refusal", "malformed");
  });
});
