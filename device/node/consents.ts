import { join } from "node:path";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { z } from "zod";
import { openStateFile } from "../state.ts";

const PAGES = z.object({ device: z.string(), nonce: z.int() });

/** As the registry takes them: a nonce further ahead of its block's time is refused. */
const AHEAD_SECONDS = 3600;

/**
 * The nonce of the device's next consent, on its disk before anything is signed with it: seconds since 1970, or one more
 * than in the last one, so that it outranks every consent before it. Throws when the last one is of a time to come: one of
 * the two clocks is wrong, and the registry would refuse what comes after it.
 */
export async function nextNonce(folder: string, device: Address, seconds: number): Promise<number> {
  const path = join(folder, "consents.json");
  const file = await openStateFile(path, {
    initial: () => ({ device, nonce: 0 }),
    parse: (json) => {
      const pages = PAGES.parse(json);
      if (pages.device === device) return { device, nonce: pages.nonce };
      throw new Error(`it is of device ${pages.device}, not of ${device}`);
    },
    toJson: (pages) => pages,
  });
  const { nonce } = file.value;
  if (nonce >= seconds + AHEAD_SECONDS) {
    throw new Error(
      `the last consent was signed in ${utc(nonce)}, now it is ${utc(seconds)}: set the clock; if it is right now, remove ${path}: no chain took that consent`,
    );
  }
  file.value.nonce = Math.max(seconds, nonce + 1);
  await file.save();
  return file.value.nonce;
}

function utc(unixSeconds: number): string {
  return new Date(1_000 * unixSeconds).toISOString();
}
