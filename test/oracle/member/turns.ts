import { expect } from "chai";
import { createTurns } from "../../../oracle/member/turns.ts";

describe("turns", () => {
  /** Work that ends when it is told to. */
  function begun() {
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string) => () => {
      order.push(name);
      return new Promise<void>((end) => ends.push(end));
    };
    return { order, work, endFirst: () => ends.shift()?.() };
  }

  it("lets one with nothing at work begin at once, and go before the rest of one with much", async () => {
    const turns = createTurns(10);
    const { order, work, endFirst } = begun();
    const all = ["a1", "a2", "a3", "a4"].map((name) => turns.take("a", 10, work(name)));
    all.push(turns.take("b", 1, work("b1")));
    for (const _ of all) {
      await new Promise((resolve) => setImmediate(resolve));
      endFirst();
    }
    await new Promise((resolve) => setImmediate(resolve));
    endFirst();
    await Promise.all(all);
    expect(order).to.deep.equal(["a1", "b1", "a2", "a3", "a4"]);
  });

  it("lets nobody wait for ever behind others' small ones", async () => {
    const turns = createTurns(10);
    const { order, work, endFirst } = begun();
    const all = [turns.take("a", 9, work("a1")), turns.take("b", 9, work("b1"))];
    all.push(turns.take("a", 9, work("a2")), turns.take("b", 1, work("b2")));
    // Had a2 to wait for room, what comes after it in its place would take the room again and again.
    for (const _ of all) {
      await new Promise((resolve) => setImmediate(resolve));
      endFirst();
    }
    await Promise.all(all);
    expect(order).to.deep.equal(["a1", "b1", "a2", "b2"]);
  });

  it("does what is larger than all turns alone, and goes on after a failure", async () => {
    const turns = createTurns(10);
    const failed = turns.take("a", 50, async () => {
      throw new Error("no");
    });
    const after = turns.take("a", 1, async () => "done");
    expect(await failed.catch((error: Error) => error.message)).to.equal("no");
    expect(await after).to.equal("done");
  });
});
