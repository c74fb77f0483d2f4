import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "chai";

const DEMO = fileURLToPath(new URL("../scripts/demo.ts", import.meta.url));
/** The demo takes about 70 seconds; a machine that also runs other things needs longer. */
const DEMO_TIMEOUT_MS = 300_000;

describe("npm run demo -- --json", () => {
  it("prints one document in which everything adds up", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [DEMO, "--json"], {
      maxBuffer: 2 ** 24,
    });
    const demo = JSON.parse(stdout);
    expect(demo.ok).to.equal(true);
    expect(demo.epochs.map(({ epoch }: { epoch: number }) => epoch)).to.deep.equal([1, 2, 3]);
    for (const epoch of demo.epochs) {
      expect(epoch.auditAgrees).to.equal(true);
      for (const hash of ["root", "contributionRoot", "bundleHash"]) {
        expect(epoch[hash]).to.match(/^0x[0-9a-f]{64}$/);
      }
      expect(BigInt(epoch.counted) <= BigInt(epoch.value)).to.equal(true);
    }
    // Twelve devices and three customers, all but the revoked device's in the second and third epoch.
    expect(
      demo.epochs.map((epoch: { contributions: number }) => epoch.contributions),
    ).to.deep.equal([36, 33, 33]);
    const half = demo.epochs[1];
    expect(BigInt(half.counted) < BigInt(half.value), "half a payment").to.equal(true);
    expect(demo.receipts.equivocations).to.be.at.least(1);
    expect(demo.receipts.refused).to.include({ "device-signature-invalid": 1 });
    expect(demo.receipts.refused["device-revoked"]).to.be.at.least(1);
    expect(demo.claims.count).to.equal(5);
    expect(BigInt(demo.claims.paidWei) + BigInt(demo.claimableWei)).to.equal(
      BigInt(demo.releasedWei),
    );
    expect(demo.crashesSurvived).to.equal(2);
    expect(demo.fraudProofs).to.equal(1);
  }).timeout(DEMO_TIMEOUT_MS);
});
