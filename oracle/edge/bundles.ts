import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { amissInFile, cutRange, readBundle } from "@link-rewards/client/bundle";
import { fetchPaced } from "@link-rewards/client/node/paced";
import { equalBytes, type Hex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { Bundle, PublishedBundle } from "@link-rewards/core/epoch/bundle";
import {
  bundleHashOf,
  type DataFile,
  encodeManifest,
  MANIFEST_FILE,
  parseManifest,
  type Sha256,
} from "@link-rewards/core/epoch/manifest";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import { syncFolder, writeDurably } from "@link-rewards/host/durable-files";

/** A manifest names every customer that paid, and no more than that: 100 bytes each, a million of them. */
const MAX_MANIFEST_BYTES = 128 * 1024 * 1024;
/** More than 16 million contributions, which no epoch has. A mirror that sends more is not sending this one. */
const MAX_FILE_BYTES = 4 * 1024 * 1024 * 1024 - 1;
const FETCH_TIMEOUT_MS = 10_000;

/**
 * A bundle or a file of it is not there, or a mirror does not answer: not wrong, only missing. `isDamaged`: something is
 * there, and its hash says that it is not what was signed, which is the copy's fault and says nothing about the report.
 */
export type BundleUnavailable = Error & {
  readonly bundleUnavailable: true;
  readonly isDamaged: boolean;
};

export function isBundleUnavailable(error: unknown): error is BundleUnavailable {
  return error instanceof Error && "bundleUnavailable" in error;
}

function unavailable(message: string, cause?: unknown, isDamaged = false): BundleUnavailable {
  const kind = { bundleUnavailable: true as const, isDamaged };
  return Object.assign(new Error(message, { cause }), kind);
}

function damaged(location: string, epoch: number, file: string, says: string): BundleUnavailable {
  const what = `this copy at ${location} is not what was signed: ${file} of epoch ${epoch} ${says}`;
  return unavailable(what, undefined, true);
}

/** Where bundles can be read: a folder, or any static web server, object store or IPFS gateway. */
export type BundleSource = {
  readonly location: string;
  /** At most `limit` bytes: a longer file is not the one that is looked for. */
  read(epoch: number, file: string, limit?: number): Promise<Uint8Array>;
  /** Exactly `length` bytes from `from` on. */
  range(epoch: number, file: string, from: number, length: number): Promise<Uint8Array>;
  /** The manifest and every file it names, unchecked. Throws BundleUnavailable when something is missing. */
  bundle(epoch: number): Promise<PublishedBundle>;
  /**
   * The files whose manifest has that hash, each checked by the hash that the manifest has of it before anything looks into
   * it. Throws BundleUnavailable, which names the file that is missing or damaged. `end` ends the reading.
   */
  signed(epoch: number, bundleHash: Hex, end?: AbortSignal): Promise<PublishedBundle>;
  /** The files whose manifest has that hash; undefined when they are not here. */
  named(epoch: number, bundleHash: Hex): Promise<RangeReader | undefined>;
};

/** The files in one folder of a source. Undefined in place of a file that is longer than `limit`. */
type Place = {
  read(file: string, limit: number, end?: AbortSignal): Promise<Uint8Array | undefined>;
  range(file: string, from: number, length: number): Promise<Uint8Array>;
};

export function openBundles(location: string): BundleSource {
  return /^https?:\/\//.test(location)
    ? sourceOf(location, (place) => webPlace(location, place))
    : sourceOf(location, (place) => folderPlace(location, place));
}

/**
 * In the folder of an epoch is what its publisher stands by; what was put aside for another bundle of the epoch is in one
 * that has its hash in its name.
 */
function sourceOf(location: string, at: (place: string) => Place): BundleSource {
  const inPlace = (epoch: number) => at(String(epoch));

  async function readFrom(
    place: Place,
    epoch: number,
    file: string,
    limit: number,
    end?: AbortSignal,
  ) {
    const bytes = await place.read(file, limit, end);
    if (bytes !== undefined) return bytes;
    throw damaged(location, epoch, file, `has more than ${limit} bytes`);
  }

  /** Where the manifest of that hash is. Throws BundleUnavailable where there is none. */
  async function placeOf(epoch: number, bundleHash: Hex, end?: AbortSignal) {
    let failure: BundleUnavailable | undefined;
    for (const place of [inPlace(epoch), at(asideOf(epoch, bundleHash))]) {
      try {
        const manifest = await readFrom(place, epoch, MANIFEST_FILE, MAX_MANIFEST_BYTES, end);
        const found = bundleHashOf(manifest);
        if (found === bundleHash) return { place, manifest };
        if (isManifestOf(epoch, manifest))
          throw unavailable(`${location} has another bundle of epoch ${epoch}, not ${bundleHash}`);
        const says = `has the hash ${found}, signed is ${bundleHash}`;
        throw damaged(location, epoch, MANIFEST_FILE, says);
      } catch (error) {
        if (!isBundleUnavailable(error)) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  return {
    location,
    read: (epoch, file, limit = limitOf(file)) => readFrom(inPlace(epoch), epoch, file, limit),
    range: (epoch, file, from, length) => inPlace(epoch).range(file, from, length),
    bundle: (epoch) => readBundle((file) => readFrom(inPlace(epoch), epoch, file, limitOf(file))),
    async signed(epoch, bundleHash, end) {
      const { place, manifest } = await placeOf(epoch, bundleHash, end);
      const parsed = parseManifest(manifest);
      // Signed as it is: whoever checks it names it.
      if (isRefused(parsed)) return { manifest, files: new Map() };
      return readBundle(async (file) => {
        if (file === MANIFEST_FILE) return manifest;
        const entry = parsed.files[file as DataFile];
        const most = Math.min(entry.bytes, MAX_FILE_BYTES);
        const found = await readFrom(place, epoch, file, most, end);
        const amiss = amissInFile(found, entry, nativeSha256);
        if (amiss === undefined) return found;
        throw damaged(location, epoch, file, amiss);
      });
    },
    async named(epoch, bundleHash) {
      try {
        const { place } = await placeOf(epoch, bundleHash);
        return (file, from, length) => place.range(file, from, length);
      } catch (error) {
        if (isBundleUnavailable(error)) return undefined;
        throw error;
      }
    },
  };
}

/** In its one spelling: some member's own idea of the epoch, and no copy that somebody has spoilt. */
function isManifestOf(epoch: number, bytes: Uint8Array): boolean {
  const manifest = parseManifest(bytes);
  if (isRefused(manifest) || manifest.epoch !== epoch) return false;
  return equalBytes(encodeManifest(manifest), bytes);
}

function asideOf(epoch: number, bundleHash: string): string {
  return `${epoch}-${bundleHash}`;
}

function limitOf(file: string): number {
  return file === MANIFEST_FILE ? MAX_MANIFEST_BYTES : MAX_FILE_BYTES;
}

/** How long one mirror is waited for alone: one that trickles would else hold whoever asks for hours. */
const PATIENCE_MS = 10_000;

/**
 * What was signed, each file of it, from the mirror that has it first: they are asked in their order, the next when one has
 * failed, or beside it when that takes long. Throws BundleUnavailable with what was wrong at each.
 */
export async function signedBundle(
  mirrors: readonly BundleSource[],
  { epoch, bundleHash }: { readonly epoch: number; readonly bundleHash: Hex },
  patienceMs = PATIENCE_MS,
): Promise<PublishedBundle> {
  const failures: BundleUnavailable[] = [];
  const end = new AbortController();
  const found = Promise.withResolvers<PublishedBundle>();
  let published: PublishedBundle | undefined;
  const askAt = async (source: BundleSource) => {
    try {
      published ??= await source.signed(epoch, bundleHash, end.signal);
      found.resolve(published);
    } catch (error) {
      if (isBundleUnavailable(error)) failures.push(error);
      else found.reject(error);
    }
  };
  try {
    const asked: Promise<void>[] = [];
    for (const source of mirrors) {
      if (published !== undefined) break;
      const answer = askAt(source);
      asked.push(answer);
      const passed = sleep(patienceMs, undefined, { signal: end.signal, ref: false });
      await Promise.race([found.promise, answer, passed]);
    }
    await Promise.race([found.promise, Promise.all(asked)]);
    if (published !== undefined) return published;
  } finally {
    end.abort();
  }
  const isDamaged = failures.some((failure) => failure.isDamaged);
  throw unavailable(failures.map(({ message }) => message).join("; "), failures[0], isDamaged);
}

/** What the first mirror proves whose files lead to the root on chain; `prove` gives undefined where they do not. */
export async function provenFrom<T>(
  mirrors: readonly BundleSource[],
  epoch: number,
  prove: (read: RangeReader) => Promise<T | undefined>,
): Promise<T> {
  const failures: string[] = [];
  for (const source of mirrors) {
    try {
      const proven = await prove((file, from, length) => source.range(epoch, file, from, length));
      if (proven !== undefined) return proven;
      failures.push(
        `the files of epoch ${epoch} at ${source.location} do not lead to the root on chain; use another mirror`,
      );
    } catch (error) {
      if (!isBundleUnavailable(error)) throw error;
      failures.push(error.message);
    }
  }
  throw new Error(failures.join("; "));
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

function folderPlace(folder: string, place: string): Place {
  const path = (file: string) => join(folder, place, file);
  return {
    async read(file, limit) {
      try {
        return await readWhole(path(file), limit);
      } catch (cause) {
        throw unavailable(`no ${file} of epoch ${place} in ${folder}`, cause);
      }
    },
    async range(file, from, length) {
      const bytes = new Uint8Array(length);
      try {
        const handle = await open(path(file));
        try {
          const { bytesRead } = await handle.read(bytes, 0, length, from);
          if (bytesRead !== length)
            throw new Error(`only ${bytesRead} of ${length} bytes at ${from}`);
          return bytes;
        } finally {
          await handle.close();
        }
      } catch (cause) {
        throw unavailable(`cannot read ${file} of epoch ${place} in ${folder}`, cause);
      }
    },
  };
}

function webPlace(base: string, place: string): Place {
  const root = base.endsWith("/") ? base : `${base}/`;
  /** `limitOf`: by the status, before the body is read. */
  const get = async (
    file: string,
    { headers = {}, signal }: Pick<RequestInit, "headers" | "signal">,
    limitOf: (status: number) => number,
  ) => {
    const url = new URL(`${place}/${file}`, root);
    try {
      const answer = await fetchPaced(
        url,
        { headers, ...(signal && { signal }) },
        { answerMs: FETCH_TIMEOUT_MS, maxBytes: limitOf },
      );
      refuseRedirect(answer);
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      return answer;
    } catch (cause) {
      throw unavailable(`cannot get ${url}: ${(cause as Error).message}`, cause);
    }
  };
  return {
    read: async (file, limit, end) =>
      (await get(file, end ? { signal: end } : {}, () => limit)).bytes,
    async range(file, from, length) {
      const range = { range: `bytes=${from}-${from + length - 1}` };
      // A server without ranges answers with the whole file.
      const answer = await get(file, { headers: range }, (status) =>
        status === 206 ? length : MAX_FILE_BYTES,
      );
      const { status, bytes = new Uint8Array() } = answer;
      const cut = cutRange({ status, bytes }, from, length);
      if (cut.length === length) return cut;
      throw unavailable(`${file} of epoch ${place} at ${base} is cut off, or not the range`);
    },
  };
}

function refuseRedirect({ status, headers }: Pick<Response, "status" | "headers">): void {
  if (status < 300 || status >= 400) return;
  const to = headers.get("location") ?? "nowhere";
  throw new Error(`it redirects to ${to}; if you trust that, give it as the location`);
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
  const source = openBundles(folder);
  const stagePath = (epoch: number, hash: string) => join(folder, `.staged-${epoch}-${hash}`);
  return {
    ...source,
    async putAside(epoch, bundleHash) {
      if (!(await isPublished(source, epoch, bundleHash))) return;
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

/** Under the epoch's own name, that is, and not aside. */
async function isPublished(source: BundleSource, epoch: number, bundleHash: Hex): Promise<boolean> {
  try {
    return bundleHashOf(await source.read(epoch, MANIFEST_FILE)) === bundleHash;
  } catch (error) {
    if (isBundleUnavailable(error)) return false;
    throw error;
  }
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

/** Node reads no more than 2 GiB in one call, which ten million contributions pass. */
const PIECE_BYTES = 64 * 1024 * 1024;

/** Undefined when it is longer than `limit`. */
async function readWhole(path: string, limit: number): Promise<Uint8Array | undefined> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    if (size > limit) return undefined;
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
