import type { Question } from "@link-rewards/core/judge/find-unlawful";
import { expect } from "chai";
import fc from "fast-check";
import { from } from "../worlds/contracts.ts";
import {
  anEpoch,
  type History,
  history,
  type Lived,
  live,
  RUNS,
  type Sketch,
} from "./support/history.ts";
import type { Tables } from "./support/tables.ts";
import { findIn, judged } from "./support/trial.ts";

/*
 * Sound: no row of an honest table is convicted, nor can a question about it fail. Real signatures, keys on both curves,
 * each question put to the contract. `JUDGE_RUNS=300 npm test -- contracts/honest` judges more epochs.
 */

/** Each row, each pair, each boundary. */
function questionsOf({ contributions, invoices, rewards }: Tables): readonly Question[] {
  const all = (proof: Question["proof"], table: Question["table"], count: number) =>
    Array.from({ length: count }, (_, position) => ({ proof, table, position }));
  const rows = contributions.length;
  const around = (count: number) => (count === 0 ? 0 : count + 1);
  return [
    ...all("contribution", "contributions", rows),
    ...all("contribution-order", "contributions", around(rows)),
    ...all("pair", "invoices", invoices.length),
    ...all("invoice-order", "invoices", around(rows)),
    ...all("reward-order", "rewards", around(rewards.length)),
    ...all("reward-boundary", "rewards", rewards.length),
  ];
}

async function expectAcquitted({ court, tables }: Lived): Promise<void> {
  expect(findIn(court, tables)).to.equal(undefined);
  for (const question of questionsOf(tables)) {
    const { proof, position } = question;
    expect(await judged(court, tables, question), `${proof} at ${position}`).to.equal("lawful");
  }
  for (const table of ["contributions", "invoices", "rewards"] as const) {
    for (const position of tables[table].keys()) {
      const question = { proof: "empty-leaf", table, position } as const;
      expect(await judged(court, tables, question)).to.equal("invalid");
    }
  }
}

const SERVED = { sequence: 1, egressBytes: 3n, storageByteSeconds: 2n, computeMilliseconds: 1n };
const NOTHING = [0n, 0n, 0n, 0n, 0n, 0n];

describe("Honest tables are never convicted", () => {
  /** One by one: the cases that random epochs meet seldom. */
  const lived = (world: History, change: Partial<Sketch>) =>
    live(world, { epoch: 5, served: [], earned: [5n, 0n, 7n, 1n, 0n, 2n], ...change });

  it("of idle epochs, the first among them, and before anybody earned anything", async () => {
    const world = await from(history);
    for (let epoch = 1; epoch <= 8; epoch++) await expectAcquitted(lived(world, { epoch }));
    await expectAcquitted(lived(world, { earned: NOTHING }));
  });

  it("of one contribution, of a key on either curve, and of one customer at all devices", async () => {
    const world = await from(history);
    for (const device of [0, 4]) {
      const served = [{ ...SERVED, device, buyer: 2 }];
      await expectAcquitted(lived(world, { epoch: 3, served }));
    }
    const all = [0, 1, 2, 3, 4, 5, 6, 7].map((device) => ({ ...SERVED, device, buyer: 1 }));
    await expectAcquitted(lived(world, { served: all }));
  });

  it("of the largest amounts at the highest prices", async () => {
    const world = await from(history);
    const most = {
      sequence: 2 ** 32 - 1,
      egressBytes: 2n ** 64n - 1n,
      storageByteSeconds: 2n ** 96n - 1n,
      computeMilliseconds: 2n ** 64n - 1n,
    };
    const served = [0, 1, 2].flatMap((buyer) =>
      [0, 2, 3, 7].map((device) => ({ ...most, device, buyer })),
    );
    for (const epoch of [4, 5]) await expectAcquitted(lived(world, { epoch, served }));
  });

  it(`of ${RUNS} random epochs`, async function () {
    this.timeout(0);
    const world = await from(history);
    await fc.assert(
      fc.asyncProperty(anEpoch, (sketch) => expectAcquitted(live(world, sketch))),
      { numRuns: RUNS, endOnFailure: true },
    );
  });
});
