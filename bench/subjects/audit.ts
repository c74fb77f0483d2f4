import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { lawfulStored } from "@link-rewards/core/epoch/lawful";
import { type DataFile, MANIFEST_FILE, reportOf } from "@link-rewards/core/epoch/manifest";
import { checkBundle } from "@link-rewards/core/judge/divergence";
import { nativeSha256 } from "../../oracle/edge/bundles.ts";
import { recoverContributions } from "../../oracle/edge/recover-pool.ts";
import { compareRoots, secondRoots } from "../../oracle/outsider/audit.ts";
import { deployment } from "../../test/worlds/paper.ts";
import type { Case, Contestant } from "../case.ts";
import { EPOCH, signReceipts, worldOf } from "../world.ts";

/** A bundle checked from scratch, against two recoveries a contribution on the same threads: less is not possible. */
function signedEpoch(size: number) {
  const world = worldOf(size, { signed: true });
  const seal = lawfulStored(world.law, EPOCH);
  seal.take(signReceipts(world), (_, { message }) => {
    throw new Error(message);
  });
  const input = {
    deployment,
    law: world.law,
    epoch: EPOCH,
    sealBlock: { number: 1, hash: ZERO_HASH },
    previousRewards: new Uint8Array(),
  };
  const { manifest, bundleHash, files } = computeEpoch({
    ...input,
    contributions: seal.finish(),
    sha256: nativeSha256,
  });
  const published = {
    manifest: files.get(MANIFEST_FILE) as Uint8Array,
    files: files as ReadonlyMap<DataFile, Uint8Array>,
  };
  const report = reportOf(manifest, bundleHash, 0);
  return { input: { ...input, published }, report, leaves: manifest.leaves };
}

const attests: Contestant = async (size) => {
  const { input, report } = signedEpoch(size);
  return async () => {
    const outcome = checkBundle({
      ...input,
      report,
      sha256: nativeSha256,
      signers: await recoverContributions(deployment, input.law, input.published),
    });
    if (!outcome.agrees) throw new Error(outcome.divergence.message);
  };
};

const audits: Contestant = async (size) => {
  const { input, report, leaves } = signedEpoch(size);
  return async () => {
    const [signers, roots] = await Promise.all([
      recoverContributions(deployment, input.law, input.published),
      secondRoots(input.published, { ...report, leaves }),
    ]);
    const outcome = checkBundle({ ...input, report, sha256: nativeSha256, signers });
    if (!outcome.agrees) throw new Error(outcome.divergence.message);
    const divergence = compareRoots(roots, report);
    if (divergence !== undefined) throw new Error(divergence.message);
  };
};

const floor: Contestant = async (size) => {
  const { input } = signedEpoch(size);
  return async () => void (await recoverContributions(deployment, input.law, input.published));
};

const both = {
  unit: "ms",
  sizes: { quick: [2_000], full: [10_000, 100_000, 1_000_000] },
  rounds: { quick: 3, full: 3 },
  peers: { "secp256k1 alone": { run: floor } },
} as const;

export const cases: readonly Case[] = [
  { ...both, what: "attest: signatures, sums, files", ours: attests },
  { ...both, what: "audit: the same and merkletreejs", ours: audits },
];
