import { concatBytes, keccak256, toHex, utf8 } from "@link-rewards/core/encoding/bytes";
import { buildTree, HASH_BYTES, rootOf } from "@link-rewards/core/encoding/tree";
import { packContributions } from "@link-rewards/core/epoch/contributions";
import type { ContributionRecord, InvoiceLine, Table } from "@link-rewards/core/epoch/records";
import { findUnlawful } from "@link-rewards/core/judge/find-unlawful";
import { judge } from "@link-rewards/core/judge/judge";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import type { OpenTable } from "@link-rewards/core/judge/tables";
import { packSignedReceipt } from "@link-rewards/core/signed/receipt";
import { MAX_DEMANDS_A_ROUND } from "@link-rewards/core/walk/result";
import { MAX_DEMANDS, walk } from "@link-rewards/core/walk/walk";
import { expect } from "chai";
import fc from "fast-check";
import { randomNumbers, seedOf } from "../../oracle/support/random.ts";
import { flaggedSigners, history, type PlayedEpoch, playHistory } from "../support/epochs.ts";
import { forge } from "../support/forgeries.ts";
import {
  closedTables,
  honestClaim,
  isProposable,
  type Trial,
  trialOf,
} from "../support/judging.ts";
import { FAULTS, type FaultName, gameOf, lawfulDraft } from "../support/walk-faults.ts";
import { type Game, type Outcome, play } from "../support/walk-game.ts";
import {
  named,
  type OwnedReceipt,
  receiptIn,
  type WalkWorld,
  worldOf,
} from "../support/walk-world.ts";

/** Measured, and a little room; by how many contributions an epoch has. */
const MOST_ROUNDS: Readonly<Record<number, number>> = { 5: 5, 300: 7, 5000: 11 };
const MOST_ROUNDS_OF_MANY = 12;
/** WALK_ROWS=100000 takes some minutes. */
const MANY = Number(process.env.WALK_ROWS ?? 10_000);
const MOST_ROUNDS_OF_ANY = 16;
/** Of one that lacks nothing. A k-ary search takes 64 at once. */
const MOST_DEMANDS = 3 * 64;
/** For each receipt that it lacks: its row, the page it is on, a row to tell from where to where others are moved, twice. */
const MOST_DEMANDS_A_RECEIPT = 6;
const LACKING = 60;

const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];
const TABLES = ["contributions", "invoices", "rewards"] as const satisfies readonly Table[];

type Lot = { readonly world: WalkWorld; readonly known: readonly OwnedReceipt[] };

/** A world, and what somebody knows of it who lacks so many receipts. */
function lotOf(count: number, lacking: number): Lot {
  const random = randomNumbers(count + 1);
  const world = worldOf(count, random);
  return { world, known: without(world.receipts, lacking, random) };
}

function without(
  receipts: readonly OwnedReceipt[],
  lacking: number,
  random: (below: number) => number,
): readonly OwnedReceipt[] {
  const gone = new Set<number>();
  while (gone.size < lacking) gone.add(random(receipts.length));
  return receipts.filter((_, i) => !gone.has(i));
}

function gameWith({ world, known }: Lot, fault?: FaultName, reported = world.receipts): Game {
  const draft = lawfulDraft(world, reported);
  if (fault !== undefined) FAULTS[fault](draft, randomNumbers(7), world);
  return gameOf(world, draft, known);
}

function expectConvicted({ case_, law, signersOfRow }: Game, outcome: Outcome): void {
  expect(outcome.end).to.equal("convicted");
  if (outcome.end !== "convicted") return;
  const context = { law: judgeLawOf(law), signersOfRow };
  expect(judge(case_, outcome.evidence, context)).to.equal("unlawful");
}

