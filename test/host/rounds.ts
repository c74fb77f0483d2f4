import { type NodeFault, nodeFault } from "@link-rewards/client/node/node-fault";
import { inRounds, retryAfterIn } from "@link-rewards/client/node/rounds";
import { expect } from "chai";

describe("what Retry-After asks for", () => {
  const now = Date.UTC(2026, 10, 27, 8, 0, 0);

  for (const [header, ms] of [
    ["0", 0],
    ["1", 1_000],
    ["86400", 86_400_000],
    ["Fri, 27 Nov 2026 08:00:07 GMT", 7_000],
    ["Fri, 27 Nov 2026 07:59:00 GMT", 0],
    ["Sat, 28 Nov 2026 08:00:00 GMT", 86_400_000],
  ] as const) {
    it(`is ${ms} ms for "${header}"`, () => expect(retryAfterIn(header, now)).to.equal(ms));
  }

  for (const header of [null, "", "-5", "7.5", "1e3", "0x10", "soon", "1, 2", "Infinity", "NaN"]) {
    it(`is nothing for ${JSON.stringify(header)}`, () =>
      expect(retryAfterIn(header, now)).to.equal(undefined));
  }
});

describe("asking in rounds", () => {
  /** How long it waited between its questions, in milliseconds, until it gave up. */
  const waits = async (fault: NodeFault) => {
    const waited: number[] = [];
    let asked = 0;
    const ended = await inRounds(
      async () => {
        asked++;
        throw fault;
      },
      async (ms) => waited.push(ms),
    ).catch((error: unknown) => error);
    expect(ended).to.equal(fault);
    expect(asked).to.equal(waited.length + 1);
    return waited;
  };

  it("waits longer each time, and longest for a rate limit", async () => {
    expect(await waits(nodeFault("unreachable", ""))).to.deep.equal([250, 500, 1_000]);
    expect(await waits(nodeFault("behind", ""))).to.deep.equal([250, 500, 1_000]);
    expect(await waits(nodeFault("rate-limit", ""))).to.deep.equal([1_000, 2_000, 4_000]);
  });

  it("waits as long as a node asks for, and never longer than a program may look dead", async () => {
    const waitsFor = (retryAfterMs: number) => waits(nodeFault("rate-limit", "", { retryAfterMs }));
    expect(await waitsFor(3_000)).to.deep.equal([3_000, 3_000, 3_000]);
    expect(await waitsFor(0)).to.deep.equal([0, 0, 0]);
    expect(await waitsFor(86_400_000)).to.deep.equal([15_000, 15_000, 15_000]);
    expect(await waitsFor(Number("9".repeat(400)) * 1_000)).to.deep.equal([15_000, 15_000, 15_000]);
  });

  it("gives a node that hangs one more chance, and one that wants less none", async () => {
    expect(await waits(nodeFault("timeout", ""))).to.have.lengthOf(1);
    expect(await waits(nodeFault("too-large", ""))).to.deep.equal([]);
  });

  it("ends with the first answer, and at once with what is no fault of a node's", async () => {
    let asked = 0;
    const answer = await inRounds(
      async () => {
        if (++asked < 3) throw nodeFault("nonsense", "");
        return "an answer";
      },
      async () => undefined,
    );
    expect([answer, asked]).to.deep.equal(["an answer", 3]);
    const ended = await inRounds(async () => {
      asked++;
      throw new Error("a bug");
    }).catch((error: Error) => error.message);
    expect([ended, asked]).to.deep.equal(["a bug", 4]);
  });
});
