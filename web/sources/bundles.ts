import { amissInFile, cutRange, readBundle } from "@link-rewards/client/bundle";
import { type ProvenLeaf, proveLeaf, type Root } from "@link-rewards/client/leaf";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { PublishedBundle } from "@link-rewards/core/epoch/bundle";
import {
  bundleHashOf,
  type DataFile,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  sha256,
} from "@link-rewards/core/epoch/manifest";
import type { PageConfig } from "./config.ts";
import { isTrouble, trouble } from "./trouble.ts";

const TIMEOUT_MS = 60_000;

/** One mirror's files of one epoch. Nothing that comes from it is known to be true. */
export type Mirror = {
  readonly url: string;
  read(file: string): Promise<Uint8Array>;
  /** Exactly `length` bytes from `from` on. */
  range(file: string, from: number, length: number): Promise<Uint8Array>;
};

/** Asks one mirror after the other until one gives what `use` accepts; the first one's trouble is told otherwise. */
export async function fromMirrors<T>(
  config: PageConfig,
  epoch: number,
  use: (mirror: Mirror) => Promise<T>,
): Promise<T> {
  let first: unknown;
  for (const base of config.bundles) {
    try {
      return await use(openMirror(base, epoch));
    } catch (error) {
      if (!isTrouble(error)) throw error;
      first ??= error;
    }
  }
  throw first ?? trouble("bundle-missing", "no mirror of the bundles is configured");
}

function openMirror(base: string, epoch: number): Mirror {
  const folder = new URL(`${base.replace(/\/?$/, "/")}${epoch}/`, document.baseURI);
  const get = async (file: string, headers: Record<string, string>) => {
    const url = new URL(file, folder);
    try {
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) };
    } catch (cause) {
      throw trouble("bundle-missing", `${url}: ${(cause as Error).message}`, cause);
    }
  };
  return {
    url: folder.href,
    read: async (file) => (await get(file, {})).bytes,
    async range(file, from, length) {
      if (length === 0) return new Uint8Array();
      const answer = await get(file, { range: `bytes=${from}-${from + length - 1}` });
      const cut = cutRange(answer, from, length);
      if (cut.length !== length) {
        throw trouble("another-copy", `${new URL(file, folder)} is cut off`);
      }
      return cut;
    },
  };
}

/** An account's leaf, proven against a root of the chain, or `another-copy`: nothing unproven leaves this function. */
export function leafFromMirrors(
  config: PageConfig,
  final: Root & { readonly epoch: number },
  index: number,
  account: Address,
): Promise<ProvenLeaf> {
  return fromMirrors(config, final.epoch, async (mirror) => {
    const leaf = await proveLeaf(mirror.range, final, index, account);
    if (leaf !== undefined) return leaf;
    throw trouble("another-copy", `${mirror.url}rewards.bin does not lead to ${final.root}`);
  });
}

/** A manifest is what the chain says it is, or `another-copy`. */
export async function readManifest(mirror: Mirror, bundleHash: Hex): Promise<Manifest> {
  const manifest = parseManifest(await manifestBytes(mirror, bundleHash));
  if (isRefused(manifest))
    throw trouble("another-copy", `${mirror.url}${MANIFEST_FILE}: ${manifest.message}`);
  return manifest;
}

async function manifestBytes(mirror: Mirror, bundleHash: Hex): Promise<Uint8Array> {
  const bytes = await mirror.read(MANIFEST_FILE);
  const found = bundleHashOf(bytes);
  if (found === bundleHash) return bytes;
  const says = `has the hash ${found}, signed is ${bundleHash}`;
  throw trouble("another-copy", `${mirror.url}${MANIFEST_FILE} ${says}`);
}

/** A file of a bundle as its manifest has it, or `another-copy`. */
export async function readFile(
  mirror: Mirror,
  { files }: Manifest,
  file: DataFile,
): Promise<Uint8Array> {
  const bytes = await mirror.read(file);
  const amiss = amissInFile(bytes, files[file], sha256);
  if (amiss !== undefined) throw trouble("another-copy", `${mirror.url}${file} ${amiss}`);
  return bytes;
}

/** A bundle as it was signed, each file of it, or `another-copy`: what is wrong in it then is the report's fault. */
export async function readSigned(mirror: Mirror, bundleHash: Hex): Promise<PublishedBundle> {
  const bytes = await manifestBytes(mirror, bundleHash);
  const manifest = parseManifest(bytes);
  // Signed as it is: whoever checks it names it.
  if (isRefused(manifest)) return { manifest: bytes, files: new Map() };
  return readBundle((file) =>
    file === MANIFEST_FILE ? Promise.resolve(bytes) : readFile(mirror, manifest, file as DataFile),
  );
}
