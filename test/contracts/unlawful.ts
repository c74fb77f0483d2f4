import { expect } from "chai";
import fc from "fast-check";
import { isProposable } from "../core/support/judging.ts";
import { from } from "../worlds/contracts.ts";
import { forge, isLawful } from "./support/forgeries.ts";
import { anEpoch, history, live, RUNS } from "./support/history.ts";
import { caseOf } from "./support/tables.ts";
import { findIn, judged } from "./support/trial.ts";

/*
 * Complete: of tables that are not what the rules make of their receipts, the contract convicts by what somebody with all
 * rows finds in them. `JUDGE_RUNS=300 npm test -- contracts/unlawful` convicts more of them.
 */

describe("Unlawful tables are always convicted", () => {
  it(`each of at least ${RUNS}, by the proof that is found`, async function () {
    this.timeout(0);
    const world = await from(history);
    let convicted = 0;
    while (convicted < RUNS) {
      await fc.assert(
        fc.asyncProperty(anEpoch, fc.infiniteStream(fc.nat()), async (sketch, numbers) => {
          const lived = live(world, sketch);
          const random = (below: number) => Number(numbers.next().value) % below;
          const { what, tables } = forge(lived, random);
          if (!isProposable(caseOf(tables))) return;
          const found = findIn(lived.court, tables);
          if (found === undefined) {
            expect(isLawful(lived, tables), `${what}: nothing was found`).to.equal(true);
            return;
          }
          expect(isLawful(lived, tables), `${what}: ${found.says}`).to.equal(false);
          expect(await judged(lived.court, tables, found.evidence), what).to.equal("unlawful");
          convicted += 1;
        }),
        { numRuns: RUNS, endOnFailure: true },
      );
    }
  });
});
