import { EVIDENCE_ABI, type Evidence, evidenceTuple } from "@link-rewards/core/judge/evidence";
import { AbiCoder } from "ethers";

/** As EpochLedger.convict takes it. */
export function encodeEvidence(evidence: Evidence): string {
  return AbiCoder.defaultAbiCoder().encode([EVIDENCE_ABI], [evidenceTuple(evidence)]);
}