describe("walk", () => {
  for (const count of [5, 300, 5_000]) {
    for (const lacking of count > LACKING ? [0, LACKING] : [0]) {
      describe(`of ${count} hidden contributions, of which ${lacking} are not known`, () => {
        const lot = lotOf(count, lacking);
        const mostDemands = MOST_DEMANDS + MOST_DEMANDS_A_RECEIPT * lacking;

        for (const fault of FAULT_NAMES) {
          it(`convicts ${fault}`, () => {
            const game = gameWith(lot, fault);
            const outcome = play(game);
            expectConvicted(game, outcome);
            expect(outcome.rounds).to.be.at.most(MOST_ROUNDS[count] as number);
            expect(outcome.demands).to.be.at.most(mostDemands);
          });
        }

        it("finds an honest report consistent", () => {
          const outcome = play(gameWith(lot));
          expect(outcome).to.include({ end: "consistent" });
          expect(outcome.rounds).to.be.at.most(MOST_ROUNDS[count] as number);
          expect(outcome.demands).to.be.at.most(MOST_DEMANDS_A_RECEIPT * lacking);
        });
      });
    }
  }

  it(`convicts among ${MANY} contributions, of which ${LACKING} are not known`, function () {
    this.timeout(600_000);
    const game = gameWith(lotOf(MANY, LACKING), "a ceiling too high");
    const outcome = play(game);
    expectConvicted(game, outcome);
    expect(outcome.rounds).to.be.at.most(MOST_ROUNDS_OF_MANY);
    expect(outcome.demands).to.be.at.most(MOST_DEMANDS + MOST_DEMANDS_A_RECEIPT * LACKING);
  });

  it("convicts exactly what the judge would that sees all rows, whatever somebody forged and whatever is public", () => {
    const seed = seedOf();
    fc.assert(
      fc.property(history, fc.nat(), (sketches, start) => {
        const random = randomNumbers(start);
        expectSameVerdict(playHistory(sketches).at(-1) as PlayedEpoch, random);
      }),
      { seed, numRuns: 250 },
    );
  });

  it("does so in larger epochs, of which it lacks some receipts and the report others", () => {
    const seed = seedOf();
    const shape: fc.Arbitrary<Shape> = fc.record({
      count: fc.integer({ min: 2, max: 1_500 }),
      lacking: fc.nat({ max: 90 }),
      dropped: fc.nat({ max: 40 }),
      fault: fc.constantFrom(undefined, ...FAULT_NAMES),
      start: fc.nat(),
    });
    fc.assert(
      fc.property(shape, (each) => expectSameVerdictOf(each)),
      { seed, numRuns: 20 },
    );
  });

  it("looks first for what is wrong between rows that contradict each other", () => {
    // Rows that stand elsewhere would be taken for missing ones, and so would more and more around them.
    const start = 313_456_840;
    expectSameVerdictOf({ count: 378, lacking: 31, dropped: 30, fault: "rows swapped", start });
  });

  describe("of a report that lacks receipts", () => {
    const lot = lotOf(5_000, LACKING);
    const reported = without(lot.world.receipts, 30, randomNumbers(3));

    it("says which, and convicts nobody", () => {
      const outcome = play(gameWith({ ...lot, known: lot.world.receipts }, undefined, reported));
      const missing = lot.world.receipts.filter((owned) => !reported.includes(owned));
      expect(outcome.end === "consistent" && outcome.missing.map(toHex).sort()).to.deep.equal(
        missing.map(({ signed }) => toHex(packSignedReceipt(signed))).sort(),
      );
    });

    it("sees it from hashes alone where nothing else follows from them", () => {
      const { world } = lotOf(300, 0);
      const { invoices } = lawfulDraft(world, world.receipts);
      const inFull = invoices.filter(({ ceiling }) => ceiling === 2n ** 96n - 1n).slice(0, 12);
      const isOf = (line: InvoiceLine, { signed: { receipt } }: OwnedReceipt) =>
        line.device === receipt.device && line.customer === receipt.customer;
      const reported = world.receipts.filter((owned) => !inFull.some((line) => isOf(line, owned)));
      const outcome = play(gameWith({ world, known: world.receipts }, undefined, reported));
      // Two pages, and the one above them.
      expect(outcome).to.include({ end: "consistent", demands: 3 });
      expect(outcome.end === "consistent" && outcome.missing.length).to.equal(12);
    });

    it("says which it has with a lower sequence", () => {
      const { world } = lot;
      const [first, ...others] = world.receipts as readonly [OwnedReceipt, ...OwnedReceipt[]];
      const { receipt } = first.signed;
      const later = receiptIn(world.law, { ...receipt, sequence: receipt.sequence + 1 });
      const outcome = play(gameWith({ world, known: [later, ...others] }));
      expect(outcome.end === "consistent" && outcome.missing.map(toHex)).to.deep.equal([
        toHex(packSignedReceipt(later.signed)),
      ]);
    });

    for (const fault of ["earned too much", "a line worth more", "a ceiling too high"] as const) {
      it(`convicts ${fault} while others are unknown`, () => {
        const game = gameWith(lot, fault, reported);
        expectConvicted(game, play(game));
      });
    }
  });

  it("finds a report consistent that lacks all it knows", () => {
    const { world } = lotOf(5, 0);
    expect(play(gameWith({ world, known: world.receipts }, undefined, []))).to.include({
      end: "consistent",
    });
  });

  it("knows nothing of an epoch, and finds an honest report consistent", () => {
    const { world } = lotOf(300, 0);
    expect(play(gameWith({ world, known: [] }))).to.include({ end: "consistent" });
  });

  describe("where 4,000 of 5,000 receipts are not known", () => {
    const { world, known } = lotOf(5_000, 4_000);
    const stolen = 10n ** 9n;

    it("finds a large theft", () => {
      const draft = lawfulDraft(world, world.receipts);
      const i = Math.floor(draft.contributions.length * 0.8);
      const row = draft.contributions[i] as ContributionRecord;
      draft.contributions[i] = { ...row, earned: row.earned + stolen };
      FAULTS["earned too much"](draft, randomNumbers(7), world);
      const game = gameOf(world, draft, known);
      expectConvicted(game, play(game));
    });

    it("finds one between two rows", () => {
      const draft = lawfulDraft(world, world.receipts);
      const from = Math.floor(draft.contributions.length * 0.8);
      draft.contributions = draft.contributions.map((row, i) =>
        i < from ? row : { ...row, subtotal: row.subtotal + stolen },
      );
      draft.total += stolen;
      const game = gameOf(world, draft, known);
      expectConvicted(game, play(game));
    });
  });

  it("convicts what is wrong between known rows before all others are known", () => {
    const { world } = lotOf(5_000, 0);
    const [first, second] = [world.receipts.slice(0, 2_500), world.receipts.slice(2_500)];
    const known = [...without(first, LACKING, randomNumbers(5)), ...second];
    const all = play(gameWith({ world, known }));
    const moved = play(gameWith({ world, known }, "the total moved"));
    expect([all.end, moved.end]).to.deep.equal(["consistent", "convicted"]);
    expect(moved.rounds).to.be.below(all.rounds);
  });

  it("gives up when more is unknown than can be demanded", () => {
    const outcome = play(gameWith(lotOf(5_000, 2_000)));
    expect(outcome).to.include({ end: "open" });
    expect(outcome.demands).to.be.within(MAX_DEMANDS, MAX_DEMANDS + MAX_DEMANDS_A_ROUND);
  });

  it("minds nothing that stands in the padding", () => {
    const { world, known } = lotOf(300, LACKING);
    const game = gameWith({ world, known });
    const { case_, hidden } = game;
    const contributions = padded(hidden.contributions as OpenTable);
    const contributionRoot = toHex(rootOf(contributions.tree()));
    const outcome = play({
      ...game,
      case_: { ...case_, contributionRoot },
      hidden: { ...hidden, contributions },
      open: TABLES,
    });
    expect(outcome).to.include({ end: "consistent", demands: 0 });
  });

  it("uses what others demanded before", () => {
    const lot = lotOf(5_000, LACKING);
    const random = randomNumbers(11);
    const others = Array.from({ length: 40 }, (_, i) => ({
      table: TABLES[i % TABLES.length] as Table,
      level: 0,
      position: i < 3 ? i : random(400) + 3 * i,
    }));
    for (const fault of ["earned too much", "pointers swapped"] as const) {
      const game = gameWith(lot, fault);
      expectConvicted(game, play(game, others));
    }
    expect(play(gameWith(lot), others)).to.include({ end: "consistent" });
  });

  it("needs less when others demanded before", () => {
    const { world } = lotOf(5_000, 0);
    const known = world.receipts.filter((_, i) => ![501, 2_502, 4_003].includes(i));
    const game = gameWith({ world, known });
    const others = Array.from({ length: 40 }, (_, i) => ({
      table: "contributions" as const,
      level: 0,
      position: 100 * i + 50,
    }));
    const alone = play(game);
    const after = play(game, others);
    expect([alone.end, after.end]).to.deep.equal(["consistent", "consistent"]);
    expect(after.demands).to.be.below(alone.demands);
  });

  it("asks first for the ceiling of a customer that is on every page", () => {
    const { world } = lotOf(5_000, 0);
    const gone = world.receipts.findIndex(
      ({ signed }, i) => i > 1_000 && signed.receipt.customer === named("customer 0"),
    );
    const outcome = play(gameWith({ world, known: world.receipts.toSpliced(gone, 1) }));
    expect(outcome.end).to.equal("consistent");
    expect(outcome.demands).to.be.at.most(30);
  });

  it("convicts lines of another ceiling than their contributions earned by within three rounds", () => {
    const game = gameWith(lotOf(5_000, 0), "lines of another ceiling");
    const outcome = play(game);
    expectConvicted(game, outcome);
    expect(outcome.rounds).to.be.at.most(3);
  });

  it("asks for nothing about tables that are public", () => {
    const { world, known } = lotOf(300, LACKING);
    for (const fault of FAULT_NAMES) {
      const game = { ...gameWith({ world, known }, fault), open: TABLES };
      const outcome = play(game);
      expectConvicted(game, outcome);
      expect(outcome.demands).to.equal(0);
    }
    expect(play({ ...gameWith({ world, known }), open: TABLES })).to.include({
      end: "consistent",
      demands: 0,
    });
  });

  it("makes no evidence of a row that leads to no root", () => {
    const game = gameWith(lotOf(5, 0), "earned too much");
    const node = { table: "contributions", level: 0, position: 0 } as const;
    const row = toHex(new Uint8Array(248));
    const shown = { rows: [{ node, row, proof: [] }], pages: [] };
    expect(() => walk({ ...game, tables: {}, shown })).to.throw("does not lead to the roots");
  });

  it("convicts whoever shows an empty leaf", () => {
    const game = emptied(gameWith(lotOf(300, 0)), 290);
    const outcome = play(game);
    expectConvicted(game, outcome);
    expect(outcome.end === "convicted" && outcome.evidence.proof).to.equal("empty-leaf");
  });
});

