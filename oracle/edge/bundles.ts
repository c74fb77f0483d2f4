import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { cutRange, readBundle } from "@link-rewards/client/bundle";
import { equalBytes, type Hex } from "@link-rewards/core/encoding/bytes";
import type { Bundle, PublishedBundle } from "@link-rewards/core/epoch/bundle";
import type { Sha256 } from "@link-rewards/core/epoch/manifest";
import { bundleHashOf, MANIFEST_FILE } from "@link-rewards/core/epoch/manifest";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { fetchPaced } from "@link-rewards/host/paced";
import { syncFolder, writeDurably } from "@link-rewards/host/durable-files";

/** A manifest names every customer that paid, and no more than that: 100 bytes each, a million of them. */
const MAX_MANIFEST_BYTES = 128 * 1024 * 1024;
/** More than 16 million contributions, which no epoch has. A mirror that sends more is not sending this one. */
const MAX_FILE_BYTES = 4 * 1024 * 1024 * 1024 - 1;
const FETCH_TIMEOUT_MS = 10_000;

/** A bundle or a file of it is not there, or a mirror does not answer: not wrong, only missing. */
export type BundleUnavailable = Error & { readonly bundleUnavailable: true };

export function isBundleUnavailable(error: unknown): error is BundleUnavailable {
  return error instanceof Error && "bundleUnavailable" in error;
}

function unavailable(message: string, cause?: unknown): BundleUnavailable {
  return Object.assign(new Error(message, { cause }), { bundleUnavailable: true as const });
}

/** Where bundles can be read: a folder, or any static web server, object store or IPFS gateway. */
export type BundleSource = {
  readonly location: string;
  read(epoch: number, file: string): Promise<Uint8Array>;
  /** Exactly `length` bytes from `from` on. */
  range(epoch: number, file: string, from: number, length: number): Promise<Uint8Array>;
  /** The manifest and every file it names. Throws BundleUnavailable when something is missing. */
  bundle(epoch: number): Promise<PublishedBundle>;
  /** The files whose manifest has that hash; undefined when they are not here. */
  named(epoch: number, bundleHash: Hex): Promise<RangeReader | undefined>;
};

export function openBundles(location: string): BundleSource {
  return /^https?:\/\//.test(location) ? webSource(location) : folderSource(location);
}

function sourceOf(source: Omit<BundleSource, "bundle" | "named">): BundleSource {
  return {
    ...source,
    bundle: (epoch) => readBundle((file) => source.read(epoch, file)),
    async named(epoch, bundleHash) {
      try {
        const manifest = await source.read(epoch, MANIFEST_FILE);
        if (bundleHashOf(manifest) !== bundleHash) return undefined;
        return (file, from, length) => source.range(epoch, file, from, length);
      } catch (error) {
        if (isBundleUnavailable(error)) return undefined;
        throw error;
      }
    },
  };
}

/** Where nothing is found, for the reason that is given. */
export function noBundles(message: string): BundleSource {
  const fail = async () => {
    throw unavailable(message);
  };
  return { location: "", read: fail, range: fail, bundle: fail, named: async () => undefined };
}

/** OpenSSL takes no more than 2^31 bytes at once, and a table can have more. */
const HASHED_AT_ONCE_BYTES = 2 ** 30;

/** What files are named by in a manifest, by the fastest there is here: a bundle is hashed whole. */
export const nativeSha256: Sha256 = (bytes) => {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += HASHED_AT_ONCE_BYTES)
    hash.update(bytes.subarray(at, at + HASHED_AT_ONCE_BYTES));
  return hash.digest();
};

/** `placeOf`: the folder of an epoch's files in it. */
function folderSource(folder: string, placeOf: (epoch: number) => string = String): BundleSource {
  const path = (epoch: number, file: string) => join(folder, placeOf(epoch), file);
  return sourceOf({
    location: folder,
    async read(epoch, file) {
      try {
        return await readWhole(path(epoch, file));
      } catch (cause) {
        throw unavailable(`no ${file} of epoch ${epoch} in ${folder}`, cause);
      }
    },
    async range(epoch, file, from, length) {
      const bytes = new Uint8Array(length);
      try {
        const handle = await open(path(epoch, file));
        try {
          const { bytesRead } = await handle.read(bytes, 0, length, from);
          if (bytesRead !== length)
            throw new Error(`only ${bytesRead} of ${length} bytes at ${from}`);
          return bytes;
        } finally {
          await handle.close();
        }
      } catch (cause) {
        throw unavailable(`cannot read ${file} of epoch ${epoch} in ${folder}`, cause);
      }
    },
  });
}

