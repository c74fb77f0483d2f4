import type { Hex } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { id, keccak256, ZeroHash } from "ethers";
import { from } from "../worlds/contracts.ts";
import { demand, type Node, nodeOf, type Pending } from "./support/demanding.ts";
import { propose } from "./support/epochs.ts";
import { reportOf, type Served, servedWorld } from "./support/served.ts";
import { sparseTree } from "./support/sparse.ts";

const PAGE = 256;

/** The root of a subtree of padding, by its height. */
const PADDING: readonly Hex[] = Array.from({ length: 32 }).reduce<Hex[]>(
  (roots) => {
    const below = roots.at(-1) as Hex;
    return [...roots, keccak256(`${below}${below.slice(2)}`) as Hex];
  },
  [ZeroHash as Hex],
);

type Page = {
  readonly rows: number;
  readonly node: Node;
  readonly root: Hex;
  /** Those that an answer has, without padding. */
  readonly hashes: readonly Hex[];
  readonly proof: readonly Hex[];
};

const depthOf = (rows: number): number => (rows === 1 ? 0 : 32 - Math.clz32(rows - 1));

/** A page of a table of so many rows, and a root that it leads to. */
function pageOf(rows: number, level: number, position: number): Page {
  const depth = depthOf(rows);
  const height = level - 8;
  const count = Math.ceil(rows / 2 ** height);
  const first = PAGE * position;
  // As many as the tree has room for: fewer than a page when the root is below where the page would end.
  const room = Math.min(PAGE, 2 ** (depth - height));
  const nodes = Array.from({ length: room }, (_, i): Hex => {
    const isThere = first + i < count;
    return isThere ? (id(`node ${first + i}`) as Hex) : (PADDING[height] as Hex);
  });
  const tree = sparseTree(
    depth,
    nodes.map((hash, i) => [first + i, hash, height]),
  );
  const hashes = nodes.slice(0, Math.min(PAGE, count - first));
  const proof: Hex[] = [];
  for (let above = level; above < depth; above++) {
    proof.push(tree.nodeAt(above, (position >>> (above - level)) ^ 1));
  }
  return { rows, node: nodeOf("contributions", position, level), root: tree.root, hashes, proof };
}

/** A report with that page is pending, and the page demanded. */
async function demandPage(world: Served, { rows, root, node }: Page): Promise<Pending> {
  const report = await reportOf(world, world.second, {
    contributions: rows,
    contributionRoot: root,
  });
  await propose(world, report);
  const { digest } = await world.ledger.proposal();
  const open = { ...world, report, digest, tables: world.second };
  await demand(open, node);
  return open;
}

/** The first page of each level of a table, and the last. */
function pagesOf(rows: number): readonly Page[] {
  const pages: Page[] = [];
  for (let level = 8; Math.ceil(rows / 2 ** (level - 8)) > 1; level += 8) {
    const last = Math.ceil(rows / 2 ** level) - 1;
    for (const position of new Set([0, last])) pages.push(pageOf(rows, level, position));
  }
  return pages;
}

describe("Demands", () => {
  describe("answerPage", () => {
    for (let depth = 1; depth <= 20; depth++) {
      it(`takes the pages of each level at depth ${depth}, whole and partial, and nothing but them`, async () => {
        const fewest = 2 ** (depth - 1) + 1;
        const sizes = new Set([fewest, 2 ** depth - 1, 2 ** depth].filter((n) => n >= fewest));
        for (const rows of sizes) {
          for (const page of pagesOf(rows)) {
            const world = await demandPage(await from(servedWorld), page);
            await expectOnly(world, page);
          }
        }
      });
    }

    it("knows the page of a table of 2^32 − 1 rows, and no level above it", async () => {
      const rows = 2 ** 32 - 1;
      for (const page of pagesOf(rows)) {
        const world = await demandPage(await from(servedWorld), page);
        await expectOnly(world, page);
      }
      const [page] = pagesOf(rows) as [Page];
      const world = await demandPage(await from(servedWorld), page);
      for (const level of [40, 48, 248]) {
        await expect(
          demand(world, nodeOf("contributions", 0, level)),
        ).to.be.revertedWithCustomError(world.demands, "NodeUnknown");
      }
    });

    it("has no page of a table of one row", async () => {
      const world = await from(servedWorld);
      const report = await reportOf(world, world.second, { contributions: 1 });
      await propose(world, report);
      for (const level of [8, 16]) {
        await expect(
          demand({ ...world, report }, nodeOf("contributions", 0, level)),
        ).to.be.revertedWithCustomError(world.demands, "NodeUnknown");
      }
    });

    it("tells of the page", async () => {
      const page = pageOf(1_000, 8, 3);
      const world = await demandPage(await from(servedWorld), page);
      const { demands, digest, report } = world;
      expect(page.hashes).to.have.lengthOf(232);
      await expect(demands.answerPage(report, page.node, [...page.hashes], [...page.proof]))
        .to.emit(demands, "PageShown")
        .withArgs(digest, Object.values(page.node), page.hashes);
    });
  });
});

async function expectOnly(world: Pending, { rows, node, hashes, proof }: Page): Promise<void> {
  const { demands, report } = world;
  const what = `page ${node.position} of level ${node.level} of ${rows} rows`;
  const padding = PADDING[node.level - 8] as Hex;
  const wrongs: readonly (readonly [readonly Hex[], readonly Hex[]])[] = [
    // With its padding, or without its last.
    [[...hashes, padding], proof],
    [hashes.slice(0, -1), proof],
    [[], proof],
    [hashes.with(0, padding), proof],
    ...(hashes.length === 1 ? [] : ([[hashes.toReversed(), proof]] as const)),
    [hashes, [...proof, ZeroHash as Hex]],
    ...(proof.length === 0
      ? []
      : ([
          [hashes, proof.slice(1)],
          [hashes, proof.slice(0, -1)],
          [hashes, proof.with(0, padding)],
        ] as const)),
  ];
  for (const [wrong, way] of wrongs) {
    await expect(demands.answerPage(report, node, [...wrong], [...way]), what)
      .to.be.revertedWithCustomError(demands, "WrongAnswer")
      .withArgs(Object.values(node));
  }
  // The same hashes for the page next to it, which was demanded too.
  const next = { ...node, position: node.position + 1 };
  if (next.position * 2 ** node.level < rows) {
    await demand(world, next);
    await expect(
      demands.answerPage(report, next, [...hashes], [...proof]),
    ).to.be.revertedWithCustomError(demands, "WrongAnswer");
  }
  await demands.answerPage(report, node, [...hashes], [...proof]);
  expect((await demands.demandOf(world.digest, node)).by, what).to.equal(`0x${"00".repeat(20)}`);
}
