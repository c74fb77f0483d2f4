import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { crashIn } from "../../scripts/faults/commands.ts";
import { drawPlan, FAULT_KINDS, type FaultKind, PHASES } from "../../scripts/faults/draw.ts";
import type { Evidence, FinalEpoch, Served } from "../../scripts/faults/evidence.ts";
import { brokenInvariants } from "../../scripts/faults/invariants.ts";
import { wrongAudit, wrongWatch } from "../../scripts/faults/outsider.ts";
import { payoutsOf } from "../../scripts/faults/payouts.ts";
import { runSeed } from "../../scripts/faults/run.ts";
import { wrongAnswer } from "../../scripts/faults/traffic.ts";
import { openVerdicts, stateOf, type Verdict } from "../../scripts/faults/verdicts.ts";
import { wordsOf } from "../../scripts/faults/words.ts";
import { type PostgresServer, startPostgres } from "../../scripts/local/postgres-server.ts";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const script = join(checkout, "scripts", "faults.ts");
/** Two epochs each, one on either chain; between them they have every kind, at moments that come. Found by drawing. */
const SHORT_RUNS = [333_721, 386] as const;

type Run = { readonly code: number; readonly stdout: string; readonly stderr: string };

async function faults(...args: readonly string[]): Promise<Run> {
  try {
    const output = await promisify(execFile)(process.execPath, [script, ...args]);
    return { code: 0, ...output };
  } catch (error) {
    return error as Run;
  }
}

describe("a plan", () => {
  it("is the same from the same seed, and another from the next", () => {
    expect(drawPlan(7, FAULT_KINDS)).to.deep.equal(drawPlan(7, FAULT_KINDS));
    expect(drawPlan(7, FAULT_KINDS)).to.not.deep.equal(drawPlan(8, FAULT_KINDS));
  });

  it("has faults of the kinds that are asked for, each with an end that is not before its beginning", () => {
    for (let seed = 1; seed <= 200; seed++) {
      for (const fault of drawPlan(seed, ["rpc", "kill"]).faults) {
        expect(["rpc", "kill"]).to.include(fault.kind);
        expect(PHASES.indexOf(fault.until)).to.be.at.least(PHASES.indexOf(fault.phase));
      }
    }
  });

  it("draws every kind, and says each in words", () => {
    const drawn = new Set<FaultKind>();
    for (let seed = 1; seed <= 200; seed++) {
      for (const fault of drawPlan(seed, FAULT_KINDS).faults) {
        drawn.add(fault.kind);
        expect(wordsOf(fault)).to.match(/^epoch \d, [a-z ]+.*: .+/);
      }
    }
    expect([...drawn].sort()).to.deep.equal([...FAULT_KINDS].sort());
  });

  it("loses no more than one member for good", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const gone = drawPlan(seed, ["gone"]).faults;
      expect(gone).to.have.lengthOf(1);
    }
  });
});

describe("payouts computed a second time", () => {
  const prices = { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n, feeBps: 1_000 };
  const row = (device: string, customer: string, egressBytes: bigint) =>
    ({
      receipt: {
        device,
        customer,
        epoch: 1,
        sequence: 1,
        egressBytes,
        storageByteSeconds: 0n,
        computeMilliseconds: 0n,
      },
      account: device,
    }) as Parameters<typeof payoutsOf>[0][number];

  it("pay every bill that is covered, less the fee", () => {
    const rows = [row("0xa", "0xc", 100n), row("0xb", "0xc", 50n)];
    const { byAccount, delta, fee } = payoutsOf(rows, prices, new Map([["0xc", 150n]]));
    expect([...byAccount]).to.deep.equal([
      ["0xa", 90n],
      ["0xb", 45n],
    ]);
    expect([delta, fee]).to.deep.equal([135n, 15n]);
  });

  it("pay the smallest bill first, of a payment that is too small", () => {
    const rows = [row("0xa", "0xc", 1_000n), row("0xb", "0xc", 50n)];
    const { byAccount } = payoutsOf(rows, prices, new Map([["0xc", 150n]]));
    expect([...byAccount]).to.deep.equal([
      ["0xa", 90n],
      ["0xb", 45n],
    ]);
  });
});

