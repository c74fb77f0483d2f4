import { expect } from "chai";
import { type ContractTransactionResponse, parseEther } from "ethers";
import { deployOn, from, newChain } from "../../worlds/contracts.ts";
import { marketWorld, openMarket } from "./served.ts";
import { DEPTH, PAGE, PAGE_HASHES, tallEpoch, tallEvidence } from "./tall.ts";
import { convict } from "./trial.ts";

type Measure = (what: string, sending: Promise<ContractTransactionResponse>) => Promise<number>;

const TABLES = ["contributions", "invoices", "rewards"];
/** Where the tall tables have a row. */
const KNOWN = { rewards: 4, contributions: 7 };
/** Much more than any answer costs. */
const BOND = parseEther("1");

/** Three signers lose their bonds to somebody who never had a token. */
export const PROOF_BOUND = 250_000;
/** Of a P-256 signature, where no precompile (EIP-7951) checks it. */
export const WITHOUT_PRECOMPILE_BOUND = 480_000;
const PROOFS = [
  "contribution, secp256k1",
  "contribution, P-256",
  "contribution, P-256 that did not sign",
  "pair",
  "contribution order",
  "invoice order",
  "reward order",
  "reward boundary",
  "empty leaf",
] as const;
const P256_PROOFS = PROOFS.filter((proof) => proof.includes("P-256"));

const convictOf = (proof: string) => `convict, ${proof}, depth ${DEPTH}, 3 slashed`;
const slowlyOf = (proof: string) => `${convictOf(proof)}, without EIP-7951`;

const answerOf = (what: string) => `answer, ${what}, depth ${DEPTH}`;

export const JUDGE_BOUNDS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(PROOFS.map((proof) => [convictOf(proof), PROOF_BOUND])),
  ...Object.fromEntries(P256_PROOFS.map((proof) => [slowlyOf(proof), WITHOUT_PRECOMPILE_BOUND])),
  [answerOf("a row")]: 100_000,
  [answerOf("the longest row")]: 100_000,
  [answerOf("a page of 256 hashes")]: 450_000,
};

/** An epoch of a million rows, pending on the chain that all these tests share. */
async function tallWorld() {
  return tallEpoch(await from(marketWorld));
}

export function measureJudging(measure: Measure): void {
  for (const proof of PROOFS) {
    it(`of a conviction by the proof of ${proof}`, async () => {
      const world = await from(tallWorld);
      const { [proof]: evidence } = tallEvidence(world);
      if (evidence === undefined) throw new Error(`no evidence by ${proof}`);
      await measure(convictOf(proof), convict(world, world.report, evidence));
    });
  }

  it("of a conviction that checks a P-256 signature, on a chain without EIP-7951", async () => {
    const chain = await newChain({ hardfork: "prague" });
    const world = await tallEpoch(await openMarket(await deployOn(chain)));
    const beginning = await chain.networkHelpers.takeSnapshot();
    for (const proof of P256_PROOFS) {
      const { [proof]: evidence } = tallEvidence(world);
      if (evidence === undefined) throw new Error(`no evidence by ${proof}`);
      await measure(slowlyOf(proof), convict(world, world.report, evidence));
      await beginning.restore();
    }
    await chain.close();
  });

  for (const [what, table] of [
    ["a row", "rewards"],
    ["the longest row", "contributions"],
  ] as const) {
    it(`of an answer with ${what}, which is paid for with no less`, async () => {
      const { demands, bystander, stranger, report, trees } = await from(tallWorld);
      const { rowAt, proofOf } = trees[table];
      const node = { table: TABLES.indexOf(table), level: 0, position: KNOWN[table] };
      await demands.connect(stranger).demand(report, node, { value: BOND });
      const answering = demands
        .connect(bystander)
        .answerRow(report, node, rowAt(KNOWN[table]), [...proofOf(KNOWN[table])]);
      const gas = await measure(answerOf(what), answering);
      expect(await demands.ROW_GAS()).to.be.at.least(gas);
    });
  }

  it("of an answer with a whole page, which is paid for with no less", async () => {
    const { demands, bystander, stranger, report, trees } = await from(tallWorld);
    const page = { table: 0, level: 8, position: PAGE };
    await demands.connect(stranger).demand(report, page, { value: BOND });
    const proof = trees.contributions.proofOf(256 * PAGE).slice(8);
    const answering = demands.connect(bystander).answerPage(report, page, PAGE_HASHES, [...proof]);
    const gas = await measure(answerOf("a page of 256 hashes"), answering);
    const hashGas = await demands.HASH_GAS();
    expect((await demands.ROW_GAS()) + 256n * hashGas).to.be.at.least(gas);
  });
}
