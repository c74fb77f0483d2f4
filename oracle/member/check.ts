import { statfs } from "node:fs/promises";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import type { Block } from "@link-rewards/core/law/block";
import { epochAt } from "@link-rewards/core/law/clock";
import { commonVersion, MEMBER_VERSIONS } from "@link-rewards/core/signed/member-request";
import {
  type HeadBounds,
  type Implausible,
  isImplausible,
} from "@link-rewards/host/chain/plausible";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { keccak256 } from "ethers";
import { clockSeconds, MAX_SKEW_SECONDS, withPeersClocks } from "./clocks.ts";
import type { Oracle } from "./oracle.ts";
import { isMemberSoon } from "./recognition.ts";

export type Finding = { readonly name: string; readonly ok: boolean; readonly message: string };

/** `isTold`: false when the chain's word is not to be believed, and with it what else was found by it. */
export type Checked = { readonly findings: readonly Finding[]; readonly isTold: boolean };

/** A hundred vouchers cost about five million gas, a proposal and its finalization less than half a million. */
const LEAST_GAS = 10_000_000n;
const LEAST_FREE_BYTES = 1024 ** 3;

/** What must be right for this oracle to do its work. Connecting has checked the chain id and the contracts' links. */
export async function checkOracle(
  oracle: Oracle,
  { data, deployment }: { readonly data: string; readonly deployment: string },
): Promise<Checked> {
  const { chain, store, follower } = oracle;
  let head: Block;
  try {
    await follower.refresh();
    head = await chain.head();
  } catch (error) {
    if (!isImplausible(error)) throw error;
    return { findings: await inDoubt(oracle, { data, deployment }, error), isTold: false };
  }
  const findings = [
    finding(
      "rpc",
      true,
      `block ${head.number} of chain ${chain.deployment.chainId}, contracts linked to each other`,
    ),
    await contracts(oracle, deployment),
    await rules(oracle, head.timestamp),
    await member(oracle),
    await gas(oracle),
    clock(head.timestamp, chain.bounds),
    await storage(data),
    ...(await peers(oracle, head.timestamp)),
    finding("history", true, `events read up to block ${(await store.cursor())?.number}`),
  ];
  return { findings, isTold: true };
}

/** What can be told without the chain's word on what holds now. */
async function inDoubt(
  oracle: Oracle,
  { data, deployment }: { readonly data: string; readonly deployment: string },
  error: Implausible,
): Promise<readonly Finding[]> {
  const { reason } = error.implausible;
  const name = reason === "head-old" || reason === "head-ahead" ? "clock" : "rpc";
  return [
    finding(name, false, (await withPeersClocks(oracle.peers, error)).message),
    await contracts(oracle, deployment),
    await storage(data),
    ...(await peers(oracle, error.head.timestamp)),
  ];
}

function peers(oracle: Oracle, headTimestamp: number): Promise<readonly Finding[]> {
  return Promise.all(oracle.peers.urls.map((url) => peer(oracle, url, headTimestamp)));
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
      `is an active member in slot ${slot}${leaves}; ${threshold} of ${seats} must sign, and ${fees} wei of fees wait for withdraw-fees`,
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

/** A block is never newer than the clock by which it is looked at, but by what clocks are apart. */
function clock(headTimestamp: number, { maxAgeSeconds }: HeadBounds): Finding {
  const age = clockSeconds() - headTimestamp;
  if (-age > MAX_SKEW_SECONDS) {
    return finding(
      "clock",
      false,
      `this machine's clock is ${-age} seconds behind the chain: set it by NTP`,
    );
  }
  return finding(
    "clock",
    true,
    `the newest block is ${Math.max(0, age)} seconds old, up to ${maxAgeSeconds} are taken`,
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
    const ahead = now - clockSeconds();
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
