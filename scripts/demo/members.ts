import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { at } from "@link-rewards/core/encoding/at";
import {
  type Address,
  fromHex,
  type Hex,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { sign, toCompact } from "@link-rewards/core/encoding/signature";
import { decodeContributions } from "@link-rewards/core/epoch/records";
import { SIGNED_RECEIPT_BYTES, unpackReceipt } from "@link-rewards/core/signed/receipt";
import type { Report } from "@link-rewards/core/signed/report";
import { keccak256 } from "ethers";
import { openBundles } from "../../oracle/edge/bundles.ts";
import { connectPeers } from "../../oracle/edge/peers.ts";
import { lawfulEpoch, publishLoot, signLoot, stolen } from "./attack.ts";
import type { Cast } from "./cast.ts";
import { enterEpoch, finishEpoch, sealEpoch, serveWhoPaid, type Tell } from "./epochs.ts";
import type { Operator } from "./operator.ts";

/** Several members in the demo: one is killed for good, one lies, and what everybody can see of both. */

/** A member that was shown to have signed what it must not. */
export type Proof = {
  readonly kind: "equivocation";
  readonly member: Address;
  readonly epoch: number;
  readonly attempt: number;
  /** What the other members said to the false report. */
  readonly refusals: readonly { readonly member: Address; readonly reason: string }[];
  readonly transaction: string;
  readonly bondWei: bigint;
};

/** What a member had acknowledged when it was killed, packed back to back. */
export type Lost = { readonly epoch: number; readonly acknowledged: Uint8Array };

const LOST_IN_EPOCH = 2;
const LIED_IN_EPOCH = 3;

const nameOf = (operator: Operator, member: Operator) =>
  `member ${[operator, ...operator.others].indexOf(member) + 1}`;

/** The second member's machine is gone in the middle of an epoch. Who handed in there goes on with the next. */
export async function loseMember(_cast: Cast, operator: Operator, tell: Tell): Promise<Lost> {
  const lost = at(operator.others, 0);
  const acknowledged = await receiptsAt(lost.url, LOST_IN_EPOCH);
  await lost.lose();
  const receipts = acknowledged.length / SIGNED_RECEIPT_BYTES;
  tell(
    `${nameOf(operator, lost)} is killed for good, with ${receipts} receipts that it has acknowledged`,
  );
  tell("its devices and customers hand in at the next that they know");
  return { epoch: LOST_IN_EPOCH, acknowledged };
}

/** The receipts that the final bundle has neither as they are nor newer, of devices that are not revoked. */
export async function countForgotten(
  cast: Cast,
  operator: Operator,
  { epoch, acknowledged }: Lost,
): Promise<number> {
  const rows = decodeContributions(
    await openBundles(operator.bundles).read(epoch, "contributions.bin"),
  );
  const sequences = new Map(
    rows.map(({ receipt }) => [`${receipt.device}${receipt.customer}`, receipt.sequence]),
  );
  let forgotten = 0;
  for (let offset = 0; offset < acknowledged.length; offset += SIGNED_RECEIPT_BYTES) {
    const { device, customer, sequence } = unpackReceipt(acknowledged.subarray(offset));
    if ((await cast.devnet.suite.registry.deviceOf(device)).revokedFrom > 0n) continue;
    const counted = sequences.get(`${device}${customer}`);
    if (counted === undefined || counted < sequence) forgotten++;
  }
  return forgotten;
}

/**
 * The last member signs a false report: it asks the others to sign as well, and when they refuse, proposes it alone. Its
 * own programs, which know nothing of that, sign what is lawful: two reports by one key.
 */
export async function epochWithLiar(cast: Cast, operator: Operator, tell: Tell): Promise<Proof> {
  const { suite, role, keyFile } = cast.devnet;
  await enterEpoch(cast, operator, LIED_IN_EPOCH);
  await serveWhoPaid(cast, tell);
  await sealEpoch(cast, operator, LIED_IN_EPOCH);
  tell("the epoch has ended; what customers owe was collected");

  const liar = at(operator.others, operator.others.length - 1);
  await waitForReplication(operator);
  const loot = stolen(await lawfulEpoch(cast, operator, LIED_IN_EPOCH));
  const lie = await signLoot(cast, loot, liar.wallet);
  const place = join(liar.bundles, String(LIED_IN_EPOCH));
  await publishLoot(loot, place);
  tell(
    `${nameOf(operator, liar)} lies: it publishes that what one device earned is another's, signs it, and asks the others to`,
  );
  const refusals = await refusalsOf(cast, operator, liar, lie.report);
  for (const { name, reason } of refusals) tell(`${name} refuses: ${reason}`);
  await rm(place, { recursive: true });
  const alone = await proposeAlone(cast, liar, lie);
  tell(
    "it proposes it with its own signature alone: the ledger refuses, and everybody can read it",
  );

  await liar.close();
  tell(
    "its programs, which know nothing of that, sign and propose what is lawful, with the others",
  );
  const { epoch, attempt } = lie.report;
  const convicted = await operator.run(
    "equivocation",
    ...[alone, await lawfulProposal(cast)],
    ...["--key-file", await keyFile("bystander", role("bystander")), "--json"],
  );
  if (convicted.code !== 0) throw new Error(`the liar was not convicted: ${convicted.stderr}`);
  const [proven] = JSON.parse(convicted.stdout).equivocations;
  const slashed = await suite.quorum.queryFilter(
    suite.quorum.filters.MemberSlashed(liar.wallet.address),
  );
  tell("a bystander shows the chain both signatures: the liar loses its bond and its seat");
  await finishEpoch(cast, operator, LIED_IN_EPOCH, tell);
  return {
    kind: "equivocation",
    member: lowercaseHex(liar.wallet.address),
    epoch,
    attempt,
    refusals: refusals.map(({ member, reason }) => ({ member, reason })),
    transaction: proven.transaction,
    bondWei: at(slashed, 0).args.bond,
  };
}

async function receiptsAt(url: string, epoch: number): Promise<Uint8Array> {
  return (await fetch(new URL(`/v1/receipts/${epoch}`, url))).bytes();
}

/** Until every member has what one of them took in. */
async function waitForReplication(operator: Operator): Promise<void> {
  const urls = [operator, ...operator.others].flatMap(({ url, isLost }) => (isLost() ? [] : url));
  for (;;) {
    const all = await Promise.all(urls.map((url) => receiptsAt(url, LIED_IN_EPOCH)));
    if (new Set(all.map(contentOf)).size === 1) return;
    await sleep(100);
  }
}

/** Each member has them in an order of its own. */
function contentOf(receipts: Uint8Array): string {
  const rows: Hex[] = [];
  for (let offset = 0; offset < receipts.length; offset += SIGNED_RECEIPT_BYTES)
    rows.push(toHex(receipts.subarray(offset, offset + SIGNED_RECEIPT_BYTES)));
  return rows.sort().join();
}

/** Verifying an epoch of the demo takes a second. */
const ANSWER_MS = 60_000;

/** What the honest members say when the liar asks them to sign. */
async function refusalsOf({ chain }: Cast, operator: Operator, liar: Operator, report: Report) {
  const key = fromHex(lowercaseHex(liar.wallet.privateKey) as Hex);
  const peers = connectPeers({
    urls: [],
    deployment: chain.deployment,
    member: {
      address: lowercaseHex(liar.wallet.address),
      sign: (digest: Uint8Array) => sign(digest, key),
    },
  });
  const refusals: { name: string; member: Address; reason: string }[] = [];
  for (const member of [operator, ...operator.others]) {
    if (member === liar || member.isLost()) continue;
    const answer = await peers.attest(member.url, report, AbortSignal.timeout(ANSWER_MS));
    if (!("declined" in answer)) throw new Error("an honest member signed the false report");
    const { wallet } = member;
    refusals.push({
      name: nameOf(operator, member),
      member: lowercaseHex(wallet.address),
      reason: answer.declined,
    });
  }
  return refusals;
}

/** More than a proposal takes: it is sent although it will fail. */
const PROPOSAL_GAS = 1_000_000n;

/** The hash of the transaction, which was mined and undone. */
async function proposeAlone(
  { devnet }: Cast,
  { wallet }: Operator,
  { report, signature }: { readonly report: Report; readonly signature: Uint8Array },
): Promise<string> {
  const { provider, suite } = devnet;
  const call = await suite.ledger.propose.populateTransaction(report, [toCompact(signature)]);
  const liar = wallet.connect(provider);
  const sent = await liar.populateTransaction({ ...call, gasLimit: PROPOSAL_GAS });
  const raw = await liar.signTransaction(sent);
  // The node says at once that it fails, and has mined it.
  await provider.send("eth_sendRawTransaction", [raw]).catch(() => undefined);
  const hash = keccak256(raw);
  const receipt = await provider.getTransactionReceipt(hash);
  if (receipt?.status !== 0) throw new Error("the false proposal was not undone");
  return hash;
}

async function lawfulProposal({ devnet }: Cast): Promise<string> {
  const { ledger } = devnet.suite;
  const [proposed] = await ledger.queryFilter(ledger.filters.RootProposed(LIED_IN_EPOCH));
  if (proposed === undefined) throw new Error("nothing was proposed");
  return proposed.transactionHash;
}

/** What everybody can see of the members when all is over. */
export async function membersSummary(
  { devnet }: Cast,
  operator: Operator,
  proofs: readonly Proof[],
) {
  const { ledger, quorum } = devnet.suite;
  const proposed = await ledger.queryFilter(ledger.filters.RootProposed());
  const attestations = await Promise.all(
    proposed.map(async ({ args }) => ({
      epoch: Number(args.epoch),
      attempt: Number(args.attempt),
      signers: await keysIn(args.signers),
    })),
  );
  async function keysIn(slots: bigint): Promise<readonly Address[]> {
    const keys: Address[] = [];
    for (let slot = 0; slots >> BigInt(slot) > 0n; slot++)
      if ((slots >> BigInt(slot)) & 1n) keys.push(lowercaseHex(await quorum.memberAt(slot)));
    return keys;
  }
  const oracles = [operator, ...operator.others].map(({ wallet, url, isLost }) => {
    const member: Address = lowercaseHex(wallet.address);
    const isSlashed = proofs.some((proof) => proof.member === member);
    return { member, url, fate: isLost() ? "lost" : isSlashed ? "slashed" : "served" };
  });
  return { oracles, attestations, proofs };
}
