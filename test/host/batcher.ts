import { setImmediate as nextTurn } from "node:timers/promises";
import { openBatcher } from "@link-rewards/host/batcher";
import { expect } from "chai";

/** Items are numbers, and their size; a run waits until it is let go, and doubles them. */
function hold({ most, runs }: { most: number; runs: number }) {
  const made: (readonly number[])[] = [];
  const held: (() => void)[] = [];
  const batch = openBatcher<number, number>({
    sizeOf: (size) => size,
    most,
    runs,
    async run(items) {
      made.push(items);
      await new Promise<void>((resolve) => held.push(resolve));
      if (items.includes(255)) throw new Error("it failed");
      return items.map((item) => 2 * item);
    },
  });
  return {
    batch,
    made,
    /** Lets what runs end, until nothing does. */
    async finish() {
      for (let turn = 0; turn < 20; turn++) {
        await nextTurn();
        for (const release of held.splice(0)) release();
      }
    },
  };
}

describe("openBatcher", () => {
  it("gives each its own answer", async () => {
    const { batch, finish } = hold({ most: 4, runs: 2 });
    const asked = [batch.add(1), batch.add(3), batch.add(9), batch.add(2)];
    await finish();
    expect(await Promise.all(asked)).to.deep.equal([2, 6, 18, 4]);
  });

  it("runs together what comes while others run, up to its bound, and takes a larger one whole", async () => {
    const { batch, finish, made } = hold({ most: 4, runs: 1 });
    const asked = [batch.add(1)];
    await nextTurn();
    await nextTurn();
    asked.push(...[1, 1, 2, 1, 9].map((size) => batch.add(size)));
    await finish();
    await Promise.all(asked);
    expect(made).to.deep.equal([[1], [1, 1, 2], [1], [9]]);
  });

  it("tells those whose run failed, and goes on", async () => {
    const { batch, finish } = hold({ most: 1, runs: 1 });
    const asked = Promise.allSettled([batch.add(1), batch.add(255), batch.add(2)]);
    await finish();
    expect((await asked).map(({ status }) => status)).to.deep.equal([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
  });

  it("takes what is added in the very moment of an answer", async () => {
    const batch = openBatcher<number, number>({
      sizeOf: () => 1,
      most: 2,
      runs: 1,
      run: async (items) => items,
    });
    const lane = async (first: number) => {
      for (let i = 0; i < 50; i++) expect(await batch.add(first + i)).to.equal(first + i);
    };
    await Promise.all([lane(0), lane(100), lane(200)]);
    await batch.settled();
  });

  it("is settled when all that was added is", async () => {
    const { batch, finish } = hold({ most: 1, runs: 2 });
    const order: string[] = [];
    const added = [1, 255, 2].map((item) => batch.add(item).catch(() => 0));
    for (const each of added) each.then(() => order.push("answered"));
    const settled = batch.settled().then(() => order.push("settled"));
    await finish();
    await settled;
    expect(order).to.deep.equal(["answered", "answered", "answered", "settled"]);
    await batch.settled();
  });
});
