import { appendFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { expect } from "chai";
import { compile } from "../../scripts/mutants/compiler.ts";
import { dependentsIn } from "../../scripts/mutants/dependents.ts";
import { applyMutant, type Mutant, mutantsOf } from "../../scripts/mutants/mutant.ts";
import { OPERATORS, type Operator } from "../../scripts/mutants/operators.ts";
import { readInput } from "../../scripts/mutants/project.ts";
import reasons from "../../scripts/mutants/reasons.json" with { type: "json" };
import { reportLines } from "../../scripts/mutants/report.ts";
import { type RunOptions, runMutants } from "../../scripts/mutants/run.ts";
import { sampleMutants } from "../../scripts/mutants/sample.ts";
import { isEnough, scoreOf } from "../../scripts/mutants/score.ts";
import type { SyntaxNode } from "../../scripts/mutants/syntax.ts";
import { type Outcome, openVerdicts, type Verdict } from "../../scripts/mutants/verdicts.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");
const FILE = "contracts/Planted.sol";
const HEADER = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.28;\n";

function treesOf(texts: Readonly<Record<string, string>>): Readonly<Record<string, SyntaxNode>> {
  const sources = Object.entries(texts).map(([name, content]) => [name, { content }] as const);
  const input = { sources: Object.fromEntries(sources), settings: {} };
  const { errors, trees } = compile(input, { changed: {}, wanted: [], trees: true });
  expect(errors).to.deep.equal([]);
  return trees;
}

function plant(body: string): { readonly source: string; readonly mutants: readonly Mutant[] } {
  const source = `${HEADER}/// 2 ‖ 3\ncontract Planted {\n${body}\n}\n`;
  const tree = treesOf({ [FILE]: source })[FILE];
  if (tree === undefined) throw new Error("solc gave no tree");
  return { source, mutants: mutantsOf(FILE, source, tree) };
}

/** What a statement or expression becomes, by one operator. */
function changes(operator: Operator, body: string): readonly string[] {
  const own = plant(body).mutants.filter((mutant) => mutant.operator === operator);
  return own.map(({ after }) => after);
}

/** In a function of two numbers, two conditions and an account. */
function inFunction(code: string): string {
  return `uint256 sum; event Added(uint256 a, uint256 b); error Refused(uint256 a, uint256 b);
    function f(uint256 a, uint256 b, bool c, bool d, address e) external {
${code}
    }`;
}

