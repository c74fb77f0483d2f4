import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { contentTreeOf } from "../../device/content.ts";
import type { KeptFile } from "../../device/gateway/peer.ts";
import { mostOf, type Work } from "../../device/gateway/visit.ts";
import { createStopwatch } from "../../device/stopwatch.ts";
import { address } from "../worlds/paper.ts";
import { SMALL_WORK } from "./support/service.ts";

describe("the most that a visit comes to", () => {
  const device = address("device-1");

  async function about() {
    const contentTree = await contentTreeOf([randomBytes(1_000)]);
    const stopwatch = createStopwatch();
    const files: readonly KeptFile[] = [{ file: "film", contentTree }];
    const [module, input] = [files[0], files[0]] as [KeptFile, KeptFile];
    const jobs = [5, 8].map((milliseconds) => ({ module, input, milliseconds }));
    return {
      ...{ device, epoch: 1, files, challenged: files, jobs, work: SMALL_WORK, stopwatch },
      mayLend: true,
    };
  }

  it("is every range full, and the longest job", async () => {
    expect(mostOf(await about())).to.deep.equal({
      egressBytes: 65_536n,
      storageByteSeconds: 0n,
      computeMilliseconds: 8n,
    });
  });

  it("has the job twice where a second device may check it, and none where none is given", async () => {
    const parts = await about();
    const computeOf = (work: Partial<Work>) =>
      mostOf({ ...parts, work: { ...SMALL_WORK, ...work } }).computeMilliseconds;
    expect(computeOf({ checkPercent: 1 })).to.equal(16n);
    const alone = { ...parts, work: { ...SMALL_WORK, checkPercent: 1 }, mayLend: false };
    expect(mostOf(alone).computeMilliseconds).to.equal(8n);
    expect(computeOf({ jobPercent: 0 })).to.equal(0n);
    expect(mostOf({ ...parts, jobs: [] }).computeMilliseconds).to.equal(0n);
  });

  it("has nothing to fetch or to keep without files", async () => {
    expect(mostOf({ ...(await about()), files: [], challenged: [] })).to.deep.include({
      egressBytes: 0n,
      storageByteSeconds: 0n,
    });
  });

  it("has what is kept since the last proof of the epoch, and while the visit goes on", async () => {
    const parts = await about();
    const name = `${device}/${parts.files[0]?.contentTree.root}`;
    parts.stopwatch.lap(name, 1);
    const { storageByteSeconds } = mostOf(parts);
    // A minute of a thousand bytes, and the time that this test took.
    expect(Number(storageByteSeconds)).to.be.within(60_000, 3_600_000);
    expect(mostOf({ ...parts, epoch: 2 }).storageByteSeconds).to.equal(0n);
    expect(mostOf(parts).storageByteSeconds >= storageByteSeconds).to.equal(true);
  });
});
