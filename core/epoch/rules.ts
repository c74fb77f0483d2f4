import { type Hex, keccak256, toHex, utf8 } from "../encoding/bytes.ts";

/** The rules this software computes by. The ledger says which rules an epoch is under; others are refused. */
export const RULES_HASH: Hex = toHex(keccak256(utf8("link-rewards/rules/2")));
