import type { PublicKeys } from "@link-rewards/core/encoding/p256";
import { CONTRIBUTION_BYTES } from "@link-rewards/core/epoch/records";
import {
  type CheckInput,
  type CheckOutcome,
  checkBundle,
  type Divergence,
} from "@link-rewards/core/judge/divergence";
import type { LawEvent } from "@link-rewards/core/law/events";
import { replay } from "@link-rewards/core/law/replay";
import { recoverSigners } from "@link-rewards/core/signed/signers";

/** Off the page's thread: the very code that the oracle's own audit runs. */
export type VerifyRequest =
  /** Nearly all the work, in pieces for as many workers as there are cores. */
  | {
      readonly task: "signers";
      readonly domain: Uint8Array;
      readonly records: Uint8Array;
      readonly publicKeys: PublicKeys;
    }
  | {
      readonly task: "check";
      readonly input: Omit<CheckInput, "law" | "curves" | "onProgress">;
      readonly events: readonly LawEvent[];
    };

export type VerifyAnswer =
  | { readonly signers: Uint8Array }
  | { readonly agrees: true; readonly contributions: number }
  | { readonly agrees: false; readonly divergence: Divergence }
  | { readonly failed: string };

self.onmessage = ({ data }: MessageEvent<VerifyRequest>) => {
  try {
    self.postMessage(answerTo(data));
  } catch (error) {
    self.postMessage({ failed: (error as Error).message } satisfies VerifyAnswer);
  }
};

function answerTo(request: VerifyRequest): VerifyAnswer {
  if (request.task === "signers") {
    return { signers: recoverSigners({ ...request, recordBytes: CONTRIBUTION_BYTES }) };
  }
  return verdictOf(checkBundle({ ...request.input, law: replay(request.events) }));
}

function verdictOf(outcome: CheckOutcome): VerifyAnswer {
  if (!outcome.agrees) return { agrees: false, divergence: outcome.divergence };
  return { agrees: true, contributions: outcome.computed.manifest.contributions };
}
