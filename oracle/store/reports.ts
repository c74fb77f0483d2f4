import type { Hex } from "@link-rewards/core/encoding/bytes";
import type { Engine } from "./engine.ts";
import type { Store } from "./store.ts";

const GET_REPORT = "SELECT digest FROM reports WHERE epoch = ? AND attempt = ?";
const ADD_REPORT = "INSERT INTO reports (epoch, attempt, digest) VALUES (?, ?, ?)";

const FORGO = `
  INSERT INTO forgone (id, epoch) VALUES (1, ?)
  ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch WHERE excluded.epoch > forgone.epoch`;
const IS_FORGONE = "SELECT 1 FROM forgone WHERE epoch >= ?";

export function reportTable({
  query,
  write,
}: Engine): Pick<Store, "recordReport" | "recordedReport" | "forgoThrough"> {
  return {
    recordReport: (epoch, attempt, digest) =>
      write(async (q) => {
        const [row] = await q(GET_REPORT, [epoch, attempt]);
        if (row !== undefined) return row.digest === digest ? "same" : "other";
        if ((await q(IS_FORGONE, [epoch])).length > 0) return "forgone";
        await q(ADD_REPORT, [epoch, attempt, digest]);
        return "recorded";
      }),
    recordedReport: async (epoch, attempt) =>
      (await query(GET_REPORT, [epoch, attempt]))[0]?.digest as Hex | undefined,
    forgoThrough: (epoch) => write(async (q) => void (await q(FORGO, [epoch]))),
  };
}
