import { ZERO_ADDRESS } from "@link-rewards/core/encoding/bytes";
import {
  type ContributionRecord,
  type InvoiceLine,
  ROW_BYTES,
} from "@link-rewards/core/epoch/records";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import { contributedIn, contribution } from "@link-rewards/core/judge/contribution";
import { contributionOrder, indexIn } from "@link-rewards/core/judge/contribution-order";
import { IS_EMPTY } from "@link-rewards/core/judge/empty-leaf";
import { findUnlawful, type Unlawful } from "@link-rewards/core/judge/find-unlawful";
import { invoiceOrder } from "@link-rewards/core/judge/invoice-order";
import type { Hearing, Objection } from "@link-rewards/core/judge/objections";
import { NAMES_NONE, namesNone, pair } from "@link-rewards/core/judge/pair";
import { rewardBoundary } from "@link-rewards/core/judge/reward-boundary";
import { rewardOrder } from "@link-rewards/core/judge/reward-order";
import { LINE, numberIn } from "@link-rewards/core/judge/rows";
import { type OpenTable, openTables } from "@link-rewards/core/judge/tables";
import { accountAt, accountCount } from "@link-rewards/core/law/law";
import { expect } from "chai";
import { seedOf } from "../../oracle/support/random.ts";
import {
  customers,
  devices,
  type EpochSketch,
  type PlayedEpoch,
  playEpochs,
} from "../support/epochs.ts";
import { claimOf, type Draft, draftOf, repairFrom } from "../support/forgeries.ts";
import {
  askJudge,
  type Claim,
  honestClaim,
  questionsOf,
  type Trial,
  trialOf,
  tryEvidence,
} from "../support/judging.ts";
import { addCounts, NO_COUNTS, playRound } from "../support/rounds.ts";

const NOTHING = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
const ALL_OF_IT = { over: 0n };

/** One customer pays for half of two equal lines, one for a part of its only line, the others for all. */
const sketch: EpochSketch = {
  tariff: { egressPrice: 10n ** 12n, storagePrice: 0n, computePrice: 0n, feeBps: 1_000 },
  served: [
    { device: 0, customer: 0, ...NOTHING, egressBytes: 10n },
    { device: 1, customer: 0, ...NOTHING, egressBytes: 10n },
    { device: 4, customer: 1, ...NOTHING, egressBytes: 20n },
    { device: 3, customer: 2, ...NOTHING, egressBytes: 40n },
    { device: 3, customer: 3, ...NOTHING, egressBytes: 40n },
    { device: 6, customer: 3, ...NOTHING, egressBytes: 5n },
  ],
  payments: [{ amount: 12n }, { amount: 5n }, ALL_OF_IT, ALL_OF_IT, { amount: 7n }],
};
const played = playEpochs([sketch, sketch])[1] as PlayedEpoch;

/** The honest epoch with a change, and with what follows from it, from some consequence on. */
function claim(
  bend: (draft: Draft) => void,
  from?: Parameters<typeof repairFrom>[0],
  then?: (draft: Draft) => void,
): Claim {
  const draft = draftOf(played);
  bend(draft);
  if (from !== undefined) repairFrom(from, draft, played);
  then?.(draft);
  return claimOf(draft);
}

const at = <T>(list: readonly T[], wanted: (item: T) => boolean) => {
  const i = list.findIndex(wanted);
  if (i < 0) throw new Error("no such row");
  return i;
};
const contributionOf = (device: number, customer: number) => (record: ContributionRecord) =>
  record.receipt.device === devices[device] && record.receipt.customer === customers[customer];
const lineOf = (customer: number) => (line: InvoiceLine) => line.customer === customers[customer];

/** Changes the first row for which this holds. */
function bendRow<T>(list: T[], wanted: (item: T) => boolean, fields: (item: T) => Partial<T>) {
  const i = at(list, wanted);
  const row = list[i] as T;
  list[i] = { ...row, ...fields(row) };
}

const bendReceipt =
  (device: number, customer: number, fields: Partial<ContributionRecord["receipt"]>) =>
  (draft: Draft) =>
    bendRow(draft.contributions, contributionOf(device, customer), ({ receipt }) => ({
      receipt: { ...receipt, ...fields },
    }));

function swapPointers(
  draft: Draft,
  a: (line: InvoiceLine) => boolean,
  b: (line: InvoiceLine) => boolean,
) {
  const [i, j] = [at(draft.invoices, a), draft.invoices.findLastIndex(b)];
  const [first, second] = [draft.invoices[i] as InvoiceLine, draft.invoices[j] as InvoiceLine];
  draft.invoices[i] = { ...first, contribution: second.contribution };
  draft.invoices[j] = { ...second, contribution: first.contribution };
}

