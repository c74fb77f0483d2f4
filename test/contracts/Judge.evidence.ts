import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { buildTree, hashRecords, proofOf, rootOf } from "@link-rewards/core/encoding/tree";
import { ROW_BYTES } from "@link-rewards/core/epoch/records";
import type { Evidence, Opening } from "@link-rewards/core/judge/evidence";
import type { Question } from "@link-rewards/core/judge/find-unlawful";
import { judge } from "@link-rewards/core/judge/judge";
import { expect } from "chai";
import { dataSlice, getBytes, hexlify, keccak256, ZeroHash } from "ethers";
import fc from "fast-check";
import { from } from "../worlds/contracts.ts";
import { type Served, servedWorld } from "./support/served.ts";
import { arrange, bend, caseOf, empty, filesOf, type Tables } from "./support/tables.ts";
import {
  contextOf,
  contractsWord,
  encodeEvidence,
  evidenceOf,
  judged,
  ledgersVoice,
} from "./support/trial.ts";

/** Evidence of each proof with as many openings as it can have, about honest tables. */
const QUESTIONS: readonly Question[] = [
  { proof: "contribution", table: "contributions", position: 3 },
  { proof: "pair", table: "invoices", position: 2 },
  { proof: "contribution-order", table: "contributions", position: 3 },
  { proof: "invoice-order", table: "invoices", position: 3 },
  { proof: "reward-order", table: "rewards", position: 3 },
  { proof: "reward-boundary", table: "rewards", position: 3 },
];
/** The same at the beginnings and ends, where there are fewer. */
const ENDS: readonly Question[] = [
  { proof: "contribution-order", table: "contributions", position: 0 },
  { proof: "contribution-order", table: "contributions", position: 7 },
  { proof: "invoice-order", table: "invoices", position: 0 },
  { proof: "invoice-order", table: "invoices", position: 7 },
  { proof: "reward-order", table: "rewards", position: 0 },
  { proof: "reward-order", table: "rewards", position: 6 },
  { proof: "reward-boundary", table: "rewards", position: 0 },
  { proof: "reward-boundary", table: "rewards", position: 5 },
];

type Bent = readonly [how: string, opening: Opening];

/** One opening, wrong in every way there is. */
function bentOpenings(world: Served, tables: Tables, opening: Opening): readonly Bent[] {
  const { table, position, row, proof } = opening;
  const tableNames = ["contributions", "invoices", "rewards", "lastRewards"] as const;
  const otherTables = tableNames.filter((name) => name !== table);
  const other = (shown: Tables, at: number) => {
    const name = table === "lastRewards" ? "rewards" : table;
    const [first] = evidenceOf(world, shown, {
      proof: "empty-leaf",
      table: name,
      position: at,
    }).openings;
    return first as Opening;
  };
  const rows = tables[table].length;
  const neighbour = (position + 1) % rows;
  const flip = (hash: Hex): Hex => `0x${hash.slice(2, -1)}${hash.endsWith("0") ? "1" : "0"}`;
  return [
    ...otherTables.map((name): Bent => [`of the ${name}`, { ...opening, table: name }]),
    ["at the next position", { ...opening, position: position + 1 }],
    ["at a position beyond", { ...opening, position: rows }],
    ["with the path of its neighbour", { ...opening, proof: other(tables, neighbour).proof }],
    ["one byte short", { ...opening, row: dataSlice(row, 0, -1) as Hex }],
    ["one byte long", { ...opening, row: `${row}00` }],
    ["empty", { ...opening, row: "0x" }],
    ["with a bit changed", { ...opening, row: flip(row) }],
    ["with a path that is too short", { ...opening, proof: proof.slice(1) }],
    ["with a path cut at its end", { ...opening, proof: proof.slice(0, -1) }],
    ["with a path that is too long", { ...opening, proof: [...proof, ZeroHash as Hex] }],
    ["without a path", { ...opening, proof: [] }],
    ...proof.map(
      (hash, level): Bent => [
        `with another sibling at level ${level}`,
        { ...opening, proof: proof.with(level, flip(hash)) },
      ],
    ),
  ];
}