function webSource(base: string): BundleSource {
  const root = base.endsWith("/") ? base : `${base}/`;
  const get = async (
    epoch: number,
    file: string,
    headers: Record<string, string>,
    limit: number,
  ) => {
    const url = new URL(`${epoch}/${file}`, root);
    try {
      const limits = { answerMs: FETCH_TIMEOUT_MS, maxBytes: limit };
      const { ok, status, bytes } = await fetchPaced(url, { headers }, limits);
      if (!ok) throw new Error(`HTTP ${status}`);
      return { status, bytes };
    } catch (cause) {
      throw unavailable(`cannot get ${url}: ${(cause as Error).message}`, cause);
    }
  };
  return sourceOf({
    location: base,
    async read(epoch, file) {
      const limit = file === MANIFEST_FILE ? MAX_MANIFEST_BYTES : MAX_FILE_BYTES;
      return (await get(epoch, file, {}, limit)).bytes;
    },
    async range(epoch, file, from, length) {
      const range = { range: `bytes=${from}-${from + length - 1}` };
      const answer = await get(epoch, file, range, MAX_FILE_BYTES);
      const cut = cutRange(answer, from, length);
      if (cut.length !== length)
        throw unavailable(`${file} of epoch ${epoch} at ${base} is cut off`);
      return cut;
    },
  });
}

/** Files that are published with a bundle and are not part of it: they differ from member to member. */
export type BesideFiles = ReadonlyMap<string, Uint8Array>;

/** The folder an oracle publishes to. */
export type BundleFolder = BundleSource & {
  /** Writes a bundle beside its place, durably; it is seen by nobody until it is published. */
  stage(
    epoch: number,
    bundle: Pick<Bundle, "bundleHash" | "files">,
    beside?: BesideFiles,
  ): Promise<void>;
  /** Moves a staged bundle to its place in one step. One that is there already is compared, never overwritten. */
  publish(epoch: number, bundleHash: string): Promise<void>;
  /** Makes place for another bundle of an epoch. The one that was there is still found by its name. */
  putAside(epoch: number, bundleHash: Hex): Promise<void>;
};

export async function openBundleFolder(folder: string): Promise<BundleFolder> {
  await mkdir(folder, { recursive: true });
  const source = folderSource(folder);
  const asideOf = (epoch: number, hash: string) => `${epoch}-${hash}`;
  const stagePath = (epoch: number, hash: string) => join(folder, `.staged-${epoch}-${hash}`);
  return {
    ...source,
    async named(epoch, bundleHash) {
      const aside = folderSource(folder, () => asideOf(epoch, bundleHash));
      return (await source.named(epoch, bundleHash)) ?? (await aside.named(epoch, bundleHash));
    },
    async putAside(epoch, bundleHash) {
      if ((await source.named(epoch, bundleHash)) === undefined) return;
      await rename(join(folder, String(epoch)), join(folder, asideOf(epoch, bundleHash)));
      await syncFolder(folder);
    },
    async stage(epoch, { bundleHash, files }, beside = new Map()) {
      const staged = stagePath(epoch, bundleHash);
      await rm(staged, { recursive: true, force: true });
      await mkdir(staged);
      for (const [name, bytes] of [...files, ...beside]) {
        await writeDurably(join(staged, name), bytes);
      }
      await syncFolder(staged);
      await syncFolder(folder);
    },
    async publish(epoch, bundleHash) {
      const staged = stagePath(epoch, bundleHash);
      const place = join(folder, String(epoch));
      try {
        await rename(staged, place);
        await syncFolder(folder);
        return;
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        if (!["ENOTEMPTY", "EEXIST", "ENOENT", "EPERM"].includes(code ?? "")) throw cause;
      }
      await compareManifests(source, staged, epoch);
      await rm(staged, { recursive: true, force: true });
    },
  };
}

/** What is published stays: the same manifest names the same bytes of every file. */
async function compareManifests(
  source: BundleSource,
  staged: string,
  epoch: number,
): Promise<void> {
  const published = await source.read(epoch, MANIFEST_FILE);
  let own: Uint8Array;
  try {
    own = new Uint8Array(await readFile(join(staged, MANIFEST_FILE)));
  } catch (cause) {
    // Killed after the rename: the staged bundle is the published one.
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw cause;
  }
  if (!equalBytes(published, own)) {
    throw new Error(
      `epoch ${epoch} is published in ${source.location} with other content; move that folder away if it is not yours`,
    );
  }
}

/** Node reads and writes no more than 2 GiB in one call, which ten million contributions pass. */
const PIECE_BYTES = 64 * 1024 * 1024;

async function readWhole(path: string): Promise<Uint8Array> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const length = Math.min(PIECE_BYTES, size - at);
      const { bytesRead } = await handle.read(bytes, at, length, at);
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}
