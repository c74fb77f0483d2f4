/** Control characters, what turns the direction of writing, and whatever else is no character of a line. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * What another machine said, on one line of a terminal or a log: it can neither move the cursor, nor colour, nor look like
 * the next line. For text; JSON escapes it by itself.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "?");
}