describe("Judge", () => {
  describe("about evidence", () => {
    for (const question of [...QUESTIONS, ...ENDS]) {
      const { proof, position } = question;
      it(`of ${proof} at ${position} fails when any opening is of another row or does not lead to its root`, async () => {
        const world = await from(servedWorld);
        const evidence = evidenceOf(world, world.second, question);
        expect(await judged(world, world.second, evidence)).to.equal("lawful");
        for (const [number, opening] of evidence.openings.entries()) {
          for (const [how, bent] of bentOpenings(world, world.second, opening)) {
            const shown = { ...evidence, openings: evidence.openings.with(number, bent) };
            // A pair is asked for by its line: another one, at its own place, is another question.
            expect(await judged(world, world.second, shown), `${number} ${how}`).to.equal(
              "invalid",
            );
          }
        }
      });

      it(`of ${proof} at ${position} fails when an opening is missing, or one is too many`, async () => {
        const world = await from(servedWorld);
        const evidence = evidenceOf(world, world.second, question);
        const { openings } = evidence;
        const counts: Opening[][] = [[], [...openings, openings[0] as Opening]];
        for (const [number] of openings.entries()) counts.push(openings.toSpliced(number, 1));
        for (const shown of counts) {
          expect(
            await judged(world, world.second, { ...evidence, openings: shown }),
            `${shown.length} of ${openings.length}`,
          ).to.equal("invalid");
        }
      });
    }

    it("fails for a boundary that is not that of the rows, or beyond the end", async () => {
      const world = await from(servedWorld);
      for (const question of [...QUESTIONS.slice(2), ...ENDS]) {
        const evidence = evidenceOf(world, world.second, question);
        for (const position of [0, 1, 2, 3, 4, 5, 6, 7, 8, 2 ** 31, 2 ** 32 - 1]) {
          if (position === evidence.position) continue;
          const shown = { ...evidence, position };
          expect(await judged(world, world.second, shown)).to.equal("invalid");
        }
      }
    });

    it("fails for rows in another order", async () => {
      const world = await from(servedWorld);
      for (const question of QUESTIONS.filter(({ proof }) => proof !== "contribution")) {
        const evidence = evidenceOf(world, world.second, question);
        const shown = { ...evidence, openings: evidence.openings.toReversed() };
        expect(await judged(world, world.second, shown), question.proof).to.equal("invalid");
      }
    });

    it("fails for the rows of another report", async () => {
      const world = await from(servedWorld);
      const others = bend(world.second, "rewards", 0, { cumulative: 5n });
      const more = bend(bend(others, "invoices", 0, { above: 3 }), "contributions", 0, {
        earned: 1n,
      });
      for (const question of QUESTIONS) {
        const evidence = evidenceOf(world, more, question);
        expect(await judged(world, world.second, evidence), question.proof).to.equal("invalid");
      }
    });

    it("fails for the contribution of a line that names none", async () => {
      const world = await from(servedWorld);
      const tables = bend(world.second, "invoices", 2, { contribution: 7 });
      const [line, contribution] = evidenceOf(
        world,
        world.second,
        QUESTIONS[1] as Question,
      ).openings;
      const alone = evidenceOf(world, tables, QUESTIONS[1] as Question);
      expect(line?.position).to.equal(2);
      expect(await judged(world, tables, alone)).to.equal("unlawful");
      const openings = [...alone.openings, contribution as Opening];
      expect(await judged(world, tables, { ...alone, openings })).to.equal("invalid");
    });

    it("fails for tables without rows, whatever is shown", async () => {
      const world = await from(servedWorld);
      const none: Tables = { ...world.second, contributions: [], invoices: [], rewards: [] };
      for (const question of [...QUESTIONS, ...ENDS]) {
        const evidence = evidenceOf(world, world.second, question);
        for (const openings of [evidence.openings, []]) {
          for (const position of [0, evidence.position]) {
            const shown = { ...evidence, openings, position };
            expect(await judged(world, none, shown), question.proof).to.equal("invalid");
          }
        }
      }
    });

    it("fails for an old leaf where the account is new, and without one where it is old", async () => {
      const world = await from(servedWorld);
      const isNew = evidenceOf(world, world.second, { ...(QUESTIONS[5] as Question), position: 5 });
      const isOld = evidenceOf(world, world.second, { ...(QUESTIONS[5] as Question), position: 4 });
      const [leaf, ...rest] = isNew.openings;
      const openings = [leaf, isOld.openings[1], ...rest] as Opening[];
      expect(await judged(world, world.second, { ...isNew, openings })).to.equal("invalid");
      const without = isOld.openings.toSpliced(1, 1);
      expect(await judged(world, world.second, { ...isOld, openings: without })).to.equal(
        "invalid",
      );
    });

    it("fails for contributions beside a leaf when there are none", async () => {
      const world = await from(servedWorld);
      const idle: Tables = { ...world.second, contributions: [], invoices: [] };
      for (const position of [3, 5]) {
        const question = { proof: "reward-boundary", table: "rewards", position } as const;
        const evidence = evidenceOf(world, idle, question);
        expect(await judged(world, idle, evidence)).not.to.equal("invalid");
        for (const more of [evidence.openings[0], contributionOf(world)]) {
          const openings = [...evidence.openings, more as Opening];
          expect(await judged(world, idle, { ...evidence, openings })).to.equal("invalid");
        }
      }
    });

    for (const [table, proof] of [
      ["contributions", "contribution-order"],
      ["invoices", "invoice-order"],
      ["rewards", "reward-order"],
    ] as const) {
      it(`fails for bytes that are no row of the ${table} by their length, though they stand under the root`, async () => {
        const world = await from(servedWorld);
        const asLedger = world.judge.connect(await ledgersVoice(world));
        const row = evidenceOf(world, world.second, { proof, table, position: 0 }).openings[0]?.row;
        const rowBytes = ROW_BYTES[table];
        const file = filesOf(world.second)[table];
        for (const wrong of [`${row}00`, dataSlice(row ?? "0x", 1), `0x${"00".repeat(64)}`]) {
          const hashes = hashRecords(file, rowBytes);
          hashes.set(getBytes(keccak256(wrong)));
          const tree = buildTree(hashes);
          const root = toHex(rootOf(tree));
          const roots = {
            contributions: "contributionRoot",
            invoices: "invoiceRoot",
            rewards: "root",
          };
          const case_ = { ...caseOf(world.second), [roots[table]]: root };
          const proofs = proofOf(tree, 0).map(toHex);
          const openings = [{ table, position: 0, row: wrong as Hex, proof: proofs }];
          const evidence: Evidence = { proof, position: 0, openings, publicKey: "0x" };
          expect(judge(case_, evidence, contextOf(world))).to.equal("invalid");
          await expect(asLedger.unlawful(case_, encodeEvidence(evidence)))
            .to.be.revertedWithCustomError(world.judge, "InvalidEvidence")
            .withArgs(0);
        }
      });
    }

    it("fails for an empty leaf that shows a row, or more than one opening, or none", async () => {
      const world = await from(servedWorld);
      const tables = empty(world.second, "rewards", 2);
      const question = { proof: "empty-leaf", table: "rewards", position: 2 } as const;
      const evidence = evidenceOf(world, tables, question);
      const [opening] = evidence.openings as [Opening];
      const zeros: Hex = `0x${"00".repeat(44)}`;
      const wrong: readonly (readonly Opening[])[] = [
        [],
        [opening, opening],
        [{ ...opening, row: zeros }],
        [{ ...opening, row: "0x00" }],
        [{ ...opening, table: "invoices" }],
        [{ ...opening, position: 3 }],
        [{ ...opening, proof: opening.proof.slice(1) }],
      ];
      for (const openings of wrong) {
        expect(await judged(world, tables, { ...evidence, openings })).to.equal("invalid");
      }
      expect(await judged(world, tables, evidence)).to.equal("unlawful");
    });

    it("takes no node above the leaves for a row: lesson, EigenPod EIG-10, proof length unchecked", async () => {
      const world = await from(servedWorld);
      // Five rows of eight leaves: the zero hash is a leaf of the padding, and its parents' hashes are known.
      const tables = arrange(world.second, "rewards", [0, 1, 2, 3, 4]);
      const question = { proof: "empty-leaf", table: "rewards", position: 4 } as const;
      const [{ proof }] = evidenceOf(world, tables, question).openings as [Opening];
      for (const position of [1, 2, 4, 5]) {
        const openings = [
          { table: "rewards", position, row: "0x", proof: proof.slice(1) },
        ] as const;
        const shown: Evidence = { proof: "empty-leaf", position: 0, openings, publicKey: "0x" };
        expect(await judged(world, tables, shown)).to.equal("invalid");
      }
    });

    it("says which opening is wrong", async () => {
      const world = await from(servedWorld);
      const asLedger = world.judge.connect(await ledgersVoice(world));
      const evidence = evidenceOf(world, world.second, QUESTIONS[5] as Question);
      for (const [number, opening] of evidence.openings.entries()) {
        const bent = { ...opening, row: "0x" } as const;
        const shown = { ...evidence, openings: evidence.openings.with(number, bent) };
        await expect(asLedger.unlawful(caseOf(world.second), encodeEvidence(shown)))
          .to.be.revertedWithCustomError(world.judge, "InvalidEvidence")
          .withArgs(number);
      }
    });

    it("convicts nothing with bytes that are none, cut or changed", async () => {
      const world = await from(servedWorld);
      const all = QUESTIONS.map((question) =>
        encodeEvidence(evidenceOf(world, world.second, question)),
      );
      const words = async (bytes: string) =>
        contractsWord(world, world.second, bytes).catch(() => "failed");
      const change = fc.record({
        which: fc.nat(all.length - 1),
        at: fc.nat(),
        byte: fc.nat(255),
        cut: fc.option(fc.nat(), { freq: 4 }),
      });
      await fc.assert(
        fc.asyncProperty(change, async ({ which, at, byte, cut }) => {
          const bytes = getBytes(all[which] as string);
          bytes[at % bytes.length] = byte;
          const shown = cut === null ? bytes : bytes.slice(0, cut % bytes.length);
          expect(await words(hexlify(shown))).not.to.equal("unlawful");
        }),
        { numRuns: 300 },
      );
      expect(await words("0x")).to.equal("failed");
      for (const filled of ["00", "01", "20", "ff"]) {
        expect(await words(`0x${filled.repeat(1_000)}`)).not.to.equal("unlawful");
      }
    });
  });
});

function contributionOf(world: Served): Opening | undefined {
  const question = { proof: "contribution", table: "contributions", position: 0 } as const;
  return evidenceOf(world, world.second, question).openings[0];
}
