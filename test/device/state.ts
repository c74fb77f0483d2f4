import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { openStateFile } from "../../device/state.ts";

type Count = { count: number };

const FORMAT = {
  parse: (json: unknown) => json as Count,
  toJson: (value: Count) => value,
  initial: () => ({ count: 0 }),
};

describe("state file", () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-state-"));
    path = join(folder, "inner", "state.json");
  });

  afterEach(() => rm(folder, { recursive: true }));

  it("is new where there was none, and found again after it was saved", async () => {
    const file = await openStateFile(path, FORMAT);
    expect(file.value).to.deep.equal({ count: 0 });
    file.value.count = 3;
    await file.save();
    expect((await openStateFile(path, FORMAT)).value).to.deep.equal({ count: 3 });
  });

  it("holds the value as it was at the last save, however many are under way", async () => {
    const file = await openStateFile(path, FORMAT);
    const saves = [1, 2, 3, 4, 5].map((count) => {
      file.value.count = count;
      return file.save();
    });
    await Promise.all(saves);
    expect(JSON.parse(await readFile(path, "utf8"))).to.deep.equal({ count: 5 });
    expect(await readdir(join(folder, "inner"))).to.deep.equal(["state.json"]);
  });

  it("is written once for all who ask before that begins", async () => {
    let written = 0;
    const toJson = (value: Count) => {
      written += 1;
      return value;
    };
    const file = await openStateFile(path, { ...FORMAT, toJson });
    const saves = Array.from({ length: 100 }, () => file.save());
    await Promise.all(saves);
    expect(written).to.equal(1);
    file.value.count = 7;
    await file.save();
    expect(written).to.equal(2);
    expect(JSON.parse(await readFile(path, "utf8"))).to.deep.equal({ count: 7 });
  });

  it("says to whoever waits that a save failed, and saves again the next time", async () => {
    const file = await openStateFile(join(path, "beneath-a-file"), FORMAT);
    const here = await openStateFile(path, FORMAT);
    await here.save();
    const failure = await file.save().catch((error: Error) => error);
    expect(failure).to.be.instanceOf(Error);
    await rm(path);
    await file.save();
    expect((await openStateFile(join(path, "beneath-a-file"), FORMAT)).value.count).to.equal(0);
  });

  it("does not go on from a damaged file", async () => {
    const file = await openStateFile(path, FORMAT);
    await file.save();
    await writeFile(path, "{");
    const failure = await openStateFile(path, FORMAT).catch((error: Error) => error.message);
    expect(failure).to.match(
      /state\.json cannot be used: .*remove it to go on as after a loss of state/,
    );
  });
});
