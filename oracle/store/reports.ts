import { type Hex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import type { Engine } from "./engine.ts";
import type { Store } from "./store.ts";

const GET_REPORT = "SELECT digest FROM reports WHERE epoch = ? AND attempt = ?";
const ADD_REPORT = "INSERT INTO reports (epoch, attempt, digest) VALUES (?, ?, ?)";

const FORGO = `
  INSERT INTO forgone (id, epoch) VALUES (1, ?)
  ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch WHERE excluded.epoch > forgone.epoch`;
/** Above every epoch there can be. */
const EVERY_EPOCH = 2 ** 32;
/** For a copy, in which what was signed and acknowledged since is missing: it signs nothing until `forgo` was run on it. */
export const MARK_COPY = `INSERT INTO forgone (id, epoch) VALUES (2, ${EVERY_EPOCH}) ON CONFLICT DO NOTHING`;
const UNMARK_COPY = "DELETE FROM forgone WHERE id = 2";
const IS_COPY = "SELECT 1 FROM forgone WHERE id = 2";
const IS_FORGONE = "SELECT 1 FROM forgone WHERE epoch >= ?";

export function reportTable({
  query,
  write,
}: Engine): Pick<
  Store,
  "recordReport" | "recordedReport" | "forgoThrough" | "isCopy" | "settleCopy"
> {
  return {
    recordReport: (epoch, attempt, digest) =>
      write(async (q) => {
        const [row] = await q(GET_REPORT, [epoch, attempt]);
        if (row !== undefined) return row.digest === digest ? "same" : "other";
        // What stands for no report is recorded all the same: it is one more thing that is not signed.
        if (digest !== ZERO_HASH && (await q(IS_FORGONE, [epoch])).length > 0) return "forgone";
        await q(ADD_REPORT, [epoch, attempt, digest]);
        return "recorded";
      }),
    recordedReport: async (epoch, attempt) =>
      (await query(GET_REPORT, [epoch, attempt]))[0]?.digest as Hex | undefined,
    forgoThrough: (epoch) => write(async (q) => void (await q(FORGO, [epoch]))),
    isCopy: async () => (await query(IS_COPY)).length > 0,
    settleCopy: () => write(async (q) => void (await q(UNMARK_COPY))),
  };
}
