import { createHash } from "node:crypto";
import { expect } from "chai";
import { checkJob, millisecondsOf, runJob } from "../../device/job.ts";

const job = { seed: new Uint8Array(32).fill(7), segments: 4, hashesPerSegment: 25 };
const every = [0, 1, 2, 3];

describe("job", () => {
  it("ends with the hash of the hash of … the seed", async () => {
    let expected = Buffer.from(job.seed);
    for (let i = 0; i < 100; i++) expected = createHash("sha256").update(expected).digest();
    const checkpoints = await runJob(job);
    expect(Buffer.from(checkpoints.subarray(-32)).equals(expected)).to.equal(true);
  });

  it("holds in every sample when it was done", async () => {
    const checkpoints = await runJob(job);
    for (const sample of [every, [0], [3], []]) {
      expect(checkJob(job, checkpoints, sample)).to.equal(true);
    }
  });

  it("does not hold where a segment was skipped, when that segment is looked at", async () => {
    const checkpoints = await runJob(job);
    checkpoints.fill(0, 64, 96);
    expect(checkJob(job, checkpoints, [2])).to.equal(false);
    // The next one begins at the made-up checkpoint, so it shows there too.
    expect(checkJob(job, checkpoints, [3])).to.equal(false);
    expect(checkJob(job, checkpoints, [0, 1])).to.equal(true);
  });

  it("does not hold for another seed, or with checkpoints missing", async () => {
    const checkpoints = await runJob(job);
    expect(checkJob({ ...job, seed: new Uint8Array(32) }, checkpoints, [0])).to.equal(false);
    expect(checkJob(job, checkpoints.subarray(0, 96), [0])).to.equal(false);
  });

  it("is worth what was agreed, whatever time it took", () => {
    expect(millisecondsOf({ ...job, segments: 10, hashesPerSegment: 500 })).to.equal(10n);
    expect(millisecondsOf({ ...job, segments: 1, hashesPerSegment: 999 })).to.equal(1n);
  });

  it("stops between segments when told to", async () => {
    const failure = await runJob(job, AbortSignal.abort()).catch((error: Error) => error);
    expect((failure as Error).name).to.equal("AbortError");
  });
});
