import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { epochAt } from "@link-rewards/core/law/clock";
import type { Oracle } from "../member/oracle.ts";
import { jsonOption, memberCommand } from "./options.ts";
import { print } from "./print.ts";

export function forgoCommand() {
  return memberCommand("forgo")
    .summary("sign nothing of the epochs that are open: run it after restoring a backup")
    .description(
      "A restored database may have forgotten what this member acknowledged and what it signed. A report without an acknowledged receipt costs the bond, and so does a second report of one epoch and attempt. This records that nothing is signed of any epoch up to the one that is running; this member signs again from the next one on, and until then proposes with the others' signatures.",
    )
    .option(
      "--attempt",
      "only in the attempt that is open: when no acknowledgement can be lost, as when serve had not run since the backup",
      false,
    )
    .addOption(jsonOption())
    .action(async (options) => {
      const { withOracle } = await import("../member/open.ts");
      const forgo = options.attempt ? forgoAttempt : forgoEpochs;
      const { text, ...forgone } = await withOracle(
        { ...options, mayBeCopy: true },
        async (oracle) => {
          const said = await forgo(oracle);
          await oracle.store.settleCopy();
          return said;
        },
      );
      print(options.json, forgone, () => text);
    });
}

/** What is printed as JSON, and in words. */
type Forgone = { readonly text: string; readonly [name: string]: unknown };

async function forgoEpochs({ chain, store }: Oracle): Promise<Forgone> {
  const head = await chain.head();
  // By the later clock, of two that are close to each other: what was acknowledged by either may be lost.
  const now = Math.max(head.timestamp, Math.floor(Date.now() / 1000));
  const throughEpoch = epochAt(chain.deployment, now);
  await store.forgoThrough(throughEpoch);
  const text = `nothing more will be signed of epoch ${throughEpoch} and those before it`;
  return { throughEpoch, text };
}

async function forgoAttempt({ chain, store }: Oracle): Promise<Forgone> {
  // Of a node that is late the attempt would be an old one.
  await chain.head();
  const proposal = await chain.suite.ledger.proposal();
  const [epoch, attempt] = [Number(proposal.epoch), Number(proposal.attempt)];
  const forgone = (await store.recordReport(epoch, attempt, ZERO_HASH)) !== "other";
  const text = forgone
    ? `nothing will be signed for epoch ${epoch} attempt ${attempt}`
    : `a report of epoch ${epoch} attempt ${attempt} is on record as signed: only that one can be signed again`;
  return { epoch, attempt, forgone, text };
}
