import { renderUnicodeCompact } from "uqr";

/** Four modules of white around it, as the standard asks. */
const BORDER = 4;
/** White on black, whatever the terminal's own colours are: inverted codes are not read by every camera. */
const COLOURS = "\x1b[97;40m";
const RESET = "\x1b[0m";

/** A QR code of half blocks: two rows of modules in a line of text. */
export function drawQr(text: string): string {
  const lines = renderUnicodeCompact(text, { ecc: "L", border: BORDER }).split("\n");
  return lines.map((line) => `${COLOURS}${line}${RESET}\n`).join("");
}
