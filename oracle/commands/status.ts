import { type Address, lowercaseHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { endOf, epochAt, sealTimeOf } from "@link-rewards/core/law/clock";
import type { Suite } from "@link-rewards/host/chain/suite";
import { ZeroAddress } from "ethers";
import { WAITING } from "../edge/demands.ts";
import { chainCommand, jsonOption, withChain } from "./options.ts";
import { checksummed, print, tokens, utc } from "./print.ts";

export function statusCommand() {
  return chainCommand("status")
    .summary("where the epochs stand on chain")
    .description(
      "Reads the chain alone: the running epoch, the last final one, what is pending, what is due next, and the members with the fees that wait for them.",
    )
    .addOption(jsonOption())
    .action((options) =>
      withChain(options, async (chain) => {
        const { ledger, distributor, token, registry, quorum } = chain.suite;
        const [head, lastFinal, proposal, accounts, undistributed, closedAt, threshold, members] =
          await Promise.all([
            chain.head(),
            ledger.lastFinal(),
            ledger.proposal(),
            registry.accounts(),
            token.balanceOf(await distributor.getAddress()),
            ledger.closedAt(),
            quorum.threshold(),
            membersOf(quorum),
          ]);
        const current = epochAt(chain.deployment, head.timestamp);
        const next = Number(proposal.epoch);
        const finalizableAt = Number(proposal.finalizableAt);
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
            /** 0 when nothing is pending, null while a demand waits for its answer. */
            finalizableAt: finalizableAt === WAITING ? null : finalizableAt,
          },
          closedAt: closedAt === 0n ? null : Number(closedAt),
          threshold: Number(threshold),
          members,
        };
        print(options.json, status, () =>
          [
            `block        ${status.block} at ${utc(status.time)}`,
            `running      epoch ${current}, ends ${utc(status.currentEpochEndsAt)}`,
            `last final   epoch ${status.lastFinal.epoch}, ${tokens(status.lastFinal.total)} LTK released in all, ${tokens(undistributed)} LTK not claimed`,
            status.closedAt === null
              ? `next         epoch ${next}, attempt ${status.next.attempt}, sealed at ${utc(status.next.sealTime)}`
              : `closed       at ${utc(status.closedAt)}: nothing is proposed any more`,
            status.next.pending === null
              ? "pending      nothing"
              : `pending      ${status.next.pending}, ${whenFinal(status.next.finalizableAt)}`,
            `threshold    ${threshold} of the active members must sign`,
            ...members.map(
              ({ slot, key, isActive, untilEpoch, fees }) =>
                `member ${String(slot).padEnd(5)} ${checksummed(key)} ${isActive ? "active" : "not active"}${untilEpoch === null ? "" : `, leaves with epoch ${untilEpoch}`}, ${tokens(fees)} LTK of fees wait`,
            ),
          ].join("\n"),
        );
      }),
    );
}

function whenFinal(finalizableAt: number | null): string {
  return finalizableAt === null
    ? "not final before all that was demanded is shown"
    : `final from ${utc(finalizableAt)} on`;
}

type MemberStatus = {
  readonly slot: number;
  readonly key: Address;
  readonly isActive: boolean;
  readonly fromEpoch: number;
  /** Null while it has not left. */
  readonly untilEpoch: number | null;
  readonly bond: bigint;
  readonly fees: bigint;
};

/** Everybody who has or had a slot, by the newest key. */
async function membersOf(quorum: Suite["quorum"]): Promise<readonly MemberStatus[]> {
  const members: MemberStatus[] = [];
  for (let slot = 0; ; slot++) {
    const key = lowercaseHex(await quorum.memberAt(slot));
    if (key === ZeroAddress) return members;
    const [{ bond, fromEpoch, untilEpoch }, isActive, fees] = await Promise.all([
      quorum.memberOf(key),
      quorum.isActive(key),
      quorum.feesOf(slot),
    ]);
    members.push({
      slot,
      key,
      isActive,
      fromEpoch: Number(fromEpoch),
      untilEpoch: untilEpoch === 0n ? null : Number(untilEpoch),
      bond,
      fees,
    });
  }
}