describe("mutants", () => {
  const cases: readonly (readonly [Operator, string, readonly string[]])[] = [
    ["relation", "c = a < b;", ["c = a <= b;", "c = a != b;"]],
    ["relation", "c = a >= b;", ["c = a > b;", "c = a == b;"]],
    ["relation", "c = a == b;", ["c = a <= b;", "c = a >= b;"]],
    ["relation", "c = e != address(this);", ["c = e == address(this);"]],
    ["arithmetic", "a = (a + b) * 3;", ["a = (a - b) * 3;", "a = (a + b) / 3;"]],
    [
      "arithmetic",
      "sum += a; ++b; b--;",
      ["sum -= a; ++b; b--;", "sum += a; --b; b--;", "sum += a; ++b; b++;"],
    ],
    [
      "bitwise",
      "a |= (a << 8) & ~b;",
      ["a &= (a << 8) & ~b;", "a |= (a << 8) | ~b;", "a |= (a >> 8) & ~b;", "a |= (a << 8) & b;"],
    ],
    ["boolean", "c = c && !d;", ["c = c;", "c = c || !d;", "c = !d;", "c = c && d;"]],
    ["guard", "require(c, Refused(a, b));", ["{}"]],
    ["guard", "if (c) revert Refused(a, b);", ["if (c) {}"]],
    [
      "condition",
      "if (c) sum = 1; else sum = d ? a : b;",
      [
        "if (true) sum = 1; else sum = d ? a : b;",
        "if (false) sum = 1; else sum = d ? a : b;",
        "if (c) sum = 1; else sum = true ? a : b;",
        "if (c) sum = 1; else sum = false ? a : b;",
      ],
    ],
    ["condition", "while (c) { c = false; }", ["while (false) { c = false; }"]],
    ["statement", "delete sum; sum = a;", ["{} sum = a;", "delete sum; {}"]],
    ["statement", "emit Added(a, b);", ["{}"]],
    ["literal", "sum = 10_000;", ["sum = 10001;", "sum = 9999;"]],
    ["literal", "sum = 2 days;", ["sum = 3 days;", "sum = 1 days;"]],
    ["literal", "sum = 1e18;", ["sum = (1e18 + 1);", "sum = (1e18 - 1);"]],
    ["literal", "c = true;", ["c = false;"]],
    ["literal", "sum = type(uint96).max;", ["sum = (type(uint96).max - 1);"]],
    ["literal", 'sum = uint256(keccak256("a"));', ['sum = uint256(keccak256("a_"));']],
    ["swap", "emit Added(a, b);", ["emit Added(b, a);"]],
    ["swap", "require(c, Refused(a, b + 1));", ["require(c, Refused(b + 1, a));"]],
    [
      "assembly",
      "assembly { b := add(a, 32) }",
      [
        "assembly { }",
        "assembly { b := sub(a, 32) }",
        "assembly { b := add(a, 33) }",
        "assembly { b := add(a, 31) }",
      ],
    ],
  ];
  for (const [operator, code, expected] of cases) {
    it(`of ${code} by ${operator}: ${expected.length}`, () => {
      expect(changes(operator, inFunction(code))).to.have.members(expected);
    });
  }

  it("lose a modifier", () => {
    const body = "modifier only() { _; }\nfunction f() external only {}";
    expect(changes("modifier", body)).to.deep.equal(["function f() external {}"]);
  });

  it("return something else, by its type", () => {
    const body =
      "function f(uint256 a) external pure returns (uint256, bool, address, bytes4) {\nreturn (a, false, address(1), 0x01020304);\n}";
    expect(changes("return", body)).to.have.members([
      "return ((a) + 1, false, address(1), 0x01020304);",
      "return (a, true, address(1), 0x01020304);",
      "return (a, false, address(0), 0x01020304);",
      "return (a, false, address(1), bytes4(0));",
    ]);
  });

  it("leave out what is no mistake", () => {
    const loop = "for (uint256 i = 0; i < a; ++i) sum = i;";
    expect(changes("relation", inFunction(loop)).join("\n")).not.to.contain("i != a");
    expect(changes("relation", inFunction("c = a != 0;"))).to.deep.equal(["c = a < 0;"]);
    expect(changes("relation", inFunction("c = a == type(uint256).max;"))).to.have.lengthOf(1);
  });

  it("leave declarations and interfaces alone", () => {
    const body = "error E(uint256[3] a); struct S { uint256[2] a; } event V(uint256[4] a);";
    expect(plant(body).mutants).to.deep.equal([]);
    const source = `${HEADER}interface I { function f(uint256[3] calldata a) external; }`;
    expect(
      mutantsOf("I.sol", source, treesOf({ "I.sol": source })["I.sol"] as SyntaxNode),
    ).to.deep.equal([]);
  });

  it("change the text at their own place only, whatever alphabet stands before it", () => {
    const { source, mutants } = plant(inFunction("sum = a + 1; // größer ‖\nsum += b;"));
    expect(mutants.length).to.be.above(5);
    for (const mutant of mutants) {
      const text = applyMutant(source, mutant);
      expect(text.slice(0, mutant.start)).to.equal(source.slice(0, mutant.start));
      expect(text.endsWith(source.slice(mutant.end))).to.equal(true);
      expect(source.split("\n")[mutant.line - 1]).to.contain("sum");
    }
  });

  it("keep their ids when the code around them changes, and share none", () => {
    const once = plant(inFunction("sum = a + 1;\nsum = a + 1;")).mutants.map(({ id }) => id);
    expect(new Set(once).size).to.equal(once.length);
    const moved = `function g() external { sum = 7; }\n${inFunction("sum  =  a + 1;\nsum = a\n+ 1;")}`;
    expect(plant(moved).mutants.map(({ id }) => id)).to.include.members(once);
  });

  it("concern who inherits, deploys or calls a library, and not who only calls a contract", () => {
    const dependents = dependentsIn(
      treesOf({
        "Library.sol": `${HEADER}library Library { function f(uint256 a) internal pure returns (uint256) { return a; } }`,
        "Base.sol": `${HEADER}import {Library} from "Library.sol";\ncontract Base { using Library for uint256; function g() external pure returns (uint256) { return uint256(1).f(); } }`,
        "Heir.sol": `${HEADER}import {Base} from "Base.sol";\ncontract Heir is Base {}`,
        "Maker.sol": `${HEADER}import {Heir} from "Heir.sol";\ncontract Maker { Heir heir = new Heir(); }`,
        "Caller.sol": `${HEADER}import {Base} from "Base.sol";\ncontract Caller { function h(Base b) external pure returns (uint256) { return b.g(); } }`,
      }),
    );
    expect([...dependents("Library.sol")]).to.have.members([
      "Library.sol",
      "Base.sol",
      "Heir.sol",
      "Maker.sol",
    ]);
    expect([...dependents("Base.sol")]).to.have.members(["Base.sol", "Heir.sol", "Maker.sol"]);
  });
});

