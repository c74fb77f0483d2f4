import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { concatBytes, keccak256, toHex } from "@link-rewards/core/encoding/bytes";
import { hashRecords, levelsFrom } from "@link-rewards/core/encoding/tree";
import {
  encodeRewards,
  PAGE_RECORDS,
  REWARD_BYTES,
  storedLevels,
} from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import { folderCid } from "../../scripts/pages/ipfs-cid.ts";
import { type Answer, answerCalls } from "./support/answers.ts";
import { type Stage, theStage } from "./support/stage.ts";
import { leaveAll, visit } from "./support/visit.ts";

const CHECKOUT = fileURLToPath(new URL("../..", import.meta.url));

/** What the pages are made of. */
const PACKAGES = ["contracts", "core", "client", "web"];

/** The checkout's modules, but for our own packages: those are the folder's. */
async function linkModules(folder: string): Promise<void> {
  const [from, to] = [join(CHECKOUT, "node_modules"), join(folder, "node_modules")];
  await mkdir(join(to, "@link-rewards"), { recursive: true });
  for (const name of await readdir(from)) {
    if (name !== "@link-rewards") await symlink(join(from, name), join(to, name));
  }
  for (const name of PACKAGES) {
    await symlink(join(folder, name), join(to, "@link-rewards", name));
  }
}

describe("the pages' files", () => {
  let stage: Stage;

  before(async () => {
    stage = await theStage();
  });
  afterEach(leaveAll);

  it("are the same bytes from another checkout, and small", async () => {
    const folder = await mkdtemp(join(tmpdir(), "link-pages-"));
    try {
      const copy = (path: string) =>
        cp(join(CHECKOUT, path), join(folder, path), {
          recursive: true,
          filter: (source) => source !== stage.pages.folder,
        });
      for (const path of ["package.json", "scripts", ...PACKAGES]) await copy(path);
      await linkModules(folder);
      // As a person's shell has it: the test runner sets its own.
      const { NODE_ENV: _, ...env } = process.env;
      const built = await promisify(execFile)(
        process.execPath,
        [join(folder, "scripts", "pages", "build-web.ts")],
        { env },
      );
      expect(built.stdout).to.include(`ipfs://${stage.pages.cid}\n`);
      expect(stage.pages.gzipBytes).to.be.at.most(150_000);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("name nothing but themselves: relative addresses, no inline script or style", async () => {
    const { folder } = stage.pages;
    const html = await readFile(join(folder, "index.html"), "utf8");
    expect(html).to.not.match(/(src|href)="(\/|https?:)/);
    expect(html).to.not.match(/<style|style="|<script(?![^>]*src=)/);
    expect(html).to.match(/default-src 'none'; script-src 'self'; style-src 'self'/);
    expect(html).to.not.match(/unsafe-/);
    const scripts = (await readdir(join(folder, "assets"))).filter((name) => name.endsWith(".js"));
    for (const name of scripts) {
      expect(await readFile(join(folder, "assets", name), "utf8")).to.not.match(
        /\beval\(|new Function\(/,
      );
    }
  });

  it("have the CID that `ipfs add --cid-version=1` gives them", async () => {
    expect(await folderCid(new Map())).to.equal(
      "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
    );
    // More chunks than one node links, in a folder in a folder.
    const big = Buffer.alloc(174 * 262_144 + 1, 7);
    const files = new Map([
      ["a/deep/175 chunks", big],
      ["index.html", Buffer.from("x")],
    ]);
    expect(await folderCid(files)).to.equal(
      "bafybeielqdppmo4xdyussprzzztvb4qfrj5t2oq4jk57olaoi343bw3dgu",
    );
  });

  it("claim at a million accounts with 3 requests and under 100 kB of reward files", async () => {
    const million = millionAccounts();
    const asked: number[] = [];
    const { reaches } = await visit(stage, {
      at: `#/claim/${million.account}`,
      before: async (page) => {
        await answerCalls(page, stage, million.answers);
        await page.route(/rewards\.(bin|tree)$/, (route) => {
          const url = new URL(route.request().url());
          const range = /bytes=(\d+)-(\d+)/.exec(route.request().headers().range ?? "");
          const [from, to] = [Number(range?.[1]), Number(range?.[2])];
          const body = million.read(url.pathname.endsWith(".bin"), from, to - from + 1);
          asked.push(body.length);
          return route.fulfill({ status: 206, body: Buffer.from(body) });
        });
      },
    });
    await reaches("claimable");
    expect(asked).to.have.length(3);
    expect(asked.reduce((sum, length) => sum + length, 0)).to.be.at.most(100_000);
  });
});

/**
 * One account among a million, in files laid out as they are at that size. Only the pages on its way to the root are
 * real; the others are never asked for, which is the point.
 */
function millionAccounts() {
  const leaves = 1_000_000;
  const index = 654_321;
  const account = toHex(keccak256(Uint8Array.of(1)).subarray(12));
  const pageStart = index - (index % PAGE_RECORDS);
  const page = encodeRewards(
    Array.from({ length: PAGE_RECORDS }, (_, i) => ({
      account:
        pageStart + i === index ? account : toHex(keccak256(Uint8Array.of(2, i)).subarray(12)),
      cumulative: 10n ** 18n,
      prefix: BigInt(pageStart + i) * 10n ** 18n,
    })),
  );
  const noise = (count: number, seed: number) =>
    Array.from({ length: count }, (_, i) => keccak256(Uint8Array.of(seed, i & 255, i >> 8)));
  const [low, high] = storedLevels(leaves);
  if (low === undefined || high === undefined) throw new Error("a million leaves store two levels");
  const lowNodes = noise(low.nodes, 3);
  lowNodes[index >>> 8] = levelsFrom(hashRecords(page, REWARD_BYTES), 0, 9).at(-1) as Uint8Array;
  const lowStart = (index >>> 16) * PAGE_RECORDS;
  const block = concatBytes(...lowNodes.slice(lowStart, lowStart + PAGE_RECORDS));
  const highNodes = noise(high.nodes, 4);
  highNodes[index >>> 16] = levelsFrom(block, 8, 9).at(-1) as Uint8Array;
  const root = toHex(levelsFrom(concatBytes(...highNodes), 16, 5).at(-1) as Uint8Array);
  const tree = concatBytes(...lowNodes, ...highNodes);
  const answers: readonly Answer[] = [
    ["latestEpoch()", ["uint32"], [9]],
    ["indexOf(address)", ["uint256"], [index]],
    ["claimed(address)", ["uint256"], [0]],
    [
      "rootOf(uint32)",
      ["bytes32", "uint96", "uint32"],
      [root, BigInt(leaves) * 10n ** 18n, leaves],
    ],
  ];
  return {
    account,
    answers,
    read(isRecords: boolean, from: number, length: number): Uint8Array {
      if (!isRecords) return tree.slice(from, from + length);
      if (from !== pageStart * REWARD_BYTES) throw new Error(`rewards.bin was asked at ${from}`);
      return page.slice(0, length);
    },
  };
}
