import { appendFile, mkdtemp, readFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at } from "@link-rewards/core/encoding/at";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { RESOURCES } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { concat, keccak256 as keccak256Of } from "ethers";
import fc from "fast-check";
import { CHUNK_BYTES } from "../../../device/content.ts";
import { allowanceAt } from "../../../device/inspector/allowance.ts";
import { divergenceIn } from "../../../device/inspector/check.ts";
import { drawOrder, type Order } from "../../../device/inspector/order.ts";
import { openPasses, type Turn } from "../../../device/inspector/passes.ts";
import {
  openRecord,
  parseRecord,
  type RecordHead,
  recordPath,
} from "../../../device/inspector/record.ts";
import { address } from "../../worlds/paper.ts";

const SEED: Hex = `0x${"11".repeat(32)}`;
const ORDER: Order = {
  epoch: 7,
  block: { number: 100, hash: SEED },
  devices: drawOrder(
    SEED,
    Array.from({ length: 5 }, (_, i) => address(`device ${i}`)),
  ),
};
const HEAD: RecordHead = {
  ...{ epoch: 7, customer: address("customer-1"), block: ORDER.block, devices: 5, amount: 9n },
};
const device = (place: number) => at(ORDER.devices, place);

describe("drawOrder", () => {
  it("is that of the hashes of the seed and each device, whatever order they came in", () => {
    const devices = Array.from({ length: 20 }, (_, i) => address(`device ${i}`));
    const lot = (each: Address) => keccak256Of(concat([SEED, each]));
    const expected = devices.toSorted((a, b) => (lot(a) < lot(b) ? -1 : 1));
    expect(drawOrder(SEED, devices)).to.deep.equal(expected);
    expect(drawOrder(SEED, devices.toReversed())).to.deep.equal(expected);
    expect(drawOrder(`0x${"12".repeat(32)}`, devices)).not.to.deep.equal(expected);
  });
});

describe("allowanceAt", () => {
  const anyPurse = fc.record({
    amount: fc.bigInt(0n, 10n ** 22n),
    devices: fc.integer({ min: 1, max: 60 }),
    jobMilliseconds: fc.integer({ min: 1, max: 60_000 }),
    tariff: fc.record({
      egressPrice: fc.bigInt(1n, 10n ** 26n),
      storagePrice: fc.bigInt(1n, 10n ** 24n),
      computePrice: fc.bigInt(1n, 10n ** 27n),
      feeBps: fc.constant(1_000),
    }),
  });

  it("comes to no more than the budget for all, and to as much for each, but one chunk, job or byte-second", () => {
    fc.assert(
      fc.property(anyPurse, (purse) => {
        const all = Array.from({ length: purse.devices }, (_, place) => allowanceAt(purse, place));
        const prices = purse.tariff;
        let cost = 0n;
        for (const each of all)
          cost +=
            each.egressBytes * prices.egressPrice +
            each.storageByteSeconds * prices.storagePrice +
            each.computeMilliseconds * prices.computePrice;
        expect(cost <= purse.amount * 10n ** 12n).to.equal(true);
        const units = {
          egressBytes: BigInt(CHUNK_BYTES),
          storageByteSeconds: 1n,
          computeMilliseconds: BigInt(purse.jobMilliseconds),
        };
        for (const resource of RESOURCES) {
          const amounts = all.map((each) => each[resource]);
          expect(amounts).to.deep.equal(amounts.toSorted((a, b) => (a > b ? -1 : a < b ? 1 : 0)));
          const spread = (amounts[0] as bigint) - (amounts.at(-1) as bigint);
          expect([0n, units[resource]]).to.include(spread);
          expect((amounts[0] as bigint) % units[resource]).to.equal(0n);
        }
      }),
    );
  });

  it("leaves less than one job unused", () => {
    fc.assert(
      fc.property(anyPurse, (purse) => {
        const price = purse.tariff.computePrice;
        const jobs = Array.from(
          { length: purse.devices },
          (_, place) => allowanceAt(purse, place).computeMilliseconds,
        );
        const total = jobs.reduce((sum, each) => sum + each, 0n);
        const third = (purse.amount / 3n) * 10n ** 12n;
        expect(total * price <= third).to.equal(true);
        expect((total + BigInt(purse.jobMilliseconds)) * price > third).to.equal(true);
      }),
    );
  });
});