describe("a sample of mutants", () => {
  const mutants = ["Big", "Small"].flatMap((contract, i) =>
    OPERATORS.flatMap((operator) =>
      Array.from(
        { length: i === 0 ? 30 : 10 },
        (_, n) => ({ contract, operator, id: `${contract}/${operator}/${n}` }) as Mutant,
      ),
    ),
  );
  const ids = (most: number, seed: string) =>
    sampleMutants(mutants, most, seed).map(({ id }) => id);

  it("is decided by its seed", () => {
    expect(ids(50, "1")).to.have.lengthOf(50).and.deep.equal(ids(50, "1"));
    expect(ids(50, "2")).not.to.deep.equal(ids(50, "1"));
    expect(ids(1_000, "1")).to.have.lengthOf(mutants.length);
  });

  it("has of each contract in proportion, and of each operator", () => {
    const chosen = sampleMutants(mutants, 48, "1");
    const { Big = [], Small = [] } = Object.groupBy(chosen, ({ contract }) => contract);
    expect([Big.length, Small.length]).to.deep.equal([36, 12]);
    for (const own of [Big, Small]) {
      expect(new Set(own.map(({ operator }) => operator)).size).to.equal(OPERATORS.length);
    }
  });

  it("grows by others", () => {
    expect(ids(60, "1")).to.include.members(ids(40, "1"));
  });
});

const BY = { file: "test/contracts/Jar.ts", test: "Jar › fills", error: "AssertionError" };

function verdict(id: string, outcome: Outcome, state = "now"): Verdict {
  const place = {
    contract: "Jar",
    file: "contracts/Jar.sol",
    line: 7,
    operator: "relation",
  } as const;
  return { ...outcome, id, ...place, before: "a < b", after: "a <= b", seconds: 1, state };
}

