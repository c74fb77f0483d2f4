import { type Hex, toHex } from "./bytes.ts";
import {
  bundleHashOf,
  type DataFile,
  encodeManifest,
  fileEntry,
  MANIFEST_FILE,
  type Manifest,
} from "./manifest.ts";
import {
  CONTRIBUTION_BYTES,
  type ContributionRecord,
  type DeviceRecord,
  encodeContributions,
  encodeDevices,
  encodeFence,
  encodeRewards,
  encodeTree,
  REWARD_BYTES,
  type RewardLeaf,
} from "./records.ts";
import { totalOf } from "./reward.ts";
import { buildTree, hashRecords, rootOf } from "./tree.ts";

/** What an epoch came to, in the order of its files. */
export type BundleContent = {
  /** By (account index, device, customer). */
  readonly contributions: readonly (ContributionRecord & { readonly accountIndex: number })[];
  /** By (account index, device). */
  readonly devices: readonly DeviceRecord[];
  /** By account index. */
  readonly leaves: readonly RewardLeaf[];
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

/** The published files of one epoch. Same input, same bytes, on any machine. */
export function sealBundle(terms: ManifestTerms, content: BundleContent): Bundle {
  const { contributions, devices, leaves } = content;
  const contributionBytes = encodeContributions(contributions);
  const rewardBytes = encodeRewards(leaves);
  const rewardTree = buildTree(hashRecords(rewardBytes, REWARD_BYTES));
  const contributionTree = buildTree(hashRecords(contributionBytes, CONTRIBUTION_BYTES));
  const dataFiles = {
    "contributions.bin": contributionBytes,
    "contributions.fence": encodeFence(contributions.map(({ accountIndex }) => accountIndex)),
    "devices.bin": encodeDevices(devices),
    "devices.fence": encodeFence(devices.map(({ accountIndex }) => accountIndex)),
    "rewards.bin": rewardBytes,
    "rewards.tree": encodeTree(rewardTree),
  } satisfies Record<DataFile, Uint8Array>;
  const manifest: Manifest = {
    ...terms,
    total: totalOf(leaves),
    root: toHex(rootOf(rewardTree)),
    leaves: leaves.length,
    contributionRoot: toHex(rootOf(contributionTree)),
    contributions: contributions.length,
    devices: devices.length,
    files: entriesOf(dataFiles),
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

function entriesOf(files: Record<DataFile, Uint8Array>): Manifest["files"] {
  const entries = Object.entries(files).map(([name, bytes]) => [name, fileEntry(bytes)]);
  return Object.fromEntries(entries) as Manifest["files"];
}
