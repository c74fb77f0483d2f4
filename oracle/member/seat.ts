import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { revertReason } from "@link-rewards/host/chain/errors";
import type { Call, Sender } from "@link-rewards/host/transactions";
import { formatEther } from "ethers";
import type { Intervention } from "./intervene.ts";
import type { Oracle } from "./oracle.ts";

/** What a member sends about its own seat, beside what `close` and `serve` send. */
export type SeatAction = {
  /** In the journal; one at a time. */
  readonly purpose: string;
  /** What it does, as the end of "would" or of "done:". */
  readonly does: string;
  /** Tries it on the newest block, as the one that sends it. */
  readonly attempt: () => Promise<unknown>;
  readonly call: () => Promise<Call>;
};

export type SeatOutcome = Intervention & { readonly transaction?: Hex };

/** Without a sender it is tried and not sent. What the contract would refuse is not sent. */
export async function act(
  { purpose, does, attempt, call }: SeatAction,
  sender: Sender | undefined,
): Promise<SeatOutcome> {
  try {
    await attempt();
  } catch (error) {
    const refusal = revertReason(error);
    if (refusal === undefined) throw error;
    return { done: false, message: `the contract would refuse to ${does}: ${refusal}` };
  }
  if (sender === undefined) return { done: true, message: `would ${does}; --execute sends it` };
  const { hash, outcome } = await sender.send(purpose, await call());
  return outcome === "mined"
    ? { done: true, message: `done: ${does} (${hash})`, transaction: hash }
    : { done: false, message: `undone by the chain: ${does} (${hash})`, transaction: hash };
}

/** Hands the seat to another key of this member. */
export async function rotation(oracle: Oracle, successor: Address): Promise<SeatAction> {
  const { quorum } = oracle.chain.suite;
  const from = oracle.member.address;
  return {
    purpose: `rotate/${from}`,
    does: `hand the seat of ${from} to ${successor} from epoch ${await nextEpoch(oracle)} on; until then ${from} signs`,
    attempt: () => quorum.rotate.staticCall(successor, { from }),
    call: () => quorum.rotate.populateTransaction(successor),
  };
}

export async function leaving(oracle: Oracle): Promise<SeatAction> {
  const { quorum } = oracle.chain.suite;
  const from = oracle.member.address;
  return {
    purpose: `exit/${from}`,
    does: `leave the quorum for good from epoch ${await nextEpoch(oracle)} on`,
    attempt: () => quorum.exit.staticCall({ from }),
    call: () => quorum.exit.populateTransaction(),
  };
}

export async function feeWithdrawal(oracle: Oracle): Promise<SeatAction> {
  const { quorum } = oracle.chain.suite;
  const { slot, key } = await seatOf(oracle);
  const from = oracle.member.address;
  return {
    purpose: `withdraw-fees/${slot}`,
    does: `pay ${key} the ${formatEther(await quorum.feesOf(slot))} LTK of fees in slot ${slot}`,
    attempt: () => quorum.withdrawFees.staticCall(slot, { from }),
    call: () => quorum.withdrawFees.populateTransaction(slot),
  };
}

export async function bondWithdrawal(oracle: Oracle): Promise<SeatAction> {
  const { quorum } = oracle.chain.suite;
  const { slot, key, bond } = await seatOf(oracle);
  const from = oracle.member.address;
  return {
    purpose: `withdraw-bond/${slot}`,
    does: `pay ${key} the bond of ${formatEther(bond)} LTK in slot ${slot}`,
    attempt: () => quorum.withdrawBond.staticCall(slot, { from }),
    call: () => quorum.withdrawBond.populateTransaction(slot),
  };
}

export async function abandonment(oracle: Oracle, epoch: number): Promise<SeatAction> {
  const { ledger } = oracle.chain.suite;
  const { attempt } = await ledger.proposal();
  const from = oracle.member.address;
  return {
    purpose: `abandon/${epoch}/${attempt}`,
    does: `end attempt ${attempt} of epoch ${epoch}`,
    attempt: () => ledger.abandon.staticCall(epoch, { from }),
    call: () => ledger.abandon.populateTransaction(epoch),
  };
}

async function nextEpoch({ chain }: Oracle): Promise<bigint> {
  return (await chain.suite.quorum.currentEpoch()) + 1n;
}

async function seatOf({ chain: { suite }, member }: Oracle) {
  const { known, slot, bond } = await suite.quorum.memberOf(member.address);
  if (!known) throw new Error(`${member.address} is not and never was a member's key`);
  return { slot, bond, key: lowercaseHex(await suite.quorum.memberAt(slot)) };
}
