import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  concatBytes,
  fromHex,
  type Hex,
  keccak256,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { packFields } from "@link-rewards/core/encoding/fields";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { sign, toCompact } from "@link-rewards/core/encoding/signature";
import { buildTree, HASH_BYTES, rootOf } from "@link-rewards/core/encoding/tree";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { assembleBundle } from "@link-rewards/core/epoch/bundle";
import {
  bundleHashOf,
  encodeManifest,
  fileEntry,
  type Manifest,
  parseManifest,
  reportOf,
} from "@link-rewards/core/epoch/manifest";
import {
  type ContributionRecord,
  decodeContributions,
  decodeInvoices,
  decodeRewards,
  EARNED_FIELDS,
  encodeInvoices,
  encodeRewards,
  type InvoiceLine,
  REWARD_BYTES,
  type RewardLeaf,
} from "@link-rewards/core/epoch/records";
import { packSignedReceipt } from "@link-rewards/core/signed/receipt";
import { type Report, reportDigest } from "@link-rewards/core/signed/report";
import { openBundles } from "../../../oracle/edge/bundles.ts";
import type { MemberWorld } from "../../worlds/network.ts";
import type { MemberOracle } from "./member-oracle.ts";

/** A corrupt proposer: what somebody with a member's key can put on chain and into public files. */

export type BundleFiles = ReadonlyMap<string, Uint8Array>;

/** The last leaf's end, unless `total` says something else. Undefined stands for the zero hash in a leaf's place. */
export type Forgery = {
  readonly leaves: readonly (RewardLeaf | undefined)[];
  readonly total?: bigint;
};

export async function bundleOf(
  { bundles }: Pick<MemberOracle, "bundles">,
  epoch: number,
): Promise<BundleFiles> {
  const { manifest, files } = await openBundles(bundles).bundle(epoch);
  return new Map([["manifest.json", manifest], ...files]);
}

export function leavesOf(files: BundleFiles): readonly RewardLeaf[] {
  return decodeRewards(fileOf(files, "rewards.bin"));
}

export function manifestOf(files: BundleFiles): Manifest {
  const manifest = parseManifest(fileOf(files, "manifest.json"));
  if (isRefused(manifest)) throw new Error(manifest.message);
  return manifest;
}

/** The honest bundle with other rewards, consistent in itself: only its rewards do not follow from its contributions. */
export function withRewards(honest: BundleFiles, { leaves, total }: Forgery): BundleFiles {
  const rewards = concatBytes(
    ...leaves.map((leaf) => (leaf ? encodeRewards([leaf]) : new Uint8Array(REWARD_BYTES))),
  );
  const hashes = leaves.map((leaf) =>
    leaf ? keccak256(encodeRewards([leaf])) : new Uint8Array(HASH_BYTES),
  );
  const last = leaves.at(-1);
  const { files } = manifestOf(honest);
  return withManifest(new Map([...honest, ["rewards.bin", rewards]]), {
    root: toHex(rootOf(buildTree(concatBytes(...hashes)))),
    total: total ?? (last ? last.prefix + last.cumulative : 0n),
    leaves: leaves.length,
    files: { ...files, "rewards.bin": fileEntry(rewards) },
  });
}

/** The honest bundle with other tables, complete and consistent with its own manifest. */
export function withTables(
  honest: BundleFiles,
  changed: {
    readonly contributions?: readonly ContributionRecord[];
    readonly invoices?: readonly InvoiceLine[];
    readonly rewards?: readonly RewardLeaf[];
  },
): BundleFiles {
  const { contributions, invoices, rewards } = changed;
  const manifest = manifestOf(honest);
  const leaves = rewards ?? leavesOf(honest);
  const last = leaves.at(-1);
  const total = last ? last.prefix + last.cumulative : 0n;
  const delta = manifest.delta + total - manifest.total;
  const { files } = assembleBundle(
    { ...manifest, total, delta },
    {
      "contributions.bin": contributions
        ? concatBytes(...contributions.map(encodeContribution))
        : fileOf(honest, "contributions.bin"),
      "contributions.fence": fileOf(honest, "contributions.fence"),
      "invoices.bin": invoices ? encodeInvoices(invoices) : fileOf(honest, "invoices.bin"),
      "rewards.bin": encodeRewards(leaves),
    },
  );
  return files;
}

export function contributionsOf(files: BundleFiles): readonly ContributionRecord[] {
  return decodeContributions(fileOf(files, "contributions.bin"));
}

export function invoicesOf(files: BundleFiles): readonly InvoiceLine[] {
  return decodeInvoices(fileOf(files, "invoices.bin"));
}

function encodeContribution(record: ContributionRecord): Uint8Array {
  return concatBytes(packSignedReceipt(record), packFields(EARNED_FIELDS, record));
}

export function withManifest(honest: BundleFiles, changes: Partial<Manifest>): BundleFiles {
  const manifest = encodeManifest({ ...manifestOf(honest), ...changes });
  return new Map([...honest, ["manifest.json", manifest]]);
}

export function hashOf(files: BundleFiles): Hex {
  return bundleHashOf(fileOf(files, "manifest.json"));
}

/** Slices one after the other, as an honest tree has them. */
export function inOrder(shares: readonly Omit<RewardLeaf, "prefix">[]): readonly RewardLeaf[] {
  let prefix = 0n;
  return shares.map((share) => {
    const leaf = { ...share, prefix };
    prefix += share.cumulative;
    return leaf;
  });
}

/** Proposes the report that leads to these files in the attempt that is open. */
export async function proposeFiles(
  { devnet }: MemberWorld,
  member: Pick<MemberOracle, "wallet">,
  files: BundleFiles,
  ...others: readonly Pick<MemberOracle, "wallet">[]
): Promise<{ readonly report: Report; readonly digest: Hex }> {
  const { ledger } = devnet.suite;
  const { attempt } = await ledger.proposal();
  const report = reportOf(manifestOf(files), hashOf(files), Number(attempt));
  const domain = domainSeparator(31337, lowercaseHex(await ledger.getAddress()));
  const digest = reportDigest(domain, report);
  const signatures = [member, ...others].map(({ wallet }) =>
    toCompact(sign(digest, fromHex(lowercaseHex(wallet.privateKey)))),
  );
  const bystander = ledger.connect(devnet.role("bystander"));
  await (await bystander.propose(report, signatures)).wait();
  return { report, digest: toHex(digest) };
}

/** Puts files in the place of an epoch's bundle. */
export async function publishFiles(
  folder: string,
  epoch: number,
  files: BundleFiles,
): Promise<void> {
  const place = join(folder, String(epoch));
  await rm(place, { recursive: true, force: true });
  await mkdir(place, { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(place, name), bytes);
}

function fileOf(files: BundleFiles, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes === undefined) throw new Error(`no ${name}`);
  return bytes;
}