/** What all the proofs say against all the rows. */
function allObjections({ case_, tables, context }: Trial): readonly string[] {
  const hearing: Hearing = { ...context, case_ };
  const said = new Set<string>();
  const ask = <Rows>(proof: readonly Objection<Rows>[], rows: Rows) => {
    for (const { says, applies } of proof) if (applies(rows, hearing)) said.add(says);
  };
  const contributions = tables.contributions as OpenTable;
  const invoices = tables.invoices as OpenTable;
  const rewards = tables.rewards as OpenTable;
  const around = ({ rows, rowAt }: OpenTable, boundary: number) => ({
    before: boundary > 0 ? rowAt(boundary - 1) : undefined,
    after: boundary < rows ? rowAt(boundary) : undefined,
  });
  for (let i = 0; i < contributions.rows; i++)
    ask(contribution, contributedIn(contributions.rowAt(i), i, hearing));
  for (let i = 0; i < invoices.rows; i++) {
    const line = invoices.rowAt(i);
    if (namesNone(line, case_.contributions)) said.add(NAMES_NONE);
    else ask(pair, { line, contribution: contributions.rowAt(numberIn(line, LINE.contribution)) });
  }
  for (let b = 0; b <= contributions.rows; b++) {
    ask(contributionOrder, around(contributions, b));
    ask(invoiceOrder, around(invoices, b));
  }
  for (let x = 0; x <= rewards.rows; x++) {
    ask(rewardOrder, { ...around(rewards, x), boundary: x });
    if (x === rewards.rows) continue;
    let b = 0;
    while (b < contributions.rows && indexIn(contributions.rowAt(b), context.law) < x) b++;
    const lastLeaf = x < case_.lastLeaves ? tables.lastRewards?.rowAt(x) : undefined;
    const { before } = around(contributions, b);
    ask(rewardBoundary, { leaf: rewards.rowAt(x), lastLeaf, before });
  }
  return [...said];
}

function found(trial: Trial): Unlawful | undefined {
  return findUnlawful(trial.case_, trial.tables, trial.context);
}

