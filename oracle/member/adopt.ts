import { bundleHashOf, MANIFEST_FILE } from "@link-rewards/core/epoch/manifest";
import { checkBundle } from "@link-rewards/core/judge/divergence";
import { sealBlockOf } from "@link-rewards/host/chain/chain";
import { type BundleSource, nativeSha256 } from "../edge/bundles.ts";
import { recoverContributions } from "../edge/recover-pool.ts";
import { findBundle, previousRewards } from "./attest.ts";
import type { Oracle } from "./oracle.ts";

/** Whether the chain's bundle of a final epoch is published here; and if not, what is in the way. */
export type Adopted = { readonly adopted: true } | { readonly amiss: string };

/**
 * Publishes the bundle that became final as this member's own: verified as an audit does, from wherever it is. Another one
 * that stood in its place is put aside first, found or not: what is served is the chain's, or nothing.
 */
export async function adoptFinal(
  oracle: Oracle,
  epoch: number,
  more: readonly BundleSource[] = [],
): Promise<Adopted> {
  const { chain, bundles, follower } = oracle;
  const law = follower.law();
  const final = law.finals.get(epoch);
  const report = final?.proposal?.report;
  if (report === undefined) return { amiss: `epoch ${epoch} is not final` };
  const { bundleHash } = report;
  const own = await bundles.read(epoch, MANIFEST_FILE).catch(() => undefined);
  const ownHash = own && bundleHashOf(own);
  if (ownHash !== undefined && ownHash !== bundleHash) await bundles.putAside(epoch, ownHash);
  const published = await findBundle(oracle, { epoch, bundleHash }, more);
  if ("amiss" in published) {
    return {
      amiss: `epoch ${epoch} is final with bundle ${bundleHash}, which is not to be had: ${published.amiss}; take it from any mirror with adopt ${epoch} --bundles <location>`,
    };
  }
  const sealBlock = await sealBlockOf(chain, epoch);
  if (sealBlock === undefined) return { amiss: `the seal time of epoch ${epoch} is not final yet` };
  const outcome = checkBundle({
    signers: await recoverContributions(chain.deployment, law, published),
    sha256: nativeSha256,
    deployment: chain.deployment,
    law,
    epoch,
    sealBlock,
    previousRewards: await previousRewards(oracle, epoch),
    published,
    report,
  });
  if (!outcome.agrees) {
    const { file, message } = outcome.divergence;
    return {
      amiss: `epoch ${epoch} became final with a bundle that is wrong: ${file}: ${message}`,
    };
  }
  if (ownHash !== bundleHash) {
    const files = new Map([...published.files, [MANIFEST_FILE, published.manifest] as const]);
    await bundles.stage(epoch, { bundleHash, files });
    await bundles.publish(epoch, bundleHash);
  }
  oracle.log("the chain's bundle is published here", { epoch, bundleHash });
  return { adopted: true };
}
