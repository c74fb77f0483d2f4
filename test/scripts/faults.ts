import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";
import { drawPlan, FAULT_KINDS, type FaultKind, PHASES } from "../../scripts/faults/draw.ts";
import { payoutsOf } from "../../scripts/faults/payouts.ts";
import { openVerdicts, type Verdict } from "../../scripts/faults/verdicts.ts";
import { wordsOf } from "../../scripts/faults/words.ts";

const script = fileURLToPath(new URL("../../scripts/faults.ts", import.meta.url));

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

  for (const [seed, kinds] of [
    [4, "kill"],
    [1, "disk"],
  ] as const) {
    it(`comes with seed ${seed} and ${kinds} to what it should, and leaves no logs`, async () => {
      const out = join(folder, kinds);
      const options = ["--seed", `${seed}`, "--kinds", kinds, "--out", out, "--json"];
      const { code, stdout, stderr } = await faults(...options);
      const [run] = JSON.parse(stdout) as [Verdict];
      expect([run.verdict, run.broken, run.notes], stderr).to.deep.equal(["held", [], []]);
      expect(code).to.equal(0);
      expect(run.faults.some((fault) => !fault.startsWith("- "))).to.equal(true);
      expect(await readdir(out)).to.deep.equal(["verdicts.jsonl"]);
    });
  }
});
