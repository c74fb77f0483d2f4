import { cutRange } from "@link-rewards/client/bundle";
import { fetchPaced } from "@link-rewards/client/node/paced";
import type { RangeReader } from "@link-rewards/core/judge/proof";

/** Of a server that knows no ranges and sends whole files: the invoices of 800,000 contributions. */
const MOST_FILE_BYTES = 64 * 1024 * 1024;
const ANSWER_MS = 10_000;
const PARTIAL = 206;

/** Ranges of an epoch's published files. No server fills a device's memory, or keeps it waiting for long. */
export function webRanges(bundlesUrl: string, epoch: number): RangeReader {
  const base = bundlesUrl.endsWith("/") ? bundlesUrl : `${bundlesUrl}/`;
  return async (file, from, length) => {
    const url = new URL(`${epoch}/${file}`, base);
    const { status, ok, bytes } = await fetchPaced(
      url,
      { headers: { range: `bytes=${from}-${from + length - 1}` } },
      {
        answerMs: ANSWER_MS,
        maxBytes: (answered) => (answered === PARTIAL ? length : MOST_FILE_BYTES),
      },
    );
    if (!ok) throw new Error(`${url}: HTTP ${status}`);
    if (bytes === undefined) throw new Error(`${url} sends more than was asked for`);
    return cutRange({ status, bytes }, from, length);
  };
}
