import { statfs } from "node:fs/promises";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { epochAt } from "@link-rewards/core/law/clock";
import { commonVersion, MEMBER_VERSIONS } from "@link-rewards/core/signed/member-request";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { keccak256 } from "ethers";
import type { Oracle } from "./oracle.ts";
import { isMemberSoon } from "./recognition.ts";

export type Finding = { readonly name: string; readonly ok: boolean; readonly message: string };

/** A clock that is off by more keeps epochs open too long, or closes them too early. */
const MAX_SKEW_SECONDS = 30;
/** A hundred vouchers cost about five million gas, a proposal and its finalization less than half a million. */
const LEAST_GAS = 10_000_000n;
const LEAST_FREE_BYTES = 1024 ** 3;

/** What must be right for this oracle to do its work. Connecting has checked the chain id and the contracts' links. */
export async function checkOracle(
  oracle: Oracle,
  { data, deployment }: { readonly data: string; readonly deployment: string },
): Promise<readonly Finding[]> {
  const { chain, store, follower } = oracle;
  const head = await chain.head();
  await follower.refresh();
  return [
    finding(
      "rpc",
      true,
      `block ${head.number} of chain ${chain.deployment.chainId}, contracts linked to each other`,
    ),
    await contracts(oracle, deployment),
    await rules(oracle, head.timestamp),
    await member(oracle),
    await gas(oracle),
    clock(head.timestamp),
    await storage(data),
    ...(await Promise.all(oracle.peers.urls.map((url) => peer(oracle, url, head.timestamp)))),
    finding("history", true, `events read up to block ${(await store.cursor())?.number}`),
  ];
}

function finding(name: string, ok: boolean, message: string): Finding {
  return { name, ok, message };
}

async function contracts({ chain }: Oracle, path: string): Promise<Finding> {
  const file = (await readDeploymentFile(path)).contracts as Record<
    string,
    { address: string; bytecodeHash?: string }
  >;
  for (const [name, { address, bytecodeHash }] of Object.entries(file)) {
    if (keccak256(await chain.provider.getCode(address)) !== bytecodeHash) {
      return finding("contracts", false, `${name} at ${address} has other code than ${path} says`);
    }
  }
  return finding(
    "contracts",
    true,
    `the code of all ${Object.keys(file).length} is what ${path} says`,
  );
}

async function rules({ chain }: Oracle, now: number): Promise<Finding> {
  const epoch = Math.max(1, epochAt(chain.deployment, now));
  const current = await chain.suite.ledger.rulesAt(epoch);
  return current === RULES_HASH
    ? finding("rules", true, `epoch ${epoch} is under the rules of this software`)
    : finding(
        "rules",
        false,
        `epoch ${epoch} is under rules ${current}, this software has ${RULES_HASH}: install the release for them`,
      );
}

async function member({ chain, member: { address } }: Oracle): Promise<Finding> {
  const { quorum } = chain.suite;
  const { known, slot, bond, fromEpoch, untilEpoch } = await quorum.memberOf(address);
  const is = (ok: boolean, message: string) => finding("member", ok, `${address} ${message}`);
  if (!known) return is(false, "is not a member: governance adds it with addMember");
  if (await quorum.isActive(address)) {
    const [threshold, seats, fees] = await Promise.all([
      quorum.threshold(),
      quorum.seats(),
      quorum.feesOf(slot),
    ]);
    const leaves = untilEpoch === 0n ? "" : ` until epoch ${untilEpoch}`;
    return is(
      true,
      `is an active member in slot ${slot}${leaves}; ${threshold} of ${seats} must sign, and ${fees} wei of fees wait for withdrawFees`,
    );
  }
  const current = await quorum.currentEpoch();
  if (untilEpoch !== 0n && untilEpoch <= current)
    return is(false, `left the quorum in epoch ${untilEpoch}`);
  const newest = lowercaseHex(await quorum.memberAt(slot));
  if (newest !== address) return is(false, `was replaced as the key of slot ${slot} by ${newest}`);
  const minimum = await quorum.minimumBond();
  return bond < minimum
    ? is(false, `has a bond of ${bond} wei of ${minimum}: pay it with depositBond`)
    : is(true, `is a member from epoch ${fromEpoch > current ? fromEpoch : current + 1n} on`);
}

async function gas({ chain, member: { address } }: Oracle): Promise<Finding> {
  const { maxFeePerGas } = await chain.provider.getFeeData();
  const balance = await chain.provider.getBalance(address);
  const least = LEAST_GAS * (maxFeePerGas ?? 0n);
  return finding(
    "gas",
    balance >= least,
    `${address} holds ${balance} wei, an epoch takes up to ${least} now`,
  );
}

function clock(headTimestamp: number): Finding {
  const ahead = headTimestamp - Math.floor(Date.now() / 1000);
  return ahead <= MAX_SKEW_SECONDS
    ? finding("clock", true, `the head block is ${Math.max(0, -ahead)} seconds old`)
    : finding(
        "clock",
        false,
        `this machine's clock is ${ahead} seconds behind the chain: set it by NTP`,
      );
}

/** Reachable, of this deployment, in a version that is spoken here, by a clock like ours, and a member with a seat. */
async function peer(
  { chain, peers, follower }: Oracle,
  url: string,
  headTimestamp: number,
): Promise<Finding> {
  const is = (ok: boolean, message: string) => finding("peer", ok, `${url} ${message}`);
  try {
    const { member, versions, now } = await peers.introduce(url);
    const version = commonVersion(MEMBER_VERSIONS, versions);
    if (version === undefined) {
      return is(
        false,
        `speaks versions ${versions.oldest} to ${versions.newest} of the members' protocol, this program ${MEMBER_VERSIONS.oldest} to ${MEMBER_VERSIONS.newest}: update the older of the two`,
      );
    }
    const ahead = now - Math.floor(Date.now() / 1000);
    if (Math.abs(ahead) > MAX_SKEW_SECONDS)
      return is(false, `has a clock ${ahead} seconds ahead of this one: set both by NTP`);
    if (!isMemberSoon(follower.law(), member, epochAt(chain.deployment, headTimestamp)))
      return is(false, `is ${member}, no member in this epoch or the next`);
    const { slot } = await chain.suite.quorum.memberOf(member);
    return is(true, `is member ${member} in slot ${slot}, version ${version}, ${ahead} s ahead`);
  } catch (error) {
    return is(false, `does not answer as a member: ${(error as Error).message}`);
  }
}

async function storage(data: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(data);
  const free = bavail * bsize;
  return finding(
    "storage",
    free >= LEAST_FREE_BYTES,
    `${data} has ${Math.floor(free / 1024 ** 2)} MiB free`,
  );
}