/** Some dozens of processes one after the other, on a machine that may be busy with other tests. */
const RUN_MS = 600_000;

describe("npm run faults", function () {
  this.timeout(RUN_MS);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-faults-"));
  });
  after(() => rm(folder, { recursive: true }));

  const verdict = (seed: number, state: string, outcome: Verdict["verdict"]): Verdict => ({
    seed,
    state,
    kinds: ["kill"],
    verdict: outcome,
    faults: [],
    broken: [],
    notes: [],
    seconds: 1,
  });

  it("keeps verdicts between sittings, also after half a line, and knows none of another state or of a failed run", async () => {
    const path = join(folder, "kept", "verdicts.jsonl");
    const file = await openVerdicts(path, "now");
    await file.add(verdict(1, "now", "held"));
    await file.add(verdict(2, "now", "unclear"));
    await file.add(verdict(3, "before", "held"));
    await writeFile(path, `${await readFile(path, "utf8")}{"seed":4,`);
    const again = await openVerdicts(path, "now");
    await again.add(verdict(5, "now", "broken"));
    const { known } = await openVerdicts(path, "now");
    expect([1, 2, 3, 4, 5].map((seed) => known(seed, ["kill"])?.verdict)).to.deep.equal([
      "held",
      undefined,
      undefined,
      undefined,
      "broken",
    ]);
    expect(known(1, ["kill", "rpc"])).to.equal(undefined);
  });

  it("refuses a kind that it does not know, with exit code 3", async () => {
    const { code, stderr } = await faults("--kinds", "earthquake");
    expect(code).to.equal(3);
    expect(stderr).to.contain("earthquake is no kind of fault");
  });

  it("ends with 1 when a run did not hold, and tells what and how to see it again", async () => {
    const out = join(folder, "broken");
    const state = await stateOf(checkout);
    const file = await openVerdicts(join(out, "verdicts.jsonl"), state);
    const drawn = { kind: "kill", words: "member 1 is killed", came: true };
    await file.add({ ...verdict(1, state, "held"), faults: [drawn] });
    await file.add({
      ...verdict(2, state, "broken"),
      faults: [drawn, { ...drawn, came: false }],
      broken: ["a receipt is lost"],
    });
    const { code, stdout } = await faults("--runs", "2", "--kinds", "kill", "--out", out);
    expect(code).to.equal(1);
    expect(stdout).to.match(/kill +│ 3 +│ 2 +│ 2 +│ 1 /);
    expect(stdout).to.contain("1 of 2 runs held").and.contain("- member 1 is killed");
    expect(stdout).to.contain("seed 2: npm run faults -- --seed 2 --runs 1 --kinds kill");
    expect(stdout).to.contain("a receipt is lost");
  });
});

