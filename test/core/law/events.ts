import { readFileSync } from "node:fs";
import type { Field, ScalarField } from "@link-rewards/core/encoding/fields";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { eventFromLog } from "@link-rewards/core/law/event-from-log";
import {
  eventToJson,
  LAW_EVENTS,
  type LawEvent,
  type LawEventName,
  parseEvent,
} from "@link-rewards/core/law/events";
import { expect } from "chai";
import { Interface } from "ethers";
import fc from "fast-check";
import { structs } from "../arbitraries.ts";

const INTERFACES = ["IDeviceRegistry", "ICustomerEscrow", "IEpochLedger", "IOracleQuorum"].map(
  (name) => {
    const artifact = import.meta.resolve(`@link-rewards/contracts/interfaces/${name}.json`);
    return new Interface(JSON.parse(readFileSync(new URL(artifact), "utf8")).abi);
  },
);

const names = Object.keys(LAW_EVENTS) as LawEventName[];

function contractOf(name: LawEventName): Interface {
  const contract = INTERFACES.find((candidate) => candidate.getEvent(name) !== null);
  if (contract === undefined) throw new Error(`no contract declares the event ${name}`);
  return contract;
}

function values(fields: readonly Field[]): fc.Arbitrary<Record<string, unknown>> {
  const entries = fields.map((field) => {
    if ("fields" in field) return [field.name, values(field.fields)] as const;
    return [
      field.name,
      structs([{ ...(field as ScalarField), name: "v" }]).map(({ v }) => v),
    ] as const;
  });
  return fc.record(Object.fromEntries(entries)) as fc.Arbitrary<Record<string, unknown>>;
}

describe("law events", () => {
  for (const name of names) {
    it(`reads ${name} as the contract writes it, and keeps it through JSON`, () => {
      const contract = contractOf(name);
      const fragment = contract.getEvent(name);
      if (fragment === null) throw new Error(name);
      const fields: readonly Field[] = LAW_EVENTS[name];
      fc.assert(
        fc.property(values(fields), (args) => {
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

  it("refuses JSON that is not an event", () => {
    const good = eventToJson({
      name: "AttemptAbandoned",
      args: { epoch: 1, attempt: 0 },
      blockNumber: 1,
      logIndex: 0,
    } as LawEvent);
    expect(isRefused(parseEvent(good))).to.equal(false);
    const bad: unknown[] = [
      null,
      "AttemptAbandoned",
      {},
      { ...good, name: "toString" },
      { ...good, args: { epoch: 1, attempt: 65_536 } },
      { ...good, args: { epoch: 1 } },
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
