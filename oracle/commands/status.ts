import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { endOf, epochAt, sealTimeOf } from "@link-rewards/core/law/clock";
import { chainCommand, jsonOption, withChain } from "./options.ts";
import { print, tokens, utc } from "./print.ts";

export function statusCommand() {
  return chainCommand("status")
    .summary("where the epochs stand on chain")
    .description(
      "Reads the chain alone: the running epoch, the last final one, what is pending, and what is due next.",
    )
    .addOption(jsonOption())
    .action((options) =>
      withChain(options, async (chain) => {
        const { ledger, distributor, token, registry } = chain.suite;
        const [head, lastFinal, proposal, accounts, undistributed] = await Promise.all([
          chain.head(),
          ledger.lastFinal(),
          ledger.proposal(),
          registry.accounts(),
          token.balanceOf(await distributor.getAddress()),
        ]);
        const current = epochAt(chain.deployment, head.timestamp);
        const next = Number(proposal.epoch);
        const status = {
          block: head.number,
          time: head.timestamp,
          currentEpoch: current,
          currentEpochEndsAt: endOf(chain.deployment, current),
          accounts: Number(accounts),
          lastFinal: {
            epoch: Number(lastFinal.epoch),
            root: lastFinal.root,
            total: lastFinal.total,
          },
          claimable: undistributed,
          next: {
            epoch: next,
            attempt: Number(proposal.attempt),
            sealTime: sealTimeOf(chain.deployment, next),
            pending: proposal.digest === ZERO_HASH ? null : proposal.digest,
            finalizableAt: Number(proposal.finalizableAt),
          },
        };
        print(options.json, status, () =>
          [
            `block        ${status.block} at ${utc(status.time)}`,
            `running      epoch ${current}, ends ${utc(status.currentEpochEndsAt)}`,
            `last final   epoch ${status.lastFinal.epoch}, ${tokens(status.lastFinal.total)} LTK released in all, ${tokens(undistributed)} LTK not claimed`,
            `next         epoch ${next}, attempt ${status.next.attempt}, sealed at ${utc(status.next.sealTime)}`,
            status.next.pending === null
              ? "pending      nothing"
              : `pending      ${status.next.pending}, final from ${utc(status.next.finalizableAt)} on`,
          ].join("\n"),
        );
      }),
    );
}
