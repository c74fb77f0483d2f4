import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { JobOffer } from "../../../device/compute/job.ts";
import { contentTreeOf } from "../../../device/content.ts";
import { type JobFiles, openWorkshop, type Worker } from "../../../device/gateway/jobs.ts";
import { silent } from "../../../device/log.ts";
import { address } from "../../worlds/paper.ts";
import { ECHO, moduleOf } from "../support/modules.ts";

const RIGHT = Buffer.from("what goes in comes out");
const WRONG = Buffer.from("what goes in comes 0ut");

describe("a job that is given to two devices", () => {
  const workshop = openWorkshop({ log: silent, answers: undefined });
  let folder: string;
  let job: JobFiles;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-workshop-"));
    const kept = async (name: string, bytes: Uint8Array) => {
      const file = join(folder, name);
      await writeFile(file, bytes);
      return { file, contentTree: await contentTreeOf([bytes]) };
    };
    job = {
      module: await kept("echo.wasm", await moduleOf(ECHO)),
      input: await kept("input", RIGHT),
      milliseconds: 20_000,
    };
  });

  after(() => rm(folder, { recursive: true }));

  const device = (name: string, compute: Worker["compute"]): Worker => ({
    ...{ url: `http://${name}`, device: address(name) },
    compute,
  });
  const answering = (answer: Uint8Array) => async () => answer;

  async function fates(first: Worker["compute"], second: Worker["compute"], isChecked = true) {
    const workers = [device("device-1", first), device("device-3", second)];
    const computed = await workshop.compute(job, workers, isChecked);
    return computed.map(({ amiss, isWrong }) => (isWrong ? "wrong" : (amiss ?? "good")));
  }

  it("is the same to both, and comes to both before either has answered", async () => {
    const offers: JobOffer[] = [];
    const both = Promise.withResolvers<void>();
    const compute = async (offer: JobOffer) => {
      if (offers.push(offer) === 2) both.resolve();
      await both.promise;
      return RIGHT;
    };
    expect(await fates(compute, compute)).to.deep.equal(["good", "good"]);
    expect(offers[0]).to.deep.equal(offers[1]);
    expect(Object.keys(offers[0] ?? {}).toSorted()).to.deep.equal([
      ...["input", "milliseconds", "module"],
    ]);
  });

  it("is decided by the gateway's own run where they differ", async () => {
    const [right, wrong] = [answering(RIGHT), answering(WRONG)];
    expect(await fates(right, wrong)).to.deep.equal(["good", "wrong"]);
    expect(await fates(wrong, right)).to.deep.equal(["wrong", "good"]);
    const other = answering(Buffer.concat([RIGHT, Buffer.alloc(1)]));
    expect(await fates(wrong, other)).to.deep.equal(["wrong", "wrong"]);
  });

  it("is decided by it as well where one does not answer, which nobody is blamed for", async () => {
    const refusing = async () => {
      throw new Error("busy: 5 jobs run or wait");
    };
    expect(await fates(answering(WRONG), refusing)).to.deep.equal([
      ...["wrong", "busy: 5 jobs run or wait"],
    ]);
    expect(await fates(refusing, answering(RIGHT))).to.deep.equal([
      ...["busy: 5 jobs run or wait", "good"],
    ]);
    expect(await fates(refusing, refusing)).to.deep.equal([
      ...["busy: 5 jobs run or wait", "busy: 5 jobs run or wait"],
    ]);
  });

  it("is not paid, and nobody blamed, where nobody can decide", async () => {
    const { file } = job.input;
    const before = await readFile(file);
    await writeFile(file, "another input");
    expect(await fates(answering(RIGHT), answering(WRONG))).to.deep.equal([
      ...["cannot be checked", "cannot be checked"],
    ]);
    await writeFile(file, before);
  });
});