describe("two runs, side by side, with a fault of every kind", function () {
  this.timeout(RUN_MS);
  let evidence: Evidence;
  let verdicts: readonly Verdict[];
  let ended: Run;
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-faults-"));
    const running = faults("--seed", `${SHORT_RUNS[0]}`, "--out", join(folder, "0"), "--json");
    let server: PostgresServer | undefined;
    const here = await runSeed({
      seed: SHORT_RUNS[1],
      kinds: FAULT_KINDS,
      out: join(folder, "1"),
      state: "",
      postgres: async () => {
        server ??= await startPostgres();
        return server;
      },
      keep: false,
      onEvidence: (found) => {
        evidence = found;
      },
    });
    await server?.stop();
    ended = await running;
    verdicts = [...(JSON.parse(ended.stdout) as readonly Verdict[]), here];
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it("come to what they should, and leave no logs", async () => {
    for (const { verdict, broken, notes } of verdicts)
      expect([verdict, broken, notes], ended.stderr).to.deep.equal(["held", [], notes]);
    expect(ended.code).to.equal(0);
    expect(await readdir(join(folder, "0"))).to.deep.equal(["verdicts.jsonl"]);
    expect(await readdir(join(folder, "1"))).to.deep.equal([]);
  });

  it("have every kind among them, and the moment of each comes", () => {
    const drawn = verdicts.flatMap(({ faults }) => faults);
    expect(drawn.filter(({ came }) => !came)).to.deep.equal([]);
    const kinds = new Set(drawn.map(({ kind }) => kind));
    expect([...kinds].sort()).to.deep.equal([...FAULT_KINDS].sort());
  });

  /** The first epoch, changed. */
  const inFirst = (change: (first: FinalEpoch) => Partial<FinalEpoch>) => (found: Evidence) => {
    const [first, ...others] = found.epochs as [FinalEpoch, ...FinalEpoch[]];
    return { epochs: [{ ...first, ...change(first) }, ...others] };
  };
  const second = (changes: Partial<Served>) =>
    inFirst(({ served }) => ({
      served: served.map((each, i) => (i === 1 ? { ...each, ...changes } : each)),
    }));
  const firstOf = <T>(list: Iterable<T>): T => {
    for (const item of list) return item;
    return expect.fail("there is none");
  };

  const plants: readonly [string, (found: Evidence) => Partial<Evidence>, RegExp][] = [
    [
      "a receipt that was acknowledged is missing",
      inFirst(({ rows }) => ({ rows: rows.slice(1) })),
      /acknowledged sequence \d of .*, the final bundle has nothing/,
    ],
    [
      "an older receipt counts than the one that was acknowledged",
      inFirst(({ rows }) => ({
        rows: rows.map((row, i) =>
          i === 0 ? { ...row, receipt: { ...row.receipt, sequence: 0 } } : row,
        ),
      })),
      /acknowledged sequence \d of .*, the final bundle has sequence 0/,
    ],
    [
      "an epoch is proposed twice",
      ({ proposed }) => ({ proposed: [...proposed, 1] }),
      /epoch 1 was proposed 2 times/,
    ],
    ["a report is vetoed", () => ({ vetoed: [2] }), /epoch 2 was vetoed/],
    ["a report is revoked", () => ({ revoked: [2] }), /epoch 2 was revoked/],
    ["a member is slashed", () => ({ slashed: ["0xa"] }), /the bond of 0xa was slashed/],
    [
      "a member serves a file with other bytes",
      second({ hashes: new Map([["rewards.bin", "0xbad"]]) }),
      /member \d serves other bytes than member \d/,
    ],
    [
      "a member serves another bundle",
      second({ bundleHash: "0xbad" }),
      /member \d serves bundle 0xbad, final is 0x/,
    ],
    [
      "a member does not serve the final bundle",
      inFirst(() => ({ unserved: [{ member: 2, reason: "HTTP 404" }] })),
      /member 3 does not serve the final bundle: HTTP 404/,
    ],
    [
      "an account earns a wei more in the bundle",
      inFirst(({ rewards }) => ({
        rewards: rewards.map((leaf, i) =>
          i === 0 ? { ...leaf, cumulative: leaf.cumulative + 1n } : leaf,
        ),
      })),
      /has \d+ wei in the bundle, not \d+/,
    ],
    [
      "an account is left out of the bundle's rewards",
      inFirst(({ rewards }) => ({ rewards: rewards.slice(1) })),
      /has 0 wei in the bundle, not \d+/,
    ],
    [
      "a wei more is released",
      inFirst(({ released }) => ({
        released: released && { ...released, delta: released.delta + 1n },
      })),
      /released \d+ and \d+ wei of fee, not/,
    ],
    [
      "the fee is a wei less",
      inFirst(({ released }) => ({
        released: released && { ...released, fee: released.fee - 1n },
      })),
      /released \d+ and \d+ wei of fee, not/,
    ],
    [
      "an owner has a wei less",
      ({ balances }) => {
        const [account, has] = firstOf(balances);
        return { balances: new Map([...balances, [account, has - 1n]]) };
      },
      /has \d+ wei after its claim, earned are/,
    ],
    ["a wei is left over", () => ({ left: 1n }), /1 wei are left in the distributor/],
    [
      "the same is sent twice",
      ({ done }) => ({ done: [...done, firstOf(done.filter((each) => each.name === "propose"))] }),
      /member \d had the same propose mined 2 times/,
    ],
    [
      "a voucher is collected twice",
      ({ collected }) => ({ collected: [...collected, firstOf(collected)] }),
      /promised \d+ wei, \d+ were taken/,
    ],
    [
      "a voucher is not collected",
      (found) => ({
        ...inFirst(({ paid }) => ({ paid: new Map([...paid.keys()].map((each) => [each, 0n])) }))(
          found,
        ),
        collected: found.collected.filter(({ epoch }) => epoch !== 1),
      }),
      /promised \d+ wei to who collected, paid are 0/,
    ],
    [
      "an audit differs",
      () => ({ audit: { code: 1, last: "row 3" } }),
      /audit ended with 1: row 3/,
    ],
    ["a claim fails", () => ({ claim: { code: 2, last: "no" } }), /claim ended with 2: no/],
    ["an epoch does not become final", () => ({ lastFinal: 1 }), /only 1 of 2 epochs are final/],
  ];
  for (const [what, plant, said] of plants) {
    it(`do not hold when ${what}`, () => {
      expect(brokenInvariants(evidence)).to.deep.equal([]);
      const broken = brokenInvariants({ ...evidence, ...plant(evidence) });
      expect(broken.join("\n")).to.match(said);
    });
  }
});