/** A leaf more than the report counts. */
function padded(table: OpenTable): OpenTable {
  const tree = buildTree(concatBytes(table.tree().levels[0] as Uint8Array, keccak256(utf8("?"))));
  return { ...table, leaves: table.leaves + 1, tree: () => tree };
}

/** The zero hash in place of a contribution. */
function emptied(game: Game, position: number): Game {
  const table = game.hidden.contributions as OpenTable;
  const hashes = (table.tree().levels[0] as Uint8Array).slice();
  hashes.fill(0, position * HASH_BYTES, (position + 1) * HASH_BYTES);
  const tree = buildTree(hashes);
  const contributions = { ...table, emptyAt: position, tree: () => tree };
  return {
    ...game,
    case_: { ...game.case_, contributionRoot: toHex(rootOf(tree)) },
    hidden: { ...game.hidden, contributions },
  };
}

type Shape = {
  readonly count: number;
  readonly lacking: number;
  readonly dropped: number;
  readonly fault: FaultName | undefined;
  readonly start: number;
};

function expectSameVerdictOf({ count, lacking, dropped, fault, start }: Shape): void {
  const random = randomNumbers(start);
  const world = worldOf(count, random);
  const few = (most: number) => Math.min(most, Math.floor(world.receipts.length / 3));
  const known = without(world.receipts, few(lacking), random);
  const draft = lawfulDraft(world, without(world.receipts, few(dropped), random));
  if (fault !== undefined && draft.contributions.length > 1) FAULTS[fault](draft, random, world);
  const game = gameOf(world, draft, known);
  const { case_, law, hidden, signersOfRow } = game;
  const outcome = play(game);
  if (findUnlawful(case_, hidden, { law: judgeLawOf(law), signersOfRow }) === undefined)
    expect(outcome.end).to.equal("consistent");
  else expectConvicted(game, outcome);
  expect(outcome.rounds).to.be.at.most(MOST_ROUNDS_OF_ANY);
}

