import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

const DEMO = fileURLToPath(new URL("../scripts/demo.ts", import.meta.url));
/** As long again as the demo of one member, and more where the machine also runs other things. */
const DEMO_TIMEOUT_MS = 900_000;

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

async function play(...args: readonly string[]): Promise<Ended> {
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, [DEMO, ...args])) };
  } catch (error) {
    return error as Ended & Error;
  }
}

describe("npm run demo -- --oracles 3 --threshold 2", () => {
  it("pays everybody although one member is gone for good and one lies, who loses its bond", async () => {
    const { code, stdout, stderr } = await play("--oracles", "3", "--threshold", "2", "--json");
    expect(code, stderr).to.equal(0);
    const { ok, epochs, refusedCustomers, ...members } = JSON.parse(stdout);
    const { convictions, oracles, attestations, proofs } = members;
    expect(ok).to.equal(true);
    expect(refusedCustomers.map(({ refusal }: { refusal: string }) => refusal)).to.deep.equal([
      ...["customer-uncovered", "customer-unpaid"],
    ]);
    // The same service as with one member: nothing that the lost one took in is missing.
    expect(epochs.map((epoch: { contributions: number }) => epoch.contributions)).to.deep.equal([
      37, 33, 22,
    ]);
    expect(epochs.map((epoch: { auditAgrees: boolean }) => epoch.auditAgrees)).to.deep.equal([
      true,
      true,
      true,
    ]);
    const [first, second, third] = oracles.map(({ member }: { member: string }) => member);
    expect(oracles.map(({ fate }: { fate: string }) => fate)).to.deep.equal([
      "served",
      "lost",
      "slashed",
    ]);
    expect(attestations.map(({ epoch }: { epoch: number }) => epoch)).to.deep.equal([1, 2, 3]);
    for (const { epoch, attempt, signers } of attestations) {
      expect([attempt, signers.length]).to.deep.equal([0, 2]);
      if (epoch > 1) expect(signers).to.have.members([first, third]).and.not.include(second);
    }
    // It came to no report on chain that had to be undone.
    expect(convictions).to.equal(0);
    expect(proofs).to.have.lengthOf(1);
    const [proof] = proofs;
    expect(proof).to.include({ kind: "equivocation", member: third, epoch: 3, attempt: 0 });
    expect(BigInt(proof.bondWei) > 0n, "the bond").to.equal(true);
    expect(proof.refusals.map(({ member }: { member: string }) => member)).to.deep.equal([first]);
    expect(proof.refusals[0].reason).to.contain("(proof: pair)");
  }).timeout(DEMO_TIMEOUT_MS);
});

describe("npm run demo", () => {
  it("says which numbers of members it cannot play, and ends with 3", async () => {
    const cases = [
      [["--oracles", "2"], "1, or 3 to 5"],
      [["--oracles", "6"], "1, or 3 to 5"],
      [["--oracles", "0"], "1, or 3 to 5"],
      [["--oracles", "3", "--threshold", "4"], "more than there are: give at most 3"],
      [["--threshold", "2"], "more than there are: give at most 1"],
      [["--oracles", "3", "--threshold", "1"], "no majority of 3"],
      [["--oracles", "4", "--threshold", "2"], "no majority of 4"],
      [["--oracles", "3", "--threshold", "3"], "killed for good. Give at most 2"],
      [["--oracles", "three"], "must be a whole number"],
      [["--oracle", "3"], "unknown option"],
    ] as const;
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = await play(...args);
      expect([code, stdout], args.join(" ")).to.deep.equal([3, ""]);
      expect(stderr).to.contain(message);
    }
  });

  it("teaches what it takes", async () => {
    const { code, stdout } = await play("--help");
    expect(code).to.equal(0);
    expect(stdout).to.contain("npm run demo -- --oracles 3 --threshold 2").and.contain("3 usage");
  });
});
