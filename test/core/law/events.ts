import { readFileSync } from "node:fs";
import type { Field } from "@link-rewards/core/encoding/fields";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { eventFromLog } from "@link-rewards/core/law/event-from-log";
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
    it(`reads ${name} as the contract writes it, and keeps it through JSON`, () => {
      const contract = CONTRACTS[EMITTER_OF[name]];
      const fragment = contract.getEvent(name);
      if (fragment === null) throw new Error(name);
      const fields: readonly Field[] = LAW_EVENTS[name];
      fc.assert(
        fc.property(structs(fields), (args) => {
          const inputs = fragment.inputs.map((input) => args[input.name] ?? fillerFor(input.type));
          const log = contract.encodeEventLog(fragment, inputs);
          const decoded = contract.decodeEventLog(fragment, log.data, log.topics);
          const event = eventFromLog(name, decoded as unknown as Record<string, unknown>, 7, 3);
          expect(event).to.deep.equal({ name, args, blockNumber: 7, logIndex: 3 });
          expect(parseEvent(JSON.parse(JSON.stringify(eventToJson(event))))).to.deep.equal(event);
        }),
        { numRuns: 20 },
      );
    });
  }

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

/** For arguments of an event that the law does not need. */
function fillerFor(type: string): unknown {
  return type === "address" ? `0x${"11".repeat(20)}` : 1n;
}
