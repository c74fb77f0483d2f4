import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

const script = fileURLToPath(new URL("../../scripts/judge-runs.ts", import.meta.url));

describe("judge-runs", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "judge-runs-"));
  });
  after(() => rm(folder, { recursive: true }));

  async function run(...args: readonly string[]) {
    const progress = join(folder, "progress.json");
    const command = [script, "--progress", progress, ...args];
    const { stdout } = await promisify(execFile)(process.execPath, command);
    return { stdout, run: JSON.parse(await readFile(progress, "utf8")) };
  }

  it("goes on where it was stopped, and comes to the same as without a stop", async () => {
    const first = await run("--seed", "5", "--honest", "1", "--unlawful", "1");
    expect(first.run).to.include({ seed: 5, rounds: 1 });
    const more = ["--honest", `${first.run.counts.honest + 1}`, "--unlawful", "1"];
    const second = await run("--seed", "5", ...more);
    expect(second.run.rounds).to.equal(2);
    expect(second.stdout).to.include(
      `2 rounds from seed 5 on: ${second.run.counts.honest} honest epochs, none convicted`,
    );
    await rm(join(folder, "progress.json"));
    expect((await run("--seed", "5", ...more)).run).to.deep.equal(second.run);
  });

  it("does not mix the counts of two seeds", async () => {
    const failed = await run("--seed", "6", "--honest", "1", "--unlawful", "1").catch(
      (error: { stderr: string }) => error.stderr,
    );
    expect(failed).to.include("is of seed 5");
  });
});
