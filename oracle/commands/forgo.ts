import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { jsonOption, memberCommand } from "./options.ts";
import { print } from "./print.ts";

export function forgoCommand() {
  return memberCommand("forgo")
    .summary("sign nothing in the attempt that is open: run it after restoring a backup")
    .description(
      "A restored database may have forgotten what this member signed, and a second report of one epoch and attempt costs the bond. This records that the open attempt is not this member's; it signs again in the next one.",
    )
    .addOption(jsonOption())
    .action(async (options) => {
      const { withOracle } = await import("../member/open.ts");
      const forgone = await withOracle(options, async ({ chain, store }) => {
        const { epoch, attempt } = await chain.suite.ledger.proposal();
        const recorded = await store.recordReport(Number(epoch), Number(attempt), ZERO_HASH);
        return { epoch: Number(epoch), attempt: Number(attempt), forgone: recorded !== "other" };
      });
      print(options.json, forgone, () =>
        forgone.forgone
          ? `nothing will be signed for epoch ${forgone.epoch} attempt ${forgone.attempt}`
          : `a report of epoch ${forgone.epoch} attempt ${forgone.attempt} is on record as signed: only that one can be signed again`,
      );
    });
}
