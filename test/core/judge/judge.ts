import { type Hex, keccak256, toHex } from "@link-rewards/core/encoding/bytes";

import { rootOver } from "@link-rewards/core/encoding/tree";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { reportOf } from "@link-rewards/core/epoch/manifest";
import { CONTRIBUTION_BYTES, REWARD_BYTES } from "@link-rewards/core/epoch/records";
import { caseOf } from "@link-rewards/core/judge/case";
import {
  type Evidence,
  JUDGED_TABLES,
  type Opening,
  PROOFS,
} from "@link-rewards/core/judge/evidence";
import { evidenceFor, findUnlawful, type Question } from "@link-rewards/core/judge/find-unlawful";
import { judge } from "@link-rewards/core/judge/judge";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import { openTables } from "@link-rewards/core/judge/tables";
import { publicKeyOf, publicKeys } from "@link-rewards/core/law/law";
import { recoverSigners, signersAt } from "@link-rewards/core/signed/signers";
import { expect } from "chai";
import fc from "fast-check";
import { crowdOf, deployment, happen, registryDomain, rulesSet } from "../../worlds/paper.ts";
import { type EpochSketch, MOST, type PlayedEpoch, playEpochs } from "../support/epochs.ts";
import { claimOf, type Draft, draftOf } from "../support/forgeries.ts";
import {
  askJudge,
  honestClaim,
  questionsOf,
  type Trial,
  trialOf,
  tryEvidence,
} from "../support/judging.ts";

const served = (device: number, customer: number) => ({
  device,
  customer,
  egressBytes: 10n,
  storageByteSeconds: 1n,
  computeMilliseconds: 1n,
});
const sketch: EpochSketch = {
  tariff: { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n, feeBps: 0 },
  served: [served(0, 0), served(1, 0), served(1, 1), served(2, 0), served(3, 1), served(5, 2)],
  payments: [{ amount: 17n }, { over: 0n }, { over: 0n }, { over: 0n }, { over: 0n }],
};
const [first, second] = playEpochs([sketch, sketch]) as [PlayedEpoch, PlayedEpoch];

/** A question about the honest second epoch, and its evidence with a change. */
const trial = trialOf(second, honestClaim(second));
function asked(question: Question, change: Partial<Evidence> = {}) {
  const evidence = evidenceFor(question, trial.case_, trial.tables, trial.context.law);
  return tryEvidence(trial, { ...evidence, ...change });
}

/** The openings of a question, one of them changed. */
function withOpening(question: Question, number: number, change: Partial<Opening>) {
  const { openings } = evidenceFor(question, trial.case_, trial.tables, trial.context.law);
  return openings.map((opening, i) => (i === number ? { ...opening, ...change } : opening));
}

const CONTRIBUTION = { proof: "contribution", table: "contributions", position: 2 } as const;
const PAIR = { proof: "pair", table: "invoices", position: 3 } as const;
const ORDERS = [
  { proof: "contribution-order", table: "contributions", position: 2 },
  { proof: "invoice-order", table: "invoices", position: 2 },
  { proof: "reward-order", table: "rewards", position: 2 },
] as const;
const BOUNDARY = { proof: "reward-boundary", table: "rewards", position: 1 } as const;
const ALL = [CONTRIBUTION, PAIR, ...ORDERS, BOUNDARY];

/** The second epoch with rows that say anything. */
function forged(bend: (draft: Draft) => void): Trial {
  const draft = draftOf(second);
  bend(draft);
  return trialOf(second, claimOf(draft));
}

