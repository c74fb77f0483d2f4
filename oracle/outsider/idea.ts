import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import {
  bundleHashOf,
  MANIFEST_FILE,
  parseManifest,
  reportOf,
} from "@link-rewards/core/epoch/manifest";
import { type BundleSource, isBundleUnavailable } from "../edge/bundles.ts";
import { type AuditInput, auditReport } from "./audit.ts";

/** An own idea of what an epoch comes to, for reports whose tables are not public. */
export type Ideas = {
  /** Undefined while no mirror has a bundle of the epoch that is lawful. */
  of(
    input: AuditInput,
    epoch: number,
    previousRewards: Uint8Array,
  ): Promise<ComputedEpoch | undefined>;
};

/**
 * Out of what mirrors publish, each checked from scratch as an audit does, and each once: honest members publish what they
 * have computed before it is proposed. It may lack receipts, or have more than the report.
 */
export function createIdeas(mirrors: readonly BundleSource[]): Ideas {
  const refused = new Set<string>();
  let known: { readonly epoch: number; readonly computed: ComputedEpoch } | undefined;

  async function ideaOf(
    input: AuditInput,
    source: BundleSource,
    epoch: number,
    previousRewards: Uint8Array,
  ): Promise<ComputedEpoch | undefined> {
    const bytes = await source.read(epoch, MANIFEST_FILE);
    const bundleHash = bundleHashOf(bytes);
    const manifest = parseManifest(bytes);
    if (isRefused(manifest) || refused.has(bundleHash)) return undefined;
    const report = reportOf(manifest, bundleHash, 0);
    const { verdict, computed } = await auditReport(
      { ...input, mirrors: [source] },
      report,
      previousRewards,
    );
    if (verdict === "agrees") return computed;
    if (verdict === "differs") refused.add(bundleHash);
    return undefined;
  }

  return {
    async of(input, epoch, previousRewards) {
      if (known?.epoch === epoch) return known.computed;
      for (const source of mirrors) {
        try {
          const computed = await ideaOf(input, source, epoch, previousRewards);
          if (computed === undefined) continue;
          known = { epoch, computed };
          return computed;
        } catch (error) {
          if (!isBundleUnavailable(error)) throw error;
        }
      }
      return undefined;
    },
  };
}