describe("verdicts on mutants", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "verdicts-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const killed = verdict("killed", { verdict: "killed", by: BY });
  const survived = verdict("survived", { verdict: "survived" });
  const unclear = verdict("unclear", { verdict: "unclear", why: "it crashed" });

  async function written() {
    const path = join(folder, "some", "verdicts.jsonl");
    const file = await openVerdicts(path, "now");
    for (const one of [survived, killed, unclear]) await file.add(one);
    return path;
  }

  it("are read again, but for what is unclear", async () => {
    const { known } = await openVerdicts(await written(), "now");
    expect([...known.values()]).to.deep.equal([survived, killed]);
  });

  it("outlive a run that was stopped in the middle of a line", async () => {
    const path = await written();
    await appendFile(path, '{"id":"half","verd');
    const torn = await openVerdicts(path, "now");
    expect([...torn.known.keys()]).to.deep.equal(["survived", "killed"]);
    await torn.add(verdict("next", { verdict: "survived" }));
    expect([...(await openVerdicts(path, "now")).known.keys()]).to.deep.equal([
      "survived",
      "killed",
      "next",
    ]);
  });

  it("hold while contracts and tests are the same, and kills longer if that is asked for", async () => {
    const path = await written();
    expect([...(await openVerdicts(path, "later")).known.keys()]).to.deep.equal([]);
    expect([...(await openVerdicts(path, "later", true)).known.keys()]).to.deep.equal(["killed"]);
  });
});

describe("the score of mutants", () => {
  const verdicts = [
    ...["1", "2"].map((id) => verdict(id, { verdict: "killed", by: BY })),
    verdict("3", { verdict: "timeout", by: BY }),
    verdict("4", { verdict: "survived" }),
    verdict("5", { verdict: "survived" }),
    verdict("6", { verdict: "equivalent" }),
    verdict("7", { verdict: "duplicate", of: "1" }),
    verdict("8", { verdict: "stillborn", why: "TypeError" }),
  ];
  const reasons = { "5": "Nobody can tell." };

  it("is what was killed of what could be", () => {
    const { all, contracts, survivors, explained } = scoreOf(verdicts, reasons);
    expect(all).to.deep.equal({
      killed: 3,
      survived: 1,
      explained: 1,
      equivalent: 2,
      stillborn: 1,
      unclear: 0,
      score: 75,
    });
    expect(contracts).to.deep.equal({ Jar: all });
    expect(survivors.map(({ id }) => id)).to.deep.equal(["4"]);
    expect(explained.map(({ id, reason }) => [id, reason])).to.deep.equal([
      ["5", "Nobody can tell."],
    ]);
  });

  it("is enough from its least on, if nothing is unclear and no reason is wrong", () => {
    const score = scoreOf(verdicts, reasons);
    expect([isEnough(score, 75), isEnough(score, 75.1)]).to.deep.equal([true, false]);
    expect(isEnough(scoreOf([], {}), 0)).to.equal(false);
    const unclear = verdict("9", { verdict: "unclear", why: "it crashed" });
    expect(isEnough(scoreOf([...verdicts, unclear], reasons), 75)).to.equal(false);
    expect(isEnough(scoreOf(verdicts, { ...reasons, "1": "Nobody can tell." }), 75)).to.equal(
      false,
    );
  });

  it("is told by contract, with each survivor's place, change and reason", () => {
    const lines = reportLines(scoreOf(verdicts, reasons));
    expect(lines.filter((line) => line.includes("75.0 %"))).to.have.lengthOf(2);
    const told = lines.slice(lines.indexOf("Survived"));
    expect(told).to.deep.equal([
      "Survived",
      "  contracts/Jar.sol:7  4",
      "    - a < b",
      "    + a <= b",
      "",
      "Survived for a reason",
      "  contracts/Jar.sol:7  5",
      "    - a < b",
      "    + a <= b",
      "      Nobody can tell.",
    ]);
  });
});

describe("the reasons to survive", () => {
  it("are each of a mutant that there is", async () => {
    const { settings, sources: built } = await readInput(CHECKOUT, ["contracts/artifacts"]);
    const sources = { ...built };
    const texts = new Map<string, string>();
    for (const name of Object.keys(built).filter((name) => name.startsWith("project/"))) {
      delete sources[name];
      const file = join(CHECKOUT, name.slice("project/".length));
      // What was built before may have changed, or be gone.
      const text = await readFile(file, "utf8").catch(() => undefined);
      if (text !== undefined && name.startsWith("project/contracts/")) texts.set(name, text);
    }
    const task = { changed: Object.fromEntries(texts), wanted: [], trees: true };
    const { errors, trees } = compile({ settings, sources }, task);
    expect(errors).to.deep.equal([]);
    const found = new Set(
      [...texts].flatMap(([name, text]) => {
        const tree = trees[name];
        return tree === undefined ? [] : mutantsOf(basename(name), text, tree).map(({ id }) => id);
      }),
    );
    expect(found.size).to.be.above(1_000);
    expect(Object.keys(reasons).filter((id) => !found.has(id))).to.deep.equal([]);
  });
});

