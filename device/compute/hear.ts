import { z } from "zod";
import { FAILURES, type Failure, type JobLimits, type Outcome } from "./job.ts";

/** What it says beside the output is a few short lines. */
const MOST_LINE_BYTES = 4_096;
const MOST_REASON_LENGTH = 200;
const SAID_AMISS = "its process said what it should not";

const SAID = z.discriminatedUnion("said", [
  z.strictObject({ said: z.literal("begins") }),
  z.strictObject({ said: z.literal("refused"), reason: z.string() }),
  z.strictObject({ said: z.literal("failed"), failure: z.enum(FAILURES), reason: z.string() }),
  z.strictObject({ said: z.literal("answered"), outputBytes: z.int().min(0) }),
]);
type Heard = z.infer<typeof SAID>;

/** Takes what it says apart, and believes none of it: the outcome, as soon as there is one. */
export function hearer({ outputBytes }: JobLimits, onBegins: () => void) {
  let rest = Buffer.alloc(0);
  let begun = false;
  let expected: number | undefined;
  const output: Buffer[] = [];
  let received = 0;

  function take(piece: Buffer, most: number): Outcome | undefined {
    output.push(piece);
    received += piece.length;
    if (received < most) return undefined;
    if (received > most) return failed("crash", "it said more after its output");
    return { outcome: "answered", output: Buffer.concat(output) };
  }

  return (piece: Buffer): Outcome | undefined => {
    if (expected !== undefined) return take(piece, expected);
    rest = Buffer.concat([rest, piece]);
    for (let at = rest.indexOf(0x0a); at >= 0; at = rest.indexOf(0x0a)) {
      const heard = at > MOST_LINE_BYTES ? undefined : parseLine(rest.subarray(0, at));
      rest = rest.subarray(at + 1);
      // Who begins twice would have the time twice.
      if (heard === undefined || begun === (heard.said === "begins"))
        return failed("crash", SAID_AMISS);
      if (heard.said === "refused") return { outcome: "refused", reason: readable(heard.reason) };
      if (heard.said === "failed") return failed(heard.failure, heard.reason);
      if (heard.said === "answered") {
        expected = heard.outputBytes;
        if (expected > outputBytes) return failed("output", `more than ${outputBytes} bytes`);
        return take(rest, expected);
      }
      begun = true;
      onBegins();
    }
    return rest.length > MOST_LINE_BYTES ? failed("crash", SAID_AMISS) : undefined;
  };
}

function parseLine(line: Buffer): Heard | undefined {
  try {
    return SAID.parse(JSON.parse(line.toString()));
  } catch {
    return undefined;
  }
}

export function failed(failure: Failure, reason: string): Outcome {
  return { outcome: "failed", failure, reason: readable(reason) };
}

/** It may end in a log: what a customer's module is called by, there, must not look like another line of it. */
function readable(reason: string): string {
  return reason.slice(0, MOST_REASON_LENGTH).replace(/[^\x20-\x7e]/g, "?");
}
