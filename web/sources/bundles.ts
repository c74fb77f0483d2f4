import { cutRange } from "@link-rewards/client/bundle";
import { type ProvenLeaf, proveLeaf, type Root } from "@link-rewards/client/leaf";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import {
  bundleHashOf,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
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
        throw trouble("bundle-tampered", `${new URL(file, folder)} is cut off`);
      }
      return cut;
    },
  };
}

/** An account's leaf, proven against a root of the chain, or `bundle-tampered`: nothing unproven leaves this function. */
export function leafFromMirrors(
  config: PageConfig,
  final: Root & { readonly epoch: number },
  index: number,
  account: Address,
): Promise<ProvenLeaf> {
  return fromMirrors(config, final.epoch, async (mirror) => {
    const leaf = await proveLeaf(mirror.range, final, index, account);
    if (leaf !== undefined) return leaf;
    throw trouble("bundle-tampered", `${mirror.url}rewards.bin does not lead to ${final.root}`);
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
