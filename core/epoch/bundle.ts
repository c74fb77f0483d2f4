import { type Hex, toHex } from "../encoding/bytes.ts";
import { isRefused } from "../encoding/refusal.ts";
import { buildTree, hashRecords, rootOf, rootOver } from "../encoding/tree.ts";
import {
  bundleHashOf,
  type DataFile,
  encodeManifest,
  fileEntry,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  type Sha256,
  sha256,
} from "./manifest.ts";
import {
  CONTRIBUTION_BYTES,
  DEVICE_BYTES,
  deviceAt,
  encodeFence,
  encodeTree,
  REWARD_BYTES,
} from "./records.ts";
import { totalOf } from "./reward.ts";

/** What an epoch came to: the files that the others follow from. */
export type BundleContent = {
  readonly [file in
    | "contributions.bin"
    | "contributions.fence"
    | "devices.bin"
    | "rewards.bin"]: Uint8Array;
};

/** The parts of a manifest that do not follow from the content. */
export type ManifestTerms = Omit<
  Manifest,
  "total" | "root" | "leaves" | "contributionRoot" | "contributions" | "devices" | "files"
>;

export type Bundle = {
  readonly manifest: Manifest;
  readonly bundleHash: Hex;
  /** The manifest and every file it vouches for, by name. */
  readonly files: ReadonlyMap<DataFile | typeof MANIFEST_FILE, Uint8Array>;
};

/** A bundle as somebody published it: nothing about it is known to be true. */
export type PublishedBundle = {
  readonly manifest: Uint8Array;
  readonly files: ReadonlyMap<DataFile, Uint8Array>;
};

/** The published files of one epoch. Same input, same bytes, on any machine. */
export function assembleBundle(
  terms: ManifestTerms,
  content: BundleContent,
  hash: Sha256 = sha256,
): Bundle {
  const rewards = content["rewards.bin"];
  const contributions = content["contributions.bin"];
  const devices = content["devices.bin"];
  const rewardTree = buildTree(hashRecords(rewards, REWARD_BYTES));
  const deviceCount = devices.length / DEVICE_BYTES;
  const dataFiles = {
    ...content,
    "devices.fence": encodeFence(deviceCount, (i) => deviceAt(devices, i).accountIndex),
    "rewards.tree": encodeTree(rewardTree),
  } satisfies Record<DataFile, Uint8Array>;
  const manifest: Manifest = {
    ...terms,
    total: totalOf(rewards),
    root: toHex(rootOf(rewardTree)),
    leaves: rewardTree.leaves,
    contributionRoot: toHex(rootOver(contributions, CONTRIBUTION_BYTES)),
    contributions: contributions.length / CONTRIBUTION_BYTES,
    devices: deviceCount,
    files: entriesOf(dataFiles, hash),
  };
  const manifestBytes = encodeManifest(manifest);
  return {
    manifest,
    bundleHash: bundleHashOf(manifestBytes),
    files: new Map([
      [MANIFEST_FILE, manifestBytes],
      ...(Object.entries(dataFiles) as [DataFile, Uint8Array][]),
    ]),
  };
}

function entriesOf(files: Record<DataFile, Uint8Array>, hash: Sha256): Manifest["files"] {
  const entries = Object.entries(files).map(([name, bytes]) => [name, fileEntry(bytes, hash)]);
  return Object.fromEntries(entries) as Manifest["files"];
}

/** Whether the files are those that the manifest names, byte for byte: says nothing about whether they are true. */
export function isIntact({ manifest, files }: PublishedBundle, sha256: Sha256): boolean {
  const parsed = parseManifest(manifest);
  if (isRefused(parsed)) return false;
  return Object.entries(parsed.files).every(([name, entry]) => {
    const file = files.get(name as DataFile);
    return file?.length === entry.bytes && toHex(sha256(file)) === entry.sha256;
  });
}