describe("openPasses", () => {
  it("gives each device that is there one turn in a pass, whoever comes and goes", () => {
    const connected = fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(connected, (steps) => {
        const passes = openPasses(ORDER.devices);
        const turns: Turn[] = [];
        for (const there of steps) {
          if (passes.isThrough()) passes.begin(1);
          const { missed, next } = passes.due(
            (each) => there[ORDER.devices.indexOf(each)] === true,
          );
          const pass = passes.pass();
          const taken: Turn[] = missed.map((each) => ({
            pass,
            device: each,
            fate: "missed",
            at: 1,
          }));
          if (next !== undefined) taken.push({ pass, device: next, fate: "visited", at: 1 });
          for (const turn of taken) passes.take(turn);
          turns.push(...taken);
        }
        const again = openPasses(ORDER.devices);
        for (const turn of turns) again.take(turn);
        expect(again.missing()).to.deep.equal(passes.missing());
        const visits = turns.filter(({ fate }) => fate === "visited");
        expect(new Set(visits.map((each) => `${each.pass} ${each.device}`)).size).to.equal(
          visits.length,
        );
      }),
    );
  });
});

describe("a record", () => {
  let folder: string;
  const path = () => recordPath(folder, 7);
  const visited = (place: number, pass = 1): Turn => ({
    ...{ pass, device: device(place), fate: "visited", at: 1_000 },
  });
  const missed = (place: number, pass = 1): Turn => ({
    ...{ pass, device: device(place), fate: "missed", at: 1_000 },
  });
  const bought = (place: number, pass = 1) => ({
    ...{ pass, device: device(place), failures: ["?".repeat(1_000)] },
    bought: { egressBytes: 1n, storageByteSeconds: 2n, computeMilliseconds: 3n },
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-record-"));
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("is gone on with, without what a power cut left of its last line", async () => {
    const first = await openRecord(folder, HEAD);
    await first.write([missed(0), visited(1)]);
    await first.write([bought(1)]);
    await first.close();
    await appendFile(path(), `{"pass":1,"device":"0x12`);
    const second = await openRecord(folder, HEAD);
    expect(second.lines).to.deep.equal([
      missed(0),
      visited(1),
      { ...bought(1), failures: ["?".repeat(200)] },
    ]);
    await second.write([visited(2)]);
    await second.close();
    const { head, lines } = parseRecord(await readFile(path(), "utf8"));
    expect([head, lines.length, lines.at(-1)]).to.deep.equal([HEAD, 4, visited(2)]);
  });

  it("begins anew when not even its head was written", async () => {
    await (await openRecord(folder, HEAD)).close();
    await truncate(path(), 10);
    await (await openRecord(folder, HEAD)).close();
    expect(parseRecord(await readFile(path(), "utf8"))).to.deep.equal({ head: HEAD, lines: [] });
  });

  it("is none with a line that says something else, which is named", () => {
    const text = `${JSON.stringify({ ...HEAD, amount: "9" })}\n{"pass":1}\n`;
    expect(() => parseRecord(text)).to.throw(/line 2 is none of a record/);
    expect(() => parseRecord("")).to.throw(/line 1 is none of a record/);
  });

  describe("agrees with the order", () => {
    const check = (...lines: Parameters<typeof divergenceIn>[0]["lines"]) =>
      divergenceIn({ head: HEAD, lines }, ORDER);
    const whole = [0, 1, 2, 3, 4].map((place) => visited(place));

    it("when each had one turn in each pass, at its place or later", () => {
      expect(check(...whole, bought(2), visited(0, 2))).to.equal(undefined);
      expect(check(visited(0), missed(1), visited(2), visited(1), bought(1))).to.equal(undefined);
    });

    it("and not when one was called before its turn", () => {
      expect(check(visited(1))).to.deep.equal({
        line: 2,
        reason: `${device(1)} in pass 1, where it is the turn of ${device(0)}`,
      });
    });

    it("nor when one had two turns in a pass, or was called again before all others", () => {
      expect(check(visited(0), visited(0))?.line).to.equal(3);
      expect(check(missed(0), visited(0), visited(0))?.line).to.equal(4);
      expect(check(visited(0), visited(1), visited(0, 2))?.line).to.equal(4);
    });

    it("nor when something was bought out of turn, or twice", () => {
      expect(check(missed(0), bought(0))?.line).to.equal(3);
      expect(check(visited(0), bought(0), bought(0))?.line).to.equal(4);
    });

    it("nor when it is of another block or number of devices", () => {
      const block = { number: 100, hash: `0x${"12".repeat(32)}` as Hex };
      for (const head of [
        { ...HEAD, block },
        { ...HEAD, devices: 4 },
      ])
        expect(divergenceIn({ head, lines: [] }, ORDER)).to.deep.include({ line: 1 });
    });
  });
});
