import { createHash } from "node:crypto";
import type { CheckInput, PublishedBundle } from "./core/divergence.ts";
import type { Deployment } from "./core/epoch.ts";
import type { Sha256 } from "./core/manifest.ts";
import { CONTRIBUTION_BYTES } from "./core/records.ts";
import { domainSeparator } from "./core/typed.ts";
import { loadRecover, recoverSigners } from "./edge/recover.ts";

export const sha256: Sha256 = (bytes) => createHash("sha256").update(bytes).digest();

export type VerificationListener = {
  readonly onProgress?: (done: number, total: number) => void;
  /** Told why, where only the slow signature check runs. */
  readonly onSlow?: ((reason: string) => void) | undefined;
};

/** What takes the time in checking a bundle, done by what this machine is fastest with. */
export async function verification(
  { chainId, contracts }: Deployment,
  { files }: PublishedBundle,
  { onProgress, onSlow }: VerificationListener = {},
): Promise<Required<Pick<CheckInput, "signers" | "sha256">>> {
  const { reason } = loadRecover();
  if (reason !== undefined) onSlow?.(reason);
  const signers = await recoverSigners(
    domainSeparator(chainId, contracts.deviceRegistry),
    files.get("contributions.bin") ?? new Uint8Array(),
    CONTRIBUTION_BYTES,
    onProgress,
  );
  return { signers, sha256 };
}