const PLANTED: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify({ name: "planted", type: "module", workspaces: [] }),
  "contracts/Cap.sol": `${HEADER}contract Cap { uint8 public constant HEIGHT = 2; }\n`,
  "contracts/Jar.sol": `${HEADER}
contract Jar {
    uint8 public constant MOST = 255;
    uint256 public level;
    bool public touched;

    function fill(uint256 amount) external {
        level += amount;
        touched = true;
    }

    function spare() external pure returns (uint256) {
        return 0 * 4 + 7;
    }
}
`,
  "test/contracts/Cap.ts": `import { expect } from "chai";
import hre from "hardhat";
describe("Cap", () => {
  it("has a height", async () => {
    const { ethers } = await hre.network.create();
    expect(await (await ethers.deployContract("Cap")).HEIGHT()).to.equal(2);
  });
});
`,
  "test/contracts/Jar.ts": `import { expect } from "chai";
import hre from "hardhat";
describe("Jar", () => {
  it("fills", async () => {
    const { ethers } = await hre.network.create();
    const jar = await ethers.deployContract("Jar");
    await jar.fill(3);
    expect(await jar.level()).to.equal(3);
    expect(await jar.MOST()).to.equal(255);
  });
});
`,
  "test/solidity/Jar.t.sol": `${HEADER}
import {Jar} from "../../contracts/Jar.sol";
contract JarTest {
    function testAFilledJarWasTouched() external {
        Jar jar = new Jar();
        jar.fill(1);
        require(jar.touched());
    }
}
`,
  "test/solidity/support/Nothing.sol": `${HEADER}contract Nothing {}\n`,
};
const SPARE = `
import { expect } from "chai";
import hre from "hardhat";
describe("A spare jar", () => {
  it("is 7", async () => {
    const { ethers } = await hre.network.create();
    expect(await (await ethers.deployContract("Jar")).spare()).to.equal(7);
  });
});
`;

/** Each builds a small project and runs its tests some dozen times, in processes. */
const LONG_MS = 600_000;

