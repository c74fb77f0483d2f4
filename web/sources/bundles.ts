import { type Address, fromHex, type Hex, toHex } from "../../oracle/core/bytes.ts";
import type { PublishedBundle } from "../../oracle/core/divergence.ts";
import {
  bundleHashOf,
  type DataFile,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
} from "../../oracle/core/manifest.ts";
import { proveFromFiles } from "../../oracle/core/proof.ts";
import {
  decodeFence,
  encodeRewards,
  PAGE_RECORDS,
  type RewardLeaf,
} from "../../oracle/core/records.ts";
import { isRefused } from "../../oracle/core/refusal.ts";
import { hashRecords, verifyProof } from "../../oracle/core/tree.ts";
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
      const { status, bytes } = await get(file, { range: `bytes=${from}-${from + length - 1}` });
      // A server without ranges answers 200 with the whole file.
      const cut = status === 206 ? bytes : bytes.subarray(from, from + length);
      if (cut.length !== length) {
        throw trouble("bundle-tampered", `${new URL(file, folder)} is cut off`);
      }
      return cut;
    },
  };
}

export type Root = { readonly epoch: number; readonly root: Hex; readonly leaves: number };
export type ProvenLeaf = RewardLeaf & { readonly index: number; readonly proof: readonly Hex[] };

/** An account's leaf, proven against a root of the chain, or `bundle-tampered`: nothing unproven leaves this function. */
export function proveLeaf(
  config: PageConfig,
  { epoch, root, leaves }: Root,
  index: number,
  account: Address,
): Promise<ProvenLeaf> {
  return fromMirrors(config, epoch, async (mirror) => {
    const { leaf, proof } = await proveFromFiles(mirror.range, leaves, index);
    const record = encodeRewards([leaf]);
    const leafHash = hashRecords(record, record.length);
    if (leaf.account !== account || !verifyProof(fromHex(root), leaves, index, leafHash, proof)) {
      throw trouble("bundle-tampered", `${mirror.url}rewards.bin does not lead to ${root}`);
    }
    return { ...leaf, index, proof: proof.map(toHex) };
  });
}

/** A manifest is what the chain says it is, or `bundle-tampered`. */
export async function readManifest(mirror: Mirror, bundleHash: Hex): Promise<Manifest> {
  const bytes = await mirror.read(MANIFEST_FILE);
  const manifest = parseManifest(bytes);
  if (bundleHashOf(bytes) !== bundleHash || isRefused(manifest)) {
    throw trouble("bundle-tampered", `${mirror.url}${MANIFEST_FILE} is not ${bundleHash}`);
  }
  return manifest;
}

/** Every file of a bundle, as it is: for the check that trusts none of them. */
export async function readBundle(mirror: Mirror): Promise<PublishedBundle> {
  const manifest = await mirror.read(MANIFEST_FILE);
  const parsed = parseManifest(manifest);
  const files = new Map<DataFile, Uint8Array>();
  if (!isRefused(parsed)) {
    for (const name of Object.keys(parsed.files) as DataFile[]) {
      files.set(name, await mirror.read(name));
    }
  }
  return { manifest, files };
}

/** The records of the pages in which an account's rows stand: two ranges, one when there is a single page. */
export async function readPagesOf(
  mirror: Mirror,
  name: "contributions" | "devices",
  records: number,
  recordBytes: number,
  accountIndex: number,
): Promise<Uint8Array> {
  const pages = Math.ceil(records / PAGE_RECORDS);
  let [first, last] = [0, pages - 1];
  if (pages > 1) {
    const fence = decodeFence(await mirror.range(`${name}.fence`, 0, pages * 4));
    // A page that begins with the account may follow one that ends with it.
    first = Math.max(0, fence.findIndex((index) => index >= accountIndex) - 1);
    if (fence.every((index) => index < accountIndex)) first = pages - 1;
    last = Math.max(
      0,
      fence.findLastIndex((index) => index <= accountIndex),
    );
  }
  const from = first * PAGE_RECORDS;
  const to = Math.min(records, (last + 1) * PAGE_RECORDS);
  return mirror.range(`${name}.bin`, from * recordBytes, (to - from) * recordBytes);
}