/** Of a judge that sees all rows, and of a walker that knows some receipts. */
function expectSameVerdict(played: PlayedEpoch, random: (below: number) => number): void {
  const { law, epoch, previousRewards, contributions } = played;
  const claim = random(8) === 0 ? honestClaim(played) : forge(played, random).claim;
  const trial = trialOf(played, claim);
  if (!isProposable(trial.case_) || closedTables(trial).length > 0) return;
  const known = contributions.filter(() => random(4) > 0);
  const game = {
    case_: trial.case_,
    law,
    signersOfRow: flaggedSigners,
    contributions: packContributions(law, epoch, known),
    previousRewards,
    hidden: trial.tables,
    open: TABLES.filter(() => random(6) === 0),
  };
  const outcome = play(game);
  const isUnlawful = findUnlawful(trial.case_, trial.tables, trial.context) !== undefined;
  if (outcome.end === "silence") expect(hasHoles(trial)).to.equal(true);
  else if (isUnlawful) expectConvicted(game, outcome);
  else expect(outcome.end).to.equal("consistent");
}

/** What stands there is no row, or stands in the padding: of it nobody can show anything. */
function hasHoles({ tables }: Trial): boolean {
  return TABLES.some((table) => {
    const open = tables[table];
    return open !== undefined && (open.emptyAt !== undefined || open.leaves > open.rows);
  });
}
