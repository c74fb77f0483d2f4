import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { contentTreeOf } from "../../device/content.ts";
import { mostOf } from "../../device/gateway/visit.ts";
import { createStopwatch } from "../../device/stopwatch.ts";
import { address } from "../worlds/paper.ts";
import { SMALL_WORK } from "./support/service.ts";

describe("the most that a visit comes to", () => {
  const device = address("device-1");

  async function about() {
    const contentTree = await contentTreeOf([randomBytes(1_000)]);
    const stopwatch = createStopwatch();
    const files = [{ file: "film", contentTree }];
    return { device, epoch: 1, files, work: SMALL_WORK, stopwatch };
  }

  it("is every range full, and the job", async () => {
    expect(mostOf(await about())).to.deep.equal({
      egressBytes: 65_536n,
      storageByteSeconds: 0n,
      computeMilliseconds: 8n,
    });
  });

  it("has nothing to fetch or to keep without files", async () => {
    expect(mostOf({ ...(await about()), files: [] })).to.deep.include({
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
