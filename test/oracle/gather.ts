import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { concatBytes } from "../../oracle/core/bytes.ts";
import { SIGNERS_BYTES } from "../../oracle/core/signers.ts";
import { gatherSigners } from "../../oracle/gather.ts";

const RECORD_BYTES = 4;
const domain = new Uint8Array(32);

/** Records of which every byte is `mark`, and the signers made up for them. */
const records = (mark: number, count = 1) => new Uint8Array(count * RECORD_BYTES).fill(mark);
const signers = (mark: number, count = 1) => new Uint8Array(count * SIGNERS_BYTES).fill(mark);

describe("gatherSigners", () => {
  function gatherer({ calls, receipts }: { calls: number; receipts: number }) {
    const made: number[] = [];
    const held: (() => void)[] = [];
    const gathered = gatherSigners(
      async (_, packed) => {
        made.push(packed.length / RECORD_BYTES);
        await new Promise<void>((resolve) => held.push(resolve));
        const marks = [...packed].filter((_byte, i) => i % RECORD_BYTES === 0);
        if (marks.includes(255)) throw new Error("the thread ended");
        return concatBytes(...marks.map((mark) => signers(mark)));
      },
      { calls, receipts },
    );
    return {
      made,
      ask: (mark: number, count?: number) => gathered(domain, records(mark, count), RECORD_BYTES),
      /** Lets the calls that run end, until there are none. */
      async finish() {
        for (let turn = 0; turn < 20; turn++) {
          await nextTurn();
          held.splice(0).forEach((release) => {
            release();
          });
        }
      },
    };
  }

  it("gives everyone the signers of its own records, in their order", async () => {
    const { ask, finish } = gatherer({ calls: 2, receipts: 4 });
    const asked = [ask(1), ask(2, 3), ask(3, 9), ask(4)];
    await finish();
    expect(await Promise.all(asked)).to.deep.equal([
      signers(1),
      signers(2, 3),
      signers(3, 9),
      signers(4),
    ]);
  });

  it("makes one call of what comes while others run, up to its bound, and takes a larger one whole", async () => {
    const { ask, finish, made } = gatherer({ calls: 1, receipts: 4 });
    const asked = [ask(1)];
    await nextTurn();
    await nextTurn();
    asked.push(ask(2), ask(3), ask(4, 2), ask(5), ask(6, 9));
    await finish();
    await Promise.all(asked);
    expect(made).to.deep.equal([1, 4, 1, 9]);
  });

  it("tells those whose call failed, and goes on", async () => {
    const { ask, finish } = gatherer({ calls: 1, receipts: 1 });
    const asked = Promise.allSettled([ask(1), ask(255), ask(2)]);
    await finish();
    expect((await asked).map(({ status }) => status)).to.deep.equal([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
  });

  it("asks for nothing when there is nothing", async () => {
    const { ask, made } = gatherer({ calls: 1, receipts: 1 });
    expect(await ask(0, 0)).to.have.length(0);
    expect(made).to.deep.equal([]);
  });
});
