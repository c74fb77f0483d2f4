import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";

const PROGRAM = `
  import { Command } from "@commander-js/extra-typings";
  import { runProgram } from "@link-rewards/host/program";
  const act = async () => process.emitWarning("it may change", "ExperimentalWarning");
  await runProgram(new Command("probe").action(act), { argv: [] });
`;

describe("a program", () => {
  it("says Node's own warnings as lines of its log (Node 22 warns of its SQLite in two lines of text)", async () => {
    const { stderr } = await promisify(execFile)(process.execPath, [
      ...["--input-type=module", "--eval", PROGRAM],
    ]);
    const lines = stderr.trim().split("\n");
    expect(lines).to.have.lengthOf(1);
    expect(JSON.parse(lines[0] as string)).to.include({
      level: "warn",
      warning: "ExperimentalWarning",
      msg: "it may change",
    });
  });
});