describe("findUnlawful", () => {
  it("convicts no honest epoch, of whatever shape, and every table that is not what its receipts come to", () => {
    const seed = seedOf();
    let counts = NO_COUNTS;
    for (let round = seed; round < seed + 4; round++) counts = addCounts(counts, playRound(round));
    expect(counts.honest).to.be.greaterThan(20);
    expect(counts.unlawful).to.be.greaterThan(100);
  });

  describe("needs each of its checks: without it this would pass,", () => {
    const pays = (customer: number) => (line: InvoiceLine) => lineOf(customer)(line);
    const alone: Record<string, readonly Claim[]> = {
      "its receipt is of another epoch": [claim(bendReceipt(0, 0, { epoch: 1 }))],
      "its receipt has sequence 0": [claim(bendReceipt(0, 0, { sequence: 0 }))],
      "its device earns for nobody": [
        claim(
          (draft) => {
            const device = devices[7] as (typeof devices)[number];
            bendRow(draft.invoices, pays(1), () => ({ device }));
            bendReceipt(4, 1, { device })(draft);
            bendRow(draft.contributions, contributionOf(7, 1), () => ({ account: ZERO_ADDRESS }));
          },
          "rows sorted",
          // Of what nobody earned, the last account gets what is left of the total.
          (draft) => {
            const { earned } = draft.contributions.at(-1) as ContributionRecord;
            const isLast = (leaf: unknown) => leaf === draft.rewards.at(-1);
            bendRow(draft.rewards, isLast, ({ cumulative }) => ({
              cumulative: cumulative + earned,
            }));
          },
        ),
      ],
      "it is over what its device's class can deliver": [
        claim(bendReceipt(6, 3, { egressBytes: 6n }), "lines priced"),
        claim(bendReceipt(6, 3, { storageByteSeconds: 5n }), "lines priced"),
        claim(bendReceipt(6, 3, { computeMilliseconds: 4n }), "lines priced"),
      ],
      "no key of its customer signed it": [
        claim((draft) =>
          bendRow(draft.contributions, contributionOf(0, 0), () => ({
            customerSignature: new Uint8Array(64),
          })),
        ),
      ],
      "its device did not sign it": [
        claim((draft) =>
          bendRow(draft.contributions, contributionOf(0, 0), () => ({
            deviceSignature: new Uint8Array(64),
          })),
        ),
      ],
      "its account is not its device's": [
        claim(
          ({ contributions }) =>
            bendRow(contributions, contributionOf(0, 0), () => ({
              account: accountAt(played.law, 2),
            })),
          "rows sorted",
        ),
      ],
      [NAMES_NONE]: [
        claim(({ invoices }) => bendRow(invoices, lineOf(0), () => ({ contribution: 6 }))),
        claim(({ invoices }) =>
          bendRow(invoices, lineOf(0), () => ({ contribution: 2 ** 32 - 1 })),
        ),
      ],
      "it is of another device than the contribution it names": [
        claim((draft) => swapPointers(draft, lineOf(0), lineOf(0))),
      ],
      "it is of another customer than the contribution it names": [
        claim((draft) =>
          swapPointers(
            draft,
            (line) => line.device === devices[3],
            (line) => line.device === devices[3],
          ),
        ),
      ],
      "its value is not what the contribution is worth at the tariff": [
        claim(
          ({ invoices }) => bendRow(invoices, lineOf(2), ({ value }) => ({ value: value - 1n })),
          "ceilings found",
        ),
      ],
      "the contribution did not earn what counted less the fee": [
        claim(
          ({ contributions }) =>
            bendRow(contributions, contributionOf(3, 2), ({ earned }) => ({ earned: earned + 1n })),
          "contributions summed",
        ),
      ],
      "it does not come after the line before it": [
        claim((draft) => {
          const i = at(draft.invoices, lineOf(0));
          const [first, second] = draft.invoices.slice(i, i + 2) as [InvoiceLine, InvoiceLine];
          draft.invoices.splice(i, 2, second, first);
        }, "lines summed"),
      ],
      "its ceiling is not that of the customer's line before it": [
        claim(({ invoices }) => {
          const i = at(invoices, lineOf(0));
          invoices[i] = { ...(invoices[i] as InvoiceLine), ceiling: 2n };
          invoices[i + 1] = { ...(invoices[i + 1] as InvoiceLine), ceiling: 10n };
        }, "lines summed"),
      ],
      "its subtotal is not the customer's before it and what counted": [
        claim(
          ({ invoices }) =>
            bendRow(invoices, lineOf(1), () => ({ ceiling: MAX_AMOUNT, subtotal: 5n, above: 0 })),
          "earned found",
        ),
      ],
      "it does not say how many of the customer's lines are above the ceiling": [
        claim(
          ({ invoices }) =>
            bendRow(invoices, lineOf(1), () => ({ ceiling: 4n, subtotal: 4n, above: 2 })),
          "earned found",
        ),
      ],
      "more counted than the customer paid": [
        claim(
          ({ invoices }) => bendRow(invoices, lineOf(1), () => ({ ceiling: MAX_AMOUNT })),
          "lines summed",
        ),
      ],
      "the customer paid for a higher ceiling": [
        claim(
          ({ invoices }) => bendRow(invoices, lineOf(1), () => ({ ceiling: 4n })),
          "lines summed",
        ),
      ],
      "it is in the place of another account": [
        claim(({ rewards }) => {
          const [first, second] = rewards.slice(0, 2) as [(typeof rewards)[0], (typeof rewards)[0]];
          rewards[0] = { ...first, account: second.account };
          rewards[1] = { ...second, account: first.account };
        }),
      ],
      "its prefix is not where the leaf before it ends": [
        claim(({ rewards }) =>
          bendRow(
            rewards,
            ({ cumulative }) => cumulative > 0n,
            ({ cumulative }) => ({ cumulative: cumulative - 1n }),
          ),
        ),
      ],
      "it is the last and does not end at the total": [
        claim(({ rewards }) =>
          bendRow(
            rewards,
            (leaf) => leaf === rewards.at(-1),
            ({ cumulative }) => ({ cumulative: cumulative + 1n }),
          ),
        ),
      ],
      "its prefix did not move by what the accounts before it earned": [
        claim(({ rewards }) => {
          const [first, second] = rewards.slice(0, 2) as [(typeof rewards)[0], (typeof rewards)[0]];
          rewards[0] = { ...first, cumulative: first.cumulative + 1n };
          rewards[1] = {
            ...second,
            prefix: second.prefix + 1n,
            cumulative: second.cumulative - 1n,
          };
        }),
      ],
    };

    for (const [says, claims] of Object.entries(alone)) {
      it(`if not "${says}"`, () => {
        for (const each of claims) {
          const trial = trialOf(played, each);
          expect(allObjections(trial)).to.deep.equal([says]);
          const unlawful = found(trial);
          expect(unlawful?.says).to.equal(says);
          expect(unlawful && tryEvidence(trial, unlawful.evidence)).to.equal("unlawful");
        }
      });
    }

    it(`if not "${IS_EMPTY}"`, () => {
      const zero = { account: ZERO_ADDRESS, cumulative: 0n, prefix: 0n };
      const trial = trialOf(
        played,
        claim(({ rewards }) => {
          rewards[rewards.length - 1] = zero;
        }),
      );
      const convicting = questionsOf(trial.case_).filter(
        (question) => askJudge(trial, question) === "unlawful",
      );
      const position = accountCount(played.law) - 1;
      expect(convicting).to.deep.equal([{ proof: "empty-leaf", table: "rewards", position }]);
      expect(found(trial)).to.deep.include({ says: IS_EMPTY, table: "rewards", row: position });
    });

    it("and no check is left out here but those of the contribution order, which an omission needs", () => {
      const checks = [contribution, pair, invoiceOrder, rewardOrder, rewardBoundary].flatMap(
        (proof: readonly Objection<never>[]) => proof.map(({ says }) => says),
      );
      expect(Object.keys(alone)).to.have.members([...checks, NAMES_NONE]);
    });
  });

  it("names the first row in the order in which an epoch is computed", () => {
    const bent = claim(({ contributions, invoices, rewards }) => {
      const last =
        <T>(list: readonly T[]) =>
        (row: T) =>
          row === list.at(-1);
      bendRow(rewards, last(rewards), () => ({ prefix: 0n }));
      bendRow(invoices, last(invoices), () => ({ value: 0n }));
      bendRow(contributions, last(contributions), () => ({ subtotal: 0n }));
    });
    const { tables, contributions, total } = bent;
    const { tables: honest } = honestClaim(played);
    const first = (parts: Partial<typeof tables>) =>
      found(trialOf(played, { tables: { ...honest, ...parts }, contributions, total }));
    expect(first(tables)).to.include({ table: "contributions", row: 5 });
    const { invoices, rewards } = tables;
    expect(first({ invoices, rewards })).to.include({ table: "invoices", row: 5, proof: "pair" });
    expect(first({ rewards })).to.include({ table: "rewards", row: 5, proof: "reward-order" });
    expect(first({})).to.equal(undefined);
  });

  describe("when not all tables are there", () => {
    const bent = claim(({ invoices, rewards }) => {
      bendRow(invoices, lineOf(1), () => ({ above: 7 }));
      bendRow(
        rewards,
        () => true,
        () => ({ prefix: 3n }),
      );
    });
    const { case_, context } = trialOf(played, bent);
    const lastRewards = played.previousRewards;
    const findIn = (...files: (keyof typeof bent.tables)[]) => {
      const shown = Object.fromEntries(files.map((table) => [table, bent.tables[table]]));
      return findUnlawful(case_, openTables(case_, { ...shown, lastRewards }), context);
    };

    it("judges those that are", () => {
      expect(findIn("invoices")).to.include({ proof: "invoice-order" });
      expect(findIn("rewards")).to.include({ proof: "reward-order", row: 0 });
      expect(findIn("contributions", "rewards")).to.include({ proof: "reward-order" });
      expect(findIn("contributions")).to.equal(undefined);
      expect(findIn()).to.equal(undefined);
    });

    it("asks nothing about what leaves were, without the last rewards", () => {
      const honest = trialOf(played, honestClaim(played));
      const opened = openTables(honest.case_, honestClaim(played).tables);
      expect(opened.lastRewards).to.equal(undefined);
      expect(findUnlawful(honest.case_, opened, context)).to.equal(undefined);
    });

    it("takes nothing for a table that does not lead to its root", () => {
      const rewards = bent.tables.rewards.slice();
      rewards[0] = 1 ^ (rewards[0] as number);
      const opened = openTables(case_, { rewards });
      expect(opened.rewards).to.equal(undefined);
      expect(findUnlawful(case_, opened, context)).to.equal(undefined);
    });
  });

  it("opens a table of which more is published than the report counts, cut off or not", () => {
    const bent = claim(({ rewards }) =>
      bendRow(
        rewards,
        () => true,
        () => ({ prefix: 3n }),
      ),
    );
    const { case_, context } = trialOf(played, bent);
    for (const more of [1, ROW_BYTES.rewards, 100 * ROW_BYTES.rewards + 5]) {
      const rewards = new Uint8Array([...bent.tables.rewards, ...new Uint8Array(more).fill(7)]);
      expect(findUnlawful(case_, openTables(case_, { rewards }), context)?.row).to.equal(0);
    }
  });
});
