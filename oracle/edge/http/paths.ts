import { type Address, isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { refuse } from "@link-rewards/core/encoding/refusal";
import { refusalError } from "./refusals.ts";

export const DECIMAL = /^(0|[1-9][0-9]{0,9})$/;
export const MAX_EPOCH = 0xffff_ffff;

export function parseEpoch(text: string): number {
  if (DECIMAL.test(text) && Number(text) <= MAX_EPOCH) return Number(text);
  throw refusalError(400, refuse("malformed", `epoch must be a number from 0 to ${MAX_EPOCH}`));
}

export function parseAddress(text: string, where: string): Address {
  if (isHexOf(text, 20)) return lowercaseHex(text);
  throw refusalError(400, refuse("malformed", `${where} must be 0x and 40 hex digits`));
}