describe("judge", () => {
  it("finds every row of honest epochs lawful, of the first as of a later one", () => {
    for (const played of [first, second]) {
      const honest = trialOf(played, honestClaim(played));
      for (const question of questionsOf(honest.case_).filter(
        ({ proof }) => proof !== "empty-leaf",
      ))
        expect(askJudge(honest, question), JSON.stringify(question)).to.equal("lawful");
    }
  });

  describe("takes for no evidence", () => {
    const [row] = withOpening(CONTRIBUTION, 0, {});
    const cut = (row?.row ?? "0x").slice(0, -2) as Hex;

    it("an opening of another table, of another position, or with another way to the root", () => {
      const ways = (opening: Opening): readonly Partial<Opening>[] => [
        { table: opening.table === "lastRewards" ? "rewards" : "lastRewards" },
        { position: opening.position + 1 },
        { position: 2 ** 32 - 1 },
        { proof: [] },
        { proof: [...opening.proof, `0x${"00".repeat(32)}`] },
        { proof: opening.proof.toReversed() },
        { row: cut },
        { row: `${cut}0000` },
        { row: "0x" },
      ];
      for (const question of ALL)
        for (const [number, opening] of withOpening(question, 0, {}).entries())
          for (const way of ways(opening))
            expect(
              asked(question, { openings: withOpening(question, number, way) }),
              `${question.proof}, opening ${number}, ${JSON.stringify(way)}`,
            ).to.equal("invalid");
    });

    it("an opening too many, too few, or in another place", () => {
      for (const question of ALL) {
        const openings = withOpening(question, 0, {});
        for (const other of [
          [],
          openings.slice(1),
          [...openings, openings[0] as Opening],
          ...(openings.length > 1 ? [openings.slice(0, -1), openings.toReversed()] : []),
        ])
          expect(asked(question, { openings: other }), question.proof).to.equal("invalid");
      }
    });

    it("rows on both sides of another boundary", () => {
      for (const question of [...ORDERS, BOUNDARY])
        for (const position of [0, 3, 6, 7, 2 ** 32 - 1])
          expect(asked(question, { position }), `${question.proof} ${position}`).to.equal(
            "invalid",
          );
    });

    it("contributions that are not those around the account", () => {
      const { openings } = evidenceFor(BOUNDARY, trial.case_, trial.tables, trial.context.law);
      const [leaf, lastLeaf] = openings as [Opening, Opening];
      const around = (position: number) =>
        evidenceFor({ ...ORDERS[0], position }, trial.case_, trial.tables, trial.context.law);
      const judged = [0, 1, 2, 3, 4, 5, 6].map((position) =>
        asked(BOUNDARY, { position, openings: [leaf, lastLeaf, ...around(position).openings] }),
      );
      expect(judged.filter((judgement) => judgement === "lawful")).to.have.length(1);
      expect(judged.filter((judgement) => judgement === "invalid")).to.have.length(6);
    });

    it("a leaf without the one it was, or a new one with another's", () => {
      const { openings } = evidenceFor(BOUNDARY, trial.case_, trial.tables, trial.context.law);
      expect(asked(BOUNDARY, { openings: openings.filter((_, i) => i !== 1) })).to.equal("invalid");
      const isNew = { ...BOUNDARY, position: 4 };
      const shown = evidenceFor(isNew, trial.case_, trial.tables, trial.context.law).openings;
      const more = [shown[0] as Opening, openings[1] as Opening, ...shown.slice(1)];
      expect(asked(isNew)).to.equal("lawful");
      expect(asked(isNew, { openings: more })).to.equal("invalid");
    });

    it("the other line, when one names a contribution; and any, when one names none", () => {
      expect(asked(PAIR, { openings: withOpening(PAIR, 0, {}).slice(0, 1) })).to.equal("invalid");
      const none = forged(({ invoices }) => {
        invoices[3] = { ...(invoices[3] as (typeof invoices)[0]), contribution: 6 };
      });
      expect(askJudge(none, PAIR)).to.equal("unlawful");
      const evidence = evidenceFor(PAIR, none.case_, none.tables, none.context.law);
      const [contribution] = evidenceFor(
        CONTRIBUTION,
        none.case_,
        none.tables,
        none.context.law,
      ).openings;
      const openings = [...evidence.openings, contribution as Opening];
      expect(tryEvidence(none, { ...evidence, openings })).to.equal("invalid");
    });

    it("contributions of an epoch that has none", () => {
      const idle = playEpochs([sketch, { ...sketch, served: [] }])[1] as PlayedEpoch;
      const empty = trialOf(idle, honestClaim(idle));
      expect(askJudge(empty, BOUNDARY)).to.equal("lawful");
      const evidence = evidenceFor(BOUNDARY, empty.case_, empty.tables, empty.context.law);
      const [contribution] = withOpening(CONTRIBUTION, 0, {});
      const openings = [...evidence.openings, contribution as Opening];
      expect(tryEvidence(empty, { ...evidence, openings })).to.equal("invalid");
    });

    it("a row of another length, though it leads to the root", () => {
      const { case_, tables, context } = trial;
      const evidence = evidenceFor(ORDERS[2], case_, tables, context.law);
      const long = new Uint8Array(REWARD_BYTES + 1);
      const root = toHex(keccak256(long));
      const openings = [{ table: "rewards", position: 0, row: toHex(long), proof: [] }] as const;
      const alone = { ...case_, root, leaves: 1 };
      expect(judge(alone, { ...evidence, position: 0, openings }, context)).to.equal("invalid");
    });

    it("the zero hash with something else beside it, or under the last root", () => {
      const bent = forged(({ rewards }) => {
        rewards[2] = { account: `0x${"00".repeat(20)}`, cumulative: 0n, prefix: 0n };
      });
      const { case_, tables, context } = bent;
      const question = { proof: "empty-leaf", table: "rewards", position: 2 } as const;
      const evidence = evidenceFor(question, case_, tables, context.law);
      const [opening] = evidence.openings as [Opening];
      const ask = (openings: readonly Opening[], facts = case_) =>
        judge(facts, { ...evidence, openings }, context);
      expect(ask([opening])).to.equal("unlawful");
      expect(ask([opening, opening])).to.equal("invalid");
      expect(ask([{ ...opening, row: "0x00" }])).to.equal("invalid");
      const last = { ...case_, lastRoot: case_.root, lastLeaves: case_.leaves };
      expect(ask([{ ...opening, table: "lastRewards" }], last)).to.equal("invalid");
    });

    it("padding, a leaf under the last root and a row that is there as empty leaves", () => {
      for (const table of JUDGED_TABLES)
        for (const position of [0, 5, 6, 7]) {
          const proof = Array.from({ length: 3 }, () => `0x${"00".repeat(32)}` as Hex);
          const opening = { table, position, row: "0x", proof } as const;
          expect(asked({ ...PAIR, proof: "empty-leaf" }, { openings: [opening] })).to.equal(
            "invalid",
          );
        }
    });

    it("anything made up, without ever failing", () => {
      const hex = (bytes: fc.Arbitrary<Uint8Array>) => bytes.map(toHex);
      const opening = fc.record({
        table: fc.constantFrom(...JUDGED_TABLES),
        position: fc.nat(9),
        row: hex(fc.uint8Array({ maxLength: 250 })),
        proof: fc.array(hex(fc.uint8Array({ minLength: 32, maxLength: 32 })), { maxLength: 4 }),
      });
      const evidence = fc.record({
        proof: fc.constantFrom(...PROOFS),
        position: fc.nat(9),
        openings: fc.array(opening, { maxLength: 4 }),
        publicKey: hex(fc.uint8Array({ maxLength: 65 })),
      });
      fc.assert(
        fc.property(evidence, (made) => {
          expect(tryEvidence(trial, made)).to.equal("invalid");
        }),
      );
    });
  });

  describe("has a verdict, whatever a row says:", () => {
    const verdicts = (bent: Trial) =>
      questionsOf(bent.case_)
        .filter(({ proof }) => proof !== "empty-leaf")
        .map((question) => askJudge(bent, question));

    const zeros = new Uint8Array(64);
    const extremes: Record<string, (draft: Draft) => void> = {
      "sums that 96 bits do not hold": (draft) => {
        const most = { earned: MOST, subtotal: MOST };
        draft.contributions = draft.contributions.map((row) => ({ ...row, ...most }));
        const full = { value: MOST, ceiling: MOST - 1n, subtotal: MOST, above: 2 ** 32 - 1 };
        draft.invoices = draft.invoices.map((line) => ({ ...line, ...full }));
        draft.rewards = draft.rewards.map((leaf) => ({ ...leaf, cumulative: MOST, prefix: MOST }));
        draft.total = MOST;
      },
      "devices, customers and accounts that nobody knows": (draft) => {
        const nobody = {
          device: `0x${"ab".repeat(20)}`,
          customer: `0x${"cd".repeat(20)}`,
        } as const;
        draft.contributions = draft.contributions.map((row) => ({
          ...row,
          receipt: { ...row.receipt, ...nobody },
          account: nobody.device,
        }));
        draft.invoices = draft.invoices.map((line) => ({ ...line, ...nobody }));
        draft.rewards = draft.rewards.map((leaf) => ({ ...leaf, account: nobody.customer }));
      },
      "zeros, and signatures of zeros": (draft) => {
        const zero = `0x${"00".repeat(20)}` as const;
        draft.contributions = draft.contributions.map((row) => ({
          ...row,
          receipt: { ...row.receipt, device: zero, customer: zero, epoch: 0, sequence: 0 },
          customerSignature: zeros,
          deviceSignature: zeros,
          account: zero,
        }));
      },
      "pointers beyond the table": (draft) => {
        draft.invoices = draft.invoices.map((line) => ({ ...line, contribution: 2 ** 32 - 1 }));
      },
    };
    for (const [what, bend] of Object.entries(extremes)) {
      it(what, () => {
        const judged = verdicts(forged(bend));
        expect(judged).to.include("unlawful").and.not.include("invalid");
      });
    }
  });

  it("wants contributions in the order of account index, device and customer, none twice", () => {
    const orderOf = (first: number, second: number) => {
      const bent = forged((draft) => {
        const rows = draft.contributions;
        const [a, b] = [rows[first], rows[second]] as [(typeof rows)[0], (typeof rows)[0]];
        rows[0] = { ...a, subtotal: a.earned };
        rows[1] = { ...b, subtotal: a.earned + b.earned };
      });
      return askJudge(bent, { ...ORDERS[0], position: 1 });
    };
    const rows = draftOf(second).contributions;
    const judged = rows.map((_, a) => rows.map((_, b) => orderOf(a, b)));
    expect(judged).to.deep.equal(
      rows.map((_, a) => rows.map((_, b) => (a < b ? "lawful" : "unlawful"))),
    );
  });

  it("does not take a sum for right because it comes out so in 96 bits", () => {
    const wrapping = forged((draft) => {
      const [a, b] = draft.rewards as [(typeof draft.rewards)[0], (typeof draft.rewards)[0]];
      draft.rewards[0] = { ...a, cumulative: MOST };
      draft.rewards[1] = { ...b, prefix: MOST };
      const next = draft.rewards[2] as (typeof draft.rewards)[0];
      draft.rewards[1] = { ...b, prefix: MOST, cumulative: 2n };
      draft.rewards[2] = { ...next, prefix: 1n };
    });
    const question = { proof: "reward-order", table: "rewards", position: 2 } as const;
    expect(askJudge(wrapping, question)).to.equal("unlawful");
  });

  describe("by real signatures", () => {
    const crowd = crowdOf({ devices: 3, customers: 2 });
    happen(crowd.law, rulesSet(1));
    const contributions = crowd.devices.flatMap((device) =>
      crowd.customers.map((customer) => crowd.verified({ device, customer })),
    );
    const { manifest, bundleHash, files } = computeEpoch({
      deployment,
      law: crowd.law,
      epoch: 1,
      sealBlock: { number: 1, hash: `0x${"00".repeat(32)}` },
      contributions,
      previousRewards: new Uint8Array(),
    });
    const rows = files.get("contributions.bin") as Uint8Array;
    const law = judgeLawOf(crowd.law);

    /** The contributions as they are signed, or with one byte changed. */
    function judged(row: number, bytes = rows) {
      const signers = recoverSigners({
        records: bytes,
        recordBytes: CONTRIBUTION_BYTES,
        domain: registryDomain,
        publicKeys: publicKeys(crowd.law),
      });
      const signersOfRow = (_: Uint8Array, position: number) => signersAt(signers, position);
      const report = reportOf(manifest, bundleHash, 0);
      const honest = caseOf(report, crowd.law);
      const case_ = { ...honest, contributionRoot: toHex(rootOver(bytes, CONTRIBUTION_BYTES)) };
      const tables = openTables(case_, { contributions: bytes });
      const question = { proof: "contribution", table: "contributions", position: row } as const;
      const evidence = evidenceFor(question, case_, tables, law);
      const ask = (change: Partial<Evidence> = {}) =>
        judge(case_, { ...evidence, ...change }, { law, signersOfRow });
      return { ask, evidence, found: findUnlawful(case_, tables, { law, signersOfRow }) };
    }
    const device = (row: number) => toHex(rows.subarray(row * CONTRIBUTION_BYTES).subarray(0, 20));
    const isP256 = (row: number) => publicKeyOf(crowd.law, device(row)) !== undefined;
    const all = Array.from({ length: manifest.contributions }, (_, row) => row);

    it("finds lawful what both have signed, with keys of either curve", () => {
      expect(all.some(isP256) && !all.every(isP256)).to.equal(true);
      for (const row of all) expect(judged(row).ask()).to.equal("lawful");
      expect(judged(0).found).to.equal(undefined);
    });

    it("convicts what the customer or the device did not sign, and what is no signature", () => {
      for (const row of all)
        for (const [from, fill] of [
          [76, 1],
          [76, 64],
          [140, 1],
          [140, 64],
        ] as const) {
          const bytes = rows.slice();
          const at = row * CONTRIBUTION_BYTES + from;
          bytes.fill(255, at, at + fill);
          const { ask, found } = judged(row, bytes);
          expect(ask()).to.equal("unlawful");
          expect(found).to.deep.include({ row, proof: "contribution" });
        }
    });

    it("wants to see the key of a device that has a P-256 key, unless the row is wrong before that", () => {
      const row = all.find(isP256) as number;
      const { ask, evidence } = judged(row);
      expect(evidence.publicKey).to.have.length(2 + 2 * 64);
      expect(ask({ publicKey: "0x" })).to.equal("invalid");
      expect(ask({ publicKey: `${evidence.publicKey.slice(0, -2)}00` as Hex })).to.equal("invalid");
      const withOtherAccount = rows.slice();
      withOtherAccount.fill(1, row * CONTRIBUTION_BYTES + 204, row * CONTRIBUTION_BYTES + 224);
      expect(judged(row, withOtherAccount).ask({ publicKey: "0x" })).to.equal("invalid");
      expect(judged(row, withOtherAccount).ask()).to.equal("unlawful");
      const unsigned = rows.slice();
      unsigned.fill(0, row * CONTRIBUTION_BYTES + 76, row * CONTRIBUTION_BYTES + 140);
      expect(judged(row, unsigned).ask({ publicKey: "0x" })).to.equal("unlawful");
    });

    it("needs no key of any other device", () => {
      const row = all.find((each) => !isP256(each)) as number;
      const { ask, evidence } = judged(row);
      expect(evidence.publicKey).to.equal("0x");
      expect(ask({ publicKey: "0x1234" })).to.equal("lawful");
    });
  });
});
