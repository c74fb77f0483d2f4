import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import {
  byRunner,
  CLOSING,
  findTestFiles,
  LONGEST,
  longestFirst,
  selectFiles,
  shuffled,
} from "../../scripts/test/files.ts";
import { lackFinder, runnableHere } from "../../scripts/test/firmware.ts";
import type { FileReport } from "../../scripts/test/reporter.ts";
import {
  countSolidityTests,
  countTests,
  fileLines,
  minutes,
  summaryLines,
} from "../../scripts/test/summary.ts";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));
const FILES = [
  "test/core/value.ts",
  "test/demo.ts",
  "test/oracle/close.held.ts",
  "test/oracle/close.ts",
  "test/solidity/law/Law.t.sol",
  "test/web/claim.ts",
];

describe("npm test chooses", () => {
  it("every test file of the checkout, and no file that only supports them", () => {
    const found = findTestFiles(CHECKOUT);
    expect(found).to.include.members(["test/tooling/test-run.ts", "test/solidity/law/Law.t.sol"]);
    expect(found.filter((file) => file.includes("support/"))).to.deep.equal([]);
    expect(found.every((file) => existsSync(`${CHECKOUT}/${file}`))).to.equal(true);
  });

  it("all of them, those that contain a pattern, or those that match a glob", () => {
    expect(selectFiles(FILES, [])).to.deep.equal(FILES);
    expect(selectFiles(FILES, ["close"])).to.deep.equal([FILES[2], FILES[3]]);
    expect(selectFiles(FILES, ["test/*/c*.ts"])).to.deep.equal([FILES[2], FILES[3], FILES[5]]);
    expect(selectFiles(FILES, ["Law", "core/"])).to.deep.equal([FILES[0], FILES[4]]);
    expect(selectFiles(FILES, ["nothing-like-that"])).to.deep.equal([]);
  });

  it("the same chains and browser for all files of the pages, and no process twice", () => {
    expect(byRunner(FILES)).to.deep.equal({
      apart: FILES.slice(0, 4),
      together: ["test/web/claim.ts", CLOSING],
      solidity: ["test/solidity/law/Law.t.sol"],
    });
    expect(byRunner([CLOSING, "test/core/value.ts"]).together).to.deep.equal([CLOSING]);
    expect(byRunner(["test/core/value.ts"]).together).to.deep.equal([]);
  });

  it("the longest first, by names that are there", () => {
    expect(longestFirst(FILES).slice(0, 3)).to.deep.equal([FILES[1], FILES[3], FILES[2]]);
    expect([...longestFirst(FILES)].sort()).to.deep.equal(FILES);
    const found = findTestFiles(CHECKOUT);
    expect(
      [CLOSING, ...LONGEST].filter((name) => !found.some((file) => file.endsWith(name))),
    ).to.deep.equal([]);
  });

  it("another order for another seed, and the same for the same", () => {
    const orders = ["1", "2", "3", "4"].map((seed) => shuffled(FILES, seed));
    expect(new Set(orders.map(String)).size).to.be.greaterThan(1);
    expect(shuffled(FILES, "1")).to.deep.equal(orders[0]);
    for (const order of orders) expect([...order].sort()).to.deep.equal(FILES);
  });
});

describe("npm test leaves out", () => {
  const files = ["test/core/value.ts", "test/firmware/example.ts", "test/firmware/library.ts"];

  it("what the machine lacks something for, and says in one line what was not checked", () => {
    const { files: left, unchecked } = runnableHere(files, (file) =>
      file.startsWith("test/firmware/") ? "no C compiler" : undefined,
    );
    expect(left).to.deep.equal(files.slice(0, 1));
    expect(unchecked).to.deep.equal([
      "firmware was not checked (test/firmware/example.ts, test/firmware/library.ts): no C compiler",
    ]);
  });

  it("nothing where nothing is lacking", () => {
    const all = { files, unchecked: [] };
    expect(runnableHere(files, () => undefined)).to.deep.equal(all);
  });

  it("all of the firmware where no compiler is on PATH, and says how to get one", () => {
    const path = process.env.PATH;
    process.env.PATH = "";
    try {
      const lackOf = lackFinder();
      expect(lackOf("test/core/value.ts")).to.equal(undefined);
      for (const file of files.slice(1))
        expect(lackOf(file)).to.match(/^no C compiler .* apt-get install gcc/);
    } finally {
      process.env.PATH = path;
    }
  });
});

describe("npm test tells", () => {
  const report = (file: string, ...passed: readonly boolean[]): FileReport => ({
    file,
    milliseconds: 1_000 * passed.length,
    tests: passed.map((passed) => ({ title: "a › b", passed, milliseconds: 1_000 })),
  });

  it("how many passed, failed and were left out, whatever the colour", () => {
    expect(countTests([report("a", true, false), report("b", true)])).to.deep.equal({
      passed: 2,
      failed: 1,
    });
    const said = "\u001b[32m  41 passing\u001b[39m\n  2 failing\n  1 skipped\n";
    expect(countSolidityTests(said)).to.deep.equal({ passed: 41, failed: 3 });
    expect(countSolidityTests("Compilation failed")).to.deep.equal({ passed: 0, failed: 0 });
  });

  it("a file in one line with its failures, or with each test", () => {
    expect(fileLines(report("a", true, false), false)).to.deep.equal([
      "✘ a  2 tests, 2.0 s",
      "    ✘ a › b  1.0 s",
    ]);
    expect(fileLines(report("a", true), false)).to.have.length(1);
    expect(fileLines(report("a", true), true)).to.have.length(2);
  });

  it("at the end each runner's count in a line that .ci/run counts, and the ten slowest", () => {
    const reports = Array.from({ length: 12 }, (_, i) =>
      report(`file-${i}`, ...Array(i + 1).fill(true)),
    );
    const lines = summaryLines(
      [{ name: "Solidity tests", passed: 41, failed: 1, seconds: 75 }],
      reports,
    );
    expect(lines.filter((line) => /^ *\d+ (passing|failing)( \(.*\))?$/.test(line))).to.deep.equal([
      "  41 passing (1 min 15 s)",
      "  1 failing",
    ]);
    const slowest = lines.filter((line) => line.includes("file-"));
    expect(slowest).to.have.length(10);
    expect(slowest[0]).to.equal("  12.0 s  file-11");
  });

  it("times as a person says them", () => {
    expect([minutes(8.4), minutes(60), minutes(391)]).to.deep.equal([
      "8 s",
      "1 min 0 s",
      "6 min 31 s",
    ]);
  });
});
