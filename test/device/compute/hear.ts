import { expect } from "chai";
import { hearer } from "../../../device/compute/hear.ts";
import { JOB_LIMITS } from "../../../device/compute/job.ts";

describe("what a job's process says", () => {
  /** Each piece as it comes, and how often its time began. */
  function hear(...pieces: readonly string[]) {
    let begun = 0;
    const take = hearer(JOB_LIMITS, () => {
      begun += 1;
    });
    const outcomes = pieces.map((piece) => take(Buffer.from(piece)));
    return { outcomes, last: outcomes.at(-1), begun };
  }

  const BEGINS = '{"said":"begins"}\n';
  const answered = (outputBytes: unknown) =>
    `${JSON.stringify({ said: "answered", outputBytes })}\n`;
  const output = (text: string) => ({ outcome: "answered", output: Buffer.from(text) });
  const failedBy = (failure: string, reason: string) => ({ outcome: "failed", failure, reason });
  const AMISS = failedBy("crash", "its process said what it should not");

  it("is its answer, in one piece or in many, lines in it too", () => {
    const text = `${BEGINS}${answered(9)}a\n{}\nbcde`;
    expect(hear(text).last).to.deep.equal(output("a\n{}\nbcde"));
    const { outcomes, begun } = hear(...text);
    expect(outcomes.slice(0, -1).filter((each) => each !== undefined)).to.deep.equal([]);
    expect(outcomes.at(-1)).to.deep.equal(output("a\n{}\nbcde"));
    expect(begun).to.equal(1);
  });

  it("is an answer of no bytes as soon as it says so", () => {
    expect(hear(BEGINS, answered(0)).last).to.deep.equal(output(""));
  });

  it("is no answer when it is garbage", () => {
    const deep = "[".repeat(3_000);
    for (const line of [
      "x",
      "",
      "null",
      "[]",
      "{}",
      '"begins"',
      '{"said":"ends"}',
      "\u0000",
      deep,
      '{"said":"begins","more":1}',
    ])
      expect(hear(`${line}\n`).last, line).to.deep.equal(AMISS);
    for (const bytes of [-1, 1.5, "9", null, 1e300, undefined])
      expect(hear(BEGINS, answered(bytes)).last).to.deep.equal(AMISS);
    expect(hear(BEGINS, '{"said":"failed","failure":"bored","reason":"x"}\n').last).to.deep.equal(
      AMISS,
    );
  });

  it("is no answer when a line does not end, or is too long", () => {
    expect(hear(BEGINS, "x".repeat(4_096)).last).to.equal(undefined);
    expect(hear(BEGINS, "x".repeat(4_097)).last).to.deep.equal(AMISS);
    expect(hear(`${" ".repeat(5_000)}${BEGINS}`).last).to.deep.equal(AMISS);
  });

  it("is no answer when its time begins twice, or when it answers before", () => {
    expect(hear(BEGINS, BEGINS).last).to.deep.equal(AMISS);
    expect(hear(BEGINS, BEGINS).begun).to.equal(1);
    expect(hear(answered(0)).last).to.deep.equal(AMISS);
  });

  it("is no answer when it is more than it says, or than is taken", () => {
    expect(hear(BEGINS, answered(2), "abc").last).to.deep.equal(
      failedBy("crash", "it said more after its output"),
    );
    expect(hear(BEGINS, answered(JOB_LIMITS.outputBytes + 1)).last).to.deep.equal(
      failedBy("output", `more than ${JOB_LIMITS.outputBytes} bytes`),
    );
  });

  it("is a reason of one short line, whatever is in it", () => {
    const reason = `a\nb\u001b[31m\u0000ü${"x".repeat(1_000)}`;
    const { last } = hear(BEGINS, `${JSON.stringify({ said: "refused", reason })}\n`);
    expect(last).to.deep.equal({ outcome: "refused", reason: `a?b?[31m??${"x".repeat(190)}` });
  });
});