describe("what a fault run hears while it goes on", () => {
  const agrees = { verdict: { verdict: "agrees" } };
  const differs = { verdict: { verdict: "differs" } };
  const nothing = { pending: null };

  for (const [what, wrong] of [
    ["nothing of an honest proposal", wrongWatch("honest", 0, nothing, "may not know")],
    ["nothing of a dishonest one", wrongWatch("dishonest", 0, nothing, "may not know")],
    ["that an honest proposal differs", wrongWatch("honest", 1, differs, "may not know")],
    ["that a dishonest one agrees", wrongWatch("dishonest", 0, agrees, "may not know")],
    ["of a good node that it cannot tell", wrongWatch("honest", 2, {}, "can tell")],
    ["that all is well with fewer epochs", wrongAudit(2, 0, [])],
    ["that an honest epoch differs", wrongAudit(2, 1, [1, 2])],
    ["a word given by a clock that is off", wrongAnswer({ status: "accepted" }, true)],
    ["an honest request refused for good", wrongAnswer({ refusal: "bad-signature" }, false)],
    ["a process ended by a signal", crashIn({ code: null, signal: "SIGABRT", stderr: "" })],
    ["an exit code that is not documented", crashIn({ code: 7, signal: null, stderr: "" })],
    [
      "an exception that nobody caught",
      crashIn({ code: 1, signal: null, stderr: "TypeError: x\n\nNode.js v26.10.0\n" }),
    ],
  ] as const)
    it(`is wrong: ${what}`, () => expect(wrong).to.be.a("string"));

  it("is right otherwise", () => {
    expect([
      wrongWatch("honest", 0, agrees, "can tell"),
      wrongWatch("dishonest", 1, differs, "can tell"),
      wrongWatch("honest", 2, {}, "may not know"),
      wrongWatch("dishonest", null, {}, "may not know"),
      wrongAudit(2, 0, [1, 2]),
      wrongAudit(2, 2, []),
      wrongAnswer({ status: "known" }, false),
      wrongAnswer({ refusal: "busy" }, true),
      crashIn({ code: 2, signal: null, stderr: "link-oracle: no\n" }),
    ]).to.deep.equal(Array.from({ length: 9 }));
  });
});
