import { expect } from "chai";
import { isOverIn } from "../../host/patience.ts";

const DAY_MS = 86_400_000;

describe("patience", () => {
  const now = Date.now;
  const moveClock = (ms: number) => {
    Date.now = () => now() + ms;
  };
  afterEach(() => {
    Date.now = now;
  });

  it("lasts no longer by a clock that is set back meanwhile", async () => {
    const isOver = isOverIn(5);
    moveClock(-DAY_MS);
    while (!isOver()) await new Promise((next) => setImmediate(next));
  });

  it("is over with a clock that is set forward", () => {
    const isOver = isOverIn(DAY_MS);
    expect(isOver()).to.equal(false);
    moveClock(DAY_MS);
    expect(isOver()).to.equal(true);
  });
});
