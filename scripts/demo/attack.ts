import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { at } from "@link-rewards/core/encoding/at";
import {
  concatBytes,
  fromHex,
  type Hex,
  keccak256,
  lowercaseHex,
  toHex,
  utf8,
} from "@link-rewards/core/encoding/bytes";
import { packFields } from "@link-rewards/core/encoding/fields";
import { sign, toCompact } from "@link-rewards/core/encoding/signature";
import { buildTree, HASH_BYTES, hashRecords, rootOf } from "@link-rewards/core/encoding/tree";
import { assembleBundle, type Bundle } from "@link-rewards/core/epoch/bundle";
import { type ComputedEpoch, computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { lawfulContributions } from "@link-rewards/core/epoch/lawful";
import { bundleHashOf, encodeManifest, reportOf } from "@link-rewards/core/epoch/manifest";
import {
  CONTRIBUTION_BYTES,
  type ContributionRecord,
  decodeContributions,
  decodeRewards,
  EARNED_FIELDS,
  encodeRewards,
} from "@link-rewards/core/epoch/records";
import { ledgerDomain, registryDomain } from "@link-rewards/core/signed/deployment";
import {
  packSignedReceipt,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { type Report, reportDigest } from "@link-rewards/core/signed/report";
import { sealBlockOf } from "@link-rewards/host/chain/chain";
import type { HDNodeWallet } from "ethers";
import { openBundles } from "../../oracle/edge/bundles.ts";
import { readLaw } from "../../oracle/outsider/read-law.ts";
import type { Cast } from "./cast.ts";
import type { Operator } from "./operator.ts";

/** What somebody with a member's key proposes, and what is published of it. */
export type Loot = {
  readonly bundle: Bundle;
  /** Kept from everybody. */
  readonly hidden: readonly string[];
};

/** What the epoch lawfully comes to, from the receipts that everybody can have. */
export async function lawfulEpoch(
  { chain }: Cast,
  operator: Operator,
  epoch: number,
): Promise<ComputedEpoch> {
  const law = await readLaw(chain);
  const { deployment } = chain;
  const receipts: SignedReceipt[] = [];
  const packed = await (await fetch(new URL(`/v1/receipts/${epoch}`, operator.url))).bytes();
  for (let at = 0; at < packed.length; at += SIGNED_RECEIPT_BYTES)
    receipts.push(unpackSignedReceipt(packed.subarray(at, at + SIGNED_RECEIPT_BYTES)));
  const domain = registryDomain(deployment);
  const sealBlock = await sealBlockOf(chain, epoch);
  if (sealBlock === undefined) throw new Error(`epoch ${epoch} is not sealed`);
  return computeEpoch({
    deployment,
    law,
    epoch,
    sealBlock,
    contributions: lawfulContributions(receipts, { law, domain }).contributions,
    previousRewards: await openBundles(operator.bundles).read(epoch - 1, "rewards.bin"),
  });
}

/** In the middle of the table what one device earned is another's; all sums after it are as if it had been so. */
export function stolen({ manifest, files }: ComputedEpoch): Loot {
  const rows = decodeContributions(files.get("contributions.bin") as Uint8Array);
  const thiefs = Math.floor(rows.length / 2);
  const { account } = at(rows, thiefs);
  const robbed = rows.findIndex((row, i) => i > thiefs && row.account !== account);
  const loot = at(rows, robbed).earned;
  const taken = (i: number) => (i === thiefs ? loot : i === robbed ? -loot : 0n);
  let subtotal = 0n;
  const contributions = rows.map((row, i) => {
    const earned = row.earned + taken(i);
    subtotal += earned;
    return encodeContribution({ ...row, earned, subtotal });
  });
  const share = new Map([
    [account, loot],
    [at(rows, robbed).account, -loot],
  ]);
  let prefix = 0n;
  const leaves = decodeRewards(files.get("rewards.bin") as Uint8Array).map((leaf) => {
    const cumulative = leaf.cumulative + (share.get(leaf.account) ?? 0n);
    const moved = { ...leaf, cumulative, prefix };
    prefix += cumulative;
    return moved;
  });
  const bundle = assembleBundle(manifest, {
    "contributions.bin": concatBytes(...contributions),
    "contributions.fence": files.get("contributions.fence") as Uint8Array,
    "invoices.bin": files.get("invoices.bin") as Uint8Array,
    "rewards.bin": encodeRewards(leaves),
  });
  return { bundle, hidden: [] };
}

/** In the middle of the table stands something that nobody can show, and the table is kept from everybody. */
export function hiddenRow({ manifest, files }: ComputedEpoch): Loot {
  const table = files.get("contributions.bin") as Uint8Array;
  const hashes = hashRecords(table, CONTRIBUTION_BYTES);
  const middle = Math.floor(hashes.length / HASH_BYTES / 2);
  hashes.set(keccak256(utf8("not a row")), middle * HASH_BYTES);
  const changed = { ...manifest, contributionRoot: toHex(rootOf(buildTree(hashes))) };
  const bytes = encodeManifest(changed);
  const bundle = {
    manifest: changed,
    bundleHash: bundleHashOf(bytes),
    files: new Map([...files, ["manifest.json", bytes] as const]),
  };
  return { bundle, hidden: ["contributions.bin", "contributions.tree"] };
}

/** The report that leads to it in the attempt that is open, with one member's signature. */
export async function signLoot(
  { devnet, chain }: Cast,
  { bundle }: Loot,
  member: HDNodeWallet,
): Promise<{
  readonly report: Report;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}> {
  const { attempt } = await devnet.suite.ledger.proposal();
  const report = reportOf(bundle.manifest, bundle.bundleHash, Number(attempt));
  const digest = reportDigest(ledgerDomain(chain.deployment), report);
  const signature = sign(digest, fromHex(lowercaseHex(member.privateKey) as Hex));
  return { report, digest, signature };
}

/** Puts what is public of it where an epoch's files are. */
export async function publishLoot({ bundle, hidden }: Loot, place: string): Promise<void> {
  await mkdir(place, { recursive: true });
  for (const [name, bytes] of bundle.files)
    if (!hidden.includes(name)) await writeFile(join(place, name), bytes);
}

/** Proposes it with one member's signature and puts what is public of it into a folder of its own. */
export async function propose(
  cast: Cast,
  loot: Loot,
  member: HDNodeWallet,
  folder: string,
): Promise<Hex> {
  const { ledger } = cast.devnet.suite;
  const { report, digest, signature } = await signLoot(cast, loot, member);
  await rm(folder, { recursive: true, force: true });
  await publishLoot(loot, join(folder, String(report.epoch)));
  await (await ledger.connect(member).propose(report, [toCompact(signature)])).wait();
  return toHex(digest);
}

function encodeContribution(record: ContributionRecord): Uint8Array {
  return concatBytes(packSignedReceipt(record), packFields(EARNED_FIELDS, record));
}
