import { refuse } from "@link-rewards/core/encoding/refusal";
import { MAX_BATCH_RECEIPTS } from "@link-rewards/core/signed/submission";
import { refusalError } from "./refusals.ts";

/** An item of a batch has 9 values in 2 objects. A megabyte of `[]` would be 349,000, and 90 ms of the only thread. */
const MAX_VALUES = 16 * MAX_BATCH_RECEIPTS;
/** A batch is 4 deep. */
const MAX_DEPTH = 8;
/** Of one run of digits and letters outside strings. A wide integer is a string; a number has at most 53 bits. */
const MAX_NUMBER_CHARACTERS = 32;

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Plain `JSON.parse`: core copies the fields it knows and no others. What is dear to parse is refused before. */
export function parseJson(bytes: Buffer): unknown {
  const dear = whatIsDear(bytes);
  if (dear !== undefined) throw refusalError(400, refuse("malformed", dear));
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw refusalError(400, refuse("malformed", "the body is not JSON"));
  }
}

/** One look at each byte, and no object made: what makes parsing dear is how many values there are, not how long they are. */
function whatIsDear(bytes: Uint8Array): string | undefined {
  let depth = 0;
  let values = 1;
  let tokenFrom = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === QUOTE) {
      i = endOfString(bytes, i);
      tokenFrom = i + 1;
      continue;
    }
    if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      values++;
      if (++depth > MAX_DEPTH) return `the body is more than ${MAX_DEPTH} lists and objects deep`;
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    else if (byte === COMMA) values++;
    else if (byte > 0x20 && byte !== COLON) {
      if (i - tokenFrom < MAX_NUMBER_CHARACTERS) continue;
      return `a number in the body has more than ${MAX_NUMBER_CHARACTERS} characters`;
    }
    if (values > MAX_VALUES) return `the body has more than ${MAX_VALUES} values`;
    tokenFrom = i + 1;
  }
  return undefined;
}

function endOfString(bytes: Uint8Array, from: number): number {
  let i = from + 1;
  while (i < bytes.length && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
  return i;
}
