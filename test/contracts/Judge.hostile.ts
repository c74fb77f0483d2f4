import { concatBytes, fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import {
  decodeContribution,
  decodeInvoices,
  decodeRewards,
  ROW_BYTES,
} from "@link-rewards/core/epoch/records";
import type { Question } from "@link-rewards/core/judge/find-unlawful";
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { expect } from "chai";
import { toBeHex } from "ethers";
import fc from "fast-check";
import { from } from "../worlds/contracts.ts";
import { resign, type Served, servedWorld } from "./support/served.ts";
import { bend, bendReceipt, caseOf, MOST, rowOf, type Tables } from "./support/tables.ts";
import { encodeEvidence, evidenceOf, findIn, judged, ledgersVoice } from "./support/trial.ts";

/*
 * What a culprit writes is a verdict, and never a failure: of whatever bytes a row is made, evidence about it is taken.
 */

const SECP256K1 = 1;
const P256 = 3;
const ask = (position: number) =>
  ({ proof: "contribution", table: "contributions", position }) as const;

const word = (value: bigint): string => toBeHex(value, 32).slice(2);
const signatureOf = (r: bigint, s: bigint): Uint8Array => fromHex(`0x${word(r)}${word(s)}`);

const LAST = 2n ** 256n - 1n;
/** The highest bit is the nonce's parity, in the signature of a secp256k1 key. */
const HIGHEST_BIT = 2n ** 255n;

/** Numbers around zero, half the order, the order, the field's size and the end. */
function edgesOf(order: bigint, field: bigint): readonly bigint[] {
  const half = order / 2n;
  return [0n, 1n, 2n, half, half + 1n, order - 1n, order, order + 1n, field, HIGHEST_BIT, LAST];
}

const CURVES = [
  ["secp256k1", secp256k1.Point.CURVE(), SECP256K1],
  ["P-256", p256.Point.CURVE(), P256],
] as const;

describe("Judge", () => {
  describe("before signatures that are none", () => {
    for (const [curve, { n, p }, position] of CURVES) {
      it(`convicts every r and s at the edges of ${curve}, of the device`, async () => {
        const world = await from(servedWorld);
        for (const r of edgesOf(n, p)) {
          for (const s of edgesOf(n, p)) {
            const change = { deviceSignature: signatureOf(r, s) };
            const tables = bend(world.second, "contributions", position, change);
            const verdict = await judged(world, tables, ask(position));
            expect(verdict, `r ${toBeHex(r)}, s ${toBeHex(s)}`).to.equal("unlawful");
          }
        }
      });
    }

    it("convicts every r and s at the edges of secp256k1, of the customer", async () => {
      const world = await from(servedWorld);
      const { n, p } = secp256k1.Point.CURVE();
      for (const r of edgesOf(n, p)) {
        for (const s of edgesOf(n, p)) {
          const change = { customerSignature: signatureOf(r, s) };
          const tables = bend(world.second, "contributions", SECP256K1, change);
          expect(await judged(world, tables, ask(SECP256K1))).to.equal("unlawful");
        }
      }
    });

    it("convicts a good signature whose s is the high one of the two", async () => {
      const world = await from(servedWorld);
      const { deviceSignature } = rowOf(world.second, "contributions", P256);
      const r = BigInt(toHex(deviceSignature.slice(0, 32)));
      const s = BigInt(toHex(deviceSignature.slice(32)));
      const high = { deviceSignature: signatureOf(r, p256.Point.CURVE().n - s) };
      const tables = bend(world.second, "contributions", P256, high);
      expect(await judged(world, tables, ask(P256))).to.equal("unlawful");
    });

    it("convicts a good signature with the other parity", async () => {
      const world = await from(servedWorld);
      const { deviceSignature, customerSignature } = rowOf(
        world.second,
        "contributions",
        SECP256K1,
      );
      const flipped = (signature: Uint8Array) =>
        signature.map((byte, i) => (i === 32 ? byte ^ 0x80 : byte));
      for (const change of [
        { deviceSignature: flipped(deviceSignature) },
        { customerSignature: flipped(customerSignature) },
      ]) {
        const tables = bend(world.second, "contributions", SECP256K1, change);
        expect(await judged(world, tables, ask(SECP256K1))).to.equal("unlawful");
      }
    });

    it("convicts an unknown device with no signature by the zero address: lesson, ecrecover's zero", async () => {
      const world = await from(servedWorld);
      const none = { deviceSignature: new Uint8Array(64), customerSignature: new Uint8Array(64) };
      const device: Hex = `0x${"00".repeat(20)}`;
      for (const change of [{ device }, { customer: device }, { device, customer: device }]) {
        const tables = bend(
          bendReceipt(world.second, SECP256K1, change),
          "contributions",
          SECP256K1,
          none,
        );
        expect(await judged(world, tables, ask(SECP256K1))).to.equal("unlawful");
      }
    });
  });

  describe("before rows of any bytes", () => {
    /** As many rows of each table as the epoch has, of these bytes. */
    function garbage(tables: Tables, byteAt: (i: number) => number): Tables {
      let next = 0;
      const fill = (bytes: number) =>
        Uint8Array.from({ length: bytes }, () => byteAt(next++) & 0xff);
      const rows = (count: number, bytes: number) =>
        Array.from({ length: count }, () => fill(bytes));
      return {
        ...tables,
        contributions: rows(tables.contributions.length, ROW_BYTES.contributions).map(
          decodeContribution,
        ),
        invoices: decodeInvoices(concatBytes(...rows(tables.invoices.length, ROW_BYTES.invoices))),
        rewards: decodeRewards(concatBytes(...rows(tables.rewards.length, ROW_BYTES.rewards))),
        lastRewards: decodeRewards(
          concatBytes(...rows(tables.lastRewards.length, ROW_BYTES.rewards)),
        ),
      };
    }

    /** Every question but the reward boundary's, whose place rows without an order need not have. */
    function questionsOn({ contributions, invoices, rewards }: Tables): readonly Question[] {
      const questions: Question[] = [];
      for (let position = 0; position <= contributions.length; position++) {
        questions.push({ proof: "contribution-order", table: "contributions", position });
        questions.push({ proof: "invoice-order", table: "invoices", position });
      }
      for (const position of contributions.keys()) questions.push(ask(position));
      for (const position of invoices.keys()) {
        questions.push({ proof: "pair", table: "invoices", position });
      }
      for (let position = 0; position <= rewards.length; position++) {
        questions.push({ proof: "reward-order", table: "rewards", position });
      }
      return questions;
    }

    async function expectVerdicts(world: Served, tables: Tables): Promise<void> {
      for (const question of questionsOn(tables)) {
        const { proof, position } = question;
        const verdict = await judged(world, tables, question);
        expect(verdict, `${proof} at ${position}`).to.be.oneOf(["lawful", "unlawful"]);
      }
      const found = findIn(world, tables);
      if (found === undefined) throw new Error("nothing was found");
      expect(await judged(world, tables, found.evidence)).to.equal("unlawful");
    }

    it("has a verdict on rows of zeros, of ones, and of anything", async () => {
      const world = await from(servedWorld);
      await expectVerdicts(
        world,
        garbage(world.second, () => 0),
      );
      await expectVerdicts(
        world,
        garbage(world.second, () => 0xff),
      );
      await fc.assert(
        fc.asyncProperty(fc.infiniteStream(fc.nat(255)), (bytes) =>
          expectVerdicts(
            world,
            garbage(world.second, () => Number(bytes.next().value)),
          ),
        ),
        { numRuns: 3 },
      );
    });

    it("has a verdict on lawful rows of which each field in turn is as large or small as can be", async () => {
      const world = await from(servedWorld);
      const { second } = world;
      const address: readonly Hex[] = [`0x${"00".repeat(20)}`, `0x${"ff".repeat(20)}`];
      const receipts = [
        ...address.flatMap((party) => [{ device: party }, { customer: party }]),
        ...[0, 2 ** 32 - 1].flatMap((number) => [{ epoch: number }, { sequence: number }]),
        { egressBytes: 2n ** 64n - 1n },
        { storageByteSeconds: MOST },
        { computeMilliseconds: 2n ** 64n - 1n },
      ];
      const bents: Tables[] = receipts.flatMap((change) => [
        bendReceipt(second, 3, change),
        // Signed, so that nothing else is wrong with it.
        resign(world, second, 3, change),
      ]);
      for (const amount of [0n, MOST]) {
        bents.push(bend(second, "contributions", 3, { earned: amount }));
        bents.push(bend(second, "contributions", 3, { subtotal: amount }));
        bents.push(bend(second, "invoices", 3, { value: amount }));
        bents.push(bend(second, "invoices", 3, { ceiling: amount }));
        bents.push(bend(second, "invoices", 3, { subtotal: amount }));
        bents.push(bend(second, "rewards", 3, { cumulative: amount }));
        bents.push(bend(second, "rewards", 3, { prefix: amount }));
      }
      for (const number of [0, 2 ** 32 - 1]) {
        bents.push(bend(second, "invoices", 3, { contribution: number }));
        bents.push(bend(second, "invoices", 3, { above: number }));
      }
      for (const account of address) {
        bents.push(bend(second, "contributions", 3, { account }));
        bents.push(bend(second, "rewards", 3, { account }));
        bents.push(bend(second, "invoices", 3, { customer: account }));
        bents.push(bend(second, "invoices", 3, { device: account }));
      }
      for (const tables of bents) {
        const near = questionsOn(tables).filter(({ position }) => position === 3 || position === 4);
        for (const question of near) {
          const verdict = await judged(world, tables, question);
          expect(verdict, question.proof).to.be.oneOf(["lawful", "unlawful"]);
        }
      }
    });
  });

  describe("with little gas", () => {
    it("fails rather than say something else, from 60,000 to 480,000", async () => {
      const world = await from(servedWorld);
      const { second } = world;
      const wrong = (position: number) => resign(world, second, position, { sequence: 9 }, {});
      const unsigned = (position: number) => {
        const { deviceSignature } = rowOf(wrong(position), "contributions", position);
        return bend(second, "contributions", position, { deviceSignature });
      };
      const questions: readonly (readonly [Tables, Question])[] = [
        ...[second, unsigned(SECP256K1)].map((tables) => [tables, ask(SECP256K1)] as const),
        ...[second, unsigned(P256)].map((tables) => [tables, ask(P256)] as const),
        [second, { proof: "reward-boundary", table: "rewards", position: 3 }],
        [second, { proof: "pair", table: "invoices", position: 3 }],
      ];
      const asLedger = world.judge.connect(await ledgersVoice(world));
      for (const [tables, question] of questions) {
        const truth = (await judged(world, tables, question)) === "unlawful";
        const evidence = encodeEvidence(evidenceOf(world, tables, question));
        const words: (boolean | "failed")[] = [];
        for (let gasLimit = 60_000; gasLimit <= 480_000; gasLimit += 5_000) {
          const asking = asLedger.unlawful(caseOf(tables), evidence, { gasLimit });
          words.push(await asking.catch(() => "failed" as const));
        }
        expect(words.at(-1)).to.equal(truth);
        expect(words).not.to.include(!truth);
      }
    });
  });
});