describe("npm run mutants", function () {
  this.timeout(LONG_MS);
  let folder: string;
  let checkout: string;
  let first: readonly Verdict[];
  const run = (change: Partial<RunOptions> = {}) =>
    runMutants({
      checkout,
      out: join(folder, "out"),
      contracts: [],
      most: 100,
      seed: "1",
      jobs: 1,
      keepKills: false,
      onProgress: () => undefined,
      ...change,
    });
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(checkout, path)), { recursive: true });
    await writeFile(join(checkout, path), text);
  };
  const verdictsFile = () => join(folder, "out", "verdicts.jsonl");
  const linesOnDisk = async () => (await readFile(verdictsFile(), "utf8")).trim().split("\n");
  /** What each change came to, and by which kind of test. */
  const outcomes = (verdicts: readonly Verdict[]) =>
    Object.fromEntries(
      verdicts.map((one) => [one.after, one.verdict === "killed" ? one.by.file : one.verdict]),
    );

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mutants-"));
    checkout = join(folder, "checkout");
    for (const [path, text] of Object.entries(PLANTED)) await write(path, text);
    for (const file of ["hardhat.config.ts", ".mocharc.json"]) {
      await cp(join(CHECKOUT, file), join(checkout, file));
    }
    await symlink(join(CHECKOUT, "node_modules"), join(checkout, "node_modules"));
    first = await run();
  });
  after(() => rm(folder, { recursive: true }));

  it("kills by the cheapest test that fails, and tells what survives, changes nothing or does not compile", () => {
    expect(outcomes(first)).to.deep.equal({
      "contract Cap { uint8 public constant HEIGHT = 3; }": "test/contracts/Cap.ts",
      "contract Cap { uint8 public constant HEIGHT = 1; }": "test/contracts/Cap.ts",
      "uint8 public constant MOST = 256;": "stillborn",
      "uint8 public constant MOST = 254;": "test/contracts/Jar.ts",
      "level -= amount;": "test/contracts/Jar.ts",
      "{}": "test/solidity",
      "touched = false;": "test/solidity",
      "return 1 * 4 + 7;": "survived",
      "return 0 / 4 + 7;": "equivalent",
      "return 0 * 5 + 7;": "equivalent",
      "return 0 * 3 + 7;": "equivalent",
      "return 0 * 4 - 7;": "stillborn",
      "return 0 * 4 + 8;": "duplicate",
      "return 0 * 4 + 6;": "survived",
      "return (0 * 4 + 7) + 1;": "survived",
    });
    const byMocha = first.find(({ line, operator }) => line === 10 && operator === "statement");
    expect(byMocha).to.deep.include({
      verdict: "killed",
      by: { ...BY, error: "AssertionError: expected 0 to equal 3." },
    });
    const bySolidity = first.find(({ after }) => after === "touched = false;");
    expect(bySolidity?.verdict === "killed" && bySolidity.by.test).to.contain(
      "testAFilledJarWasTouched()",
    );
  });

  it("leaves the checkout as it was", async () => {
    for (const [path, text] of Object.entries(PLANTED)) {
      expect(await readFile(join(checkout, path), "utf8")).to.equal(text);
    }
  });

  it("tries nothing twice, and goes on where it was stopped", async () => {
    const lines = await linesOnDisk();
    expect(await run()).to.deep.equal(first);
    expect(await linesOnDisk()).to.deep.equal(lines);

    const at = lines.findIndex((line) => line.includes("0 * 4 + 6"));
    const torn = [...lines.slice(0, at), ...lines.slice(at + 1), lines[at]?.slice(0, 30)].join(
      "\n",
    );
    await writeFile(verdictsFile(), torn);
    // A mutant was still in its place.
    const artifact = join(folder, "out/project-1/contracts/artifacts/contracts/Cap.sol/Cap.json");
    const left = JSON.parse(await readFile(artifact, "utf8"));
    await writeFile(artifact, JSON.stringify({ ...left, bytecode: "0x" }));
    expect(outcomes(await run())).to.deep.equal(outcomes(first));
    expect(await linesOnDisk()).to.have.lengthOf(lines.length + 1);
  });

  it("tries all again when a test has changed, or only what survived", async () => {
    const before = await linesOnDisk();
    await write("test/contracts/Jar.spare.ts", SPARE);
    const kept = first.filter(({ verdict }) => verdict === "killed");
    const second = await run({ keepKills: true, jobs: 2 });
    expect(second.filter(({ verdict }) => verdict === "survived")).to.deep.equal([]);
    expect(outcomes(second)).to.deep.include({
      "return 0 * 4 + 6;": "test/contracts/Jar.spare.ts",
      "touched = false;": "test/solidity",
    });
    expect(await linesOnDisk()).to.have.lengthOf(before.length + first.length - kept.length);
  });

  it("refuses a contract that is not there, and tests that fail without a mutant", async () => {
    const failure = async (running: Promise<unknown>) =>
      running.then(
        () => "nothing",
        (error: Error) => error.message,
      );
    expect(await failure(run({ contracts: ["Jug"] }))).to.equal("no such contract: Jug");
    await write("test/contracts/Jar.spare.ts", SPARE.replace("equal(7)", "equal(8)"));
    expect(await failure(run())).to.equal(
      "without a mutant fails test/contracts/Jar.spare.ts: A spare jar › is 7: AssertionError: expected 7 to equal 8.",
    );
  });
});
