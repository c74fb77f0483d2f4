import type { Curves } from "@link-rewards/core/signed/signers";
import { nativeVerifyP256 } from "./p256.ts";
import { loadSecp256k1 } from "./secp256k1.ts";

/** What this machine checks the signatures of receipts with. */
export function loadCurves(): Curves {
  return { recover: loadSecp256k1().recover, verifyP256: nativeVerifyP256 };
}
