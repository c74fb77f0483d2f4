import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { deserialize, serialize } from "node:v8";
import { type Hex, isHexOf } from "@link-rewards/core/encoding/bytes";
import type { BlockMark } from "@link-rewards/core/law/block";
import type { Law } from "@link-rewards/core/law/law";
import type { Deployment } from "@link-rewards/core/signed/deployment";
import { syncFolder, writeDurably } from "@link-rewards/host/durable-files";

/** All that makes a law and says what it looks like: what no file of this folder has changed, reads as it was written. */
const LAW_SOURCES = fileURLToPath(new URL(".", import.meta.resolve("@link-rewards/core/law/law")));
/** The newest, and the one before it where that is of a fork, or was cut off by a failing disk. */
const KEPT = 2;
/** A snapshot takes as long to write as so many events, or so many blocks without any, take to read again. */
const WORTH_EVENTS = 20_000;
const WORTH_BLOCKS = 50_000;

const NAME = /^law-(\d+)-(0x[0-9a-f]{64})$/;
const UNFINISHED = /^law-(\d+)-0x[0-9a-f]{64}\.part$/;
const NEWLINE = 10;
/** Beside the snapshots' folder: they are of older blocks. */
const SEEN_FILE = "final-block";

/** The law after the last event of a block. */
export type SnapshotLaw = { readonly law: Law; readonly block: BlockMark };

/**
 * The law on disk, so that a start replays nothing: a cache of what the chain says. Whatever is not whole, or of another
 * deployment, another version or a block that is not in the chain, is passed over, and all is read again.
 */
export type LawSnapshots = {
  /** The newest one of a block up to `through` that `isInChain`. */
  load(
    through: number,
    isInChain: (block: BlockMark) => Promise<boolean>,
  ): Promise<SnapshotLaw | undefined>;
  /**
   * Keeps it, if that is worth it. The law must be complete: all events, as the contracts count them. Never throws: without
   * a snapshot the next start is slow, and nothing else.
   */
  save(snapshot: SnapshotLaw): Promise<void>;
  /** The highest block that was seen to be final, of this deployment. */
  seen(): Promise<BlockMark | undefined>;
  /** Keeps it. Never throws, either. */
  see(block: BlockMark): Promise<void>;
};

/**
 * Names a law's shape and how it is come to, by the sources of both: a column more, another type, an event that does
 * something else are another format, and nobody has to remember to say so. Node runs these very files.
 */
export async function lawFormat(sources = LAW_SOURCES): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(sources)).toSorted()) {
    const source = await readFile(join(sources, name));
    hash.update(`${name} ${source.length}\n`).update(source);
  }
  return hash.digest("hex");
}

type Header = {
  /** {@link lawFormat} of the program that wrote it. */
  readonly format: string;
  readonly deployment: string;
  readonly block: BlockMark;
  readonly revisions: Law["revisions"];
  readonly sha256: string;
};

/** In a folder of its own within `data`. */
export function openLawSnapshots(
  data: string,
  deployment: Deployment,
  onTrouble: (reason: string) => void = () => undefined,
): LawSnapshots {
  const folder = join(data, "law");
  const seenFile = join(data, SEEN_FILE);
  const identity = JSON.stringify(deployment);
  let format: Promise<string> | undefined;
  let last: { readonly block: number; readonly events: number } | undefined;

  async function read(name: string, block: BlockMark): Promise<SnapshotLaw | undefined> {
    const file = await readFile(join(folder, name));
    const end = file.indexOf(NEWLINE);
    const header = JSON.parse(file.subarray(0, Math.max(0, end)).toString()) as Header;
    format ??= lawFormat();
    if (header.format !== (await format) || header.deployment !== identity) return undefined;
    if (header.block.hash !== block.hash || header.block.number !== block.number) return undefined;
    const body = file.subarray(end + 1);
    if (sha256(body) !== header.sha256) throw new Error("it is not what was written");
    const law = deserialize(body) as Law;
    if (countOf(law.revisions) !== countOf(header.revisions)) return undefined;
    return { law, block };
  }

  return {
    async load(through, isInChain) {
      for (const { name, block } of await namesIn(folder)) {
        if (block.number > through || !(await isInChain(block))) continue;
        try {
          const found = await read(name, block);
          if (found === undefined) continue;
          last = { block: block.number, events: countOf(found.law.revisions) };
          return found;
        } catch (error) {
          onTrouble(`${join(folder, name)}: ${(error as Error).message}`);
          await rm(join(folder, name), { force: true });
        }
      }
      return undefined;
    },

    async save({ law, block }) {
      const events = countOf(law.revisions);
      const isWorthIt =
        last === undefined ||
        events - last.events >= WORTH_EVENTS ||
        block.number - last.block >= WORTH_BLOCKS;
      if (!isWorthIt) return;
      const name = `law-${block.number}-${block.hash}`;
      const part = join(folder, `${name}.part`);
      try {
        // At once, before anything goes on with the law.
        const body = serialize(law);
        const revisions = { ...law.revisions };
        last = { block: block.number, events };
        format ??= lawFormat();
        const header: Header = {
          format: await format,
          deployment: identity,
          block,
          revisions,
          sha256: sha256(body),
        };
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await removeOld(folder, block.number);
        await writeDurably(part, Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), body]));
        await rename(part, join(folder, name));
        await syncFolder(folder);
        await removeOld(folder, block.number);
      } catch (error) {
        // Another process of ours is writing the very same.
        const { code, path } = error as NodeJS.ErrnoException;
        if (code === "EEXIST" && path === part) return;
        onTrouble(`the law was not kept in ${folder}: ${(error as Error).message}`);
        await rm(part, { force: true }).catch(() => undefined);
      }
    },

    async seen() {
      const text = await readFile(seenFile, "utf8").catch(() => undefined);
      if (text === undefined) return undefined;
      try {
        const { deployment: of, block } = JSON.parse(text) as Seen;
        if (of !== identity) return undefined;
        if (Number.isSafeInteger(block.number) && isHexOf(block.hash, 32)) return block;
      } catch {
        // Told below.
      }
      onTrouble(`${seenFile} is not what was written: it is passed over`);
      return undefined;
    },

    async see(block) {
      const part = `${seenFile}.${process.pid}.part`;
      try {
        await mkdir(data, { recursive: true, mode: 0o700 });
        await writeFile(part, JSON.stringify({ deployment: identity, block } satisfies Seen));
        await rename(part, seenFile);
      } catch (error) {
        onTrouble(`the last final block was not kept in ${data}: ${(error as Error).message}`);
      }
    },
  };
}

type Seen = { readonly deployment: string; readonly block: BlockMark };

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function countOf(revisions: Law["revisions"]): number {
  return Object.values(revisions).reduce((sum, count) => sum + count, 0);
}

/** Newest first. */
async function namesIn(folder: string): Promise<readonly { name: string; block: BlockMark }[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .map((name) => ({ name, match: NAME.exec(name) }))
    .filter(({ match }) => match !== null && isHexOf(match[2], 32))
    .map(({ name, match }) => ({
      name,
      block: { number: Number(match?.[1]), hash: match?.[2] as Hex },
    }))
    .sort((a, b) => b.block.number - a.block.number);
}

/** All but the newest few, and what a process that was killed left half written before. */
async function removeOld(folder: string, newest: number): Promise<void> {
  const kept = (await namesIn(folder)).slice(KEPT);
  const parts = (await readdir(folder)).filter(
    (name) => Number(UNFINISHED.exec(name)?.[1] ?? newest) < newest,
  );
  for (const name of [...kept.map((each) => each.name), ...parts])
    await rm(join(folder, name), { force: true });
}
