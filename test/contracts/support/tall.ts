import { type Hex, lowercaseHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { packFields } from "@link-rewards/core/encoding/fields";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { INVOICE_FIELDS, REWARD_FIELDS } from "@link-rewards/core/epoch/records";
import type { Evidence, JudgedTable, Opening, ProofName } from "@link-rewards/core/judge/evidence";
import { id, keccak256, toBeHex } from "ethers";
import { accountOf, goTo, sealTimeOf, type World } from "../../worlds/contracts.ts";
import { finalize, propose, type Report } from "./epochs.ts";
import { deviceAt, type Market, pay, serve, signService } from "./served.ts";
import { isP256 } from "./signing.ts";
import { type Sparse, sparseTree } from "./sparse.ts";
import { LAST_ADDRESS, packContribution } from "./tables.ts";

/*
 * An epoch of a million accounts and contributions, of which a few are there: each of them is wrong in the last thing that
 * a proof looks at. What proofs and answers cost in it they cost in a whole one.
 */

export const DEPTH = 20;

export type TallEpoch = Market & {
  readonly report: Report;
  readonly trees: { readonly [table in JudgedTable]: Sparse };
};

/** Contributions of accounts 3 and 4, around the boundary of account 4. */
const BOUNDARY = 7;
/** Contributions that name another account than their device's. */
const OF_SECP256K1 = 8;
const OF_P256 = 9;
/** One that its device, whose key is P-256, did not sign. */
const UNSIGNED = 10;
const HOLE = 9;
/** A page of contributions of which all hashes are known. */
export const PAGE = 2;
export const PAGE_HASHES = Array.from({ length: 256 }, (_, i) => id(`contribution ${i}`) as Hex);
const ACCOUNT = 4;

/** Epoch 2 is pending. */
export async function tallEpoch(market: Market): Promise<TallEpoch> {
  await setAccounts(market, 2 ** DEPTH);
  const { buyers, deployment, ledger } = market;
  const [buyer] = buyers;
  await pay(market, buyer, 1, 10_000n);
  const lastRewards = sparseTree(DEPTH, [
    [ACCOUNT - 1, leaf(ACCOUNT - 1, 0n, 0n)],
    [ACCOUNT, leaf(ACCOUNT, 9n, 0n)],
  ]);
  const first: Report = {
    epoch: 1,
    attempt: 0,
    prevRoot: ZERO_HASH,
    root: lastRewards.root,
    contributionRoot: id("contributions"),
    invoiceRoot: id("invoices"),
    contributions: 1,
    total: 9n,
    bundleHash: id("bundle"),
    rulesHash: await ledger.rulesAt(1),
  };
  await propose(market, first);
  await finalize(market, first);
  await pay(market, buyer, 2, 10_000n);
  await goTo(market, sealTimeOf(2));

  const row = (device: number, account: number, subtotal: bigint) => {
    const signed = signService(deployment, serve(deviceAt(device), buyer, 2, [1n, 2n, 3n]));
    return { ...signed, account: lowercaseHex(accountOf(account)), earned: 11n, subtotal };
  };
  const unsigned = { ...row(1, 1, 0n), deviceSignature: row(ACCOUNT, 1, 0n).deviceSignature };
  const contributions = sparseTree(DEPTH, [
    [BOUNDARY - 1, packContribution(row(3, ACCOUNT - 1, 11n))],
    [BOUNDARY, packContribution(row(ACCOUNT, ACCOUNT, 0n))],
    [OF_SECP256K1, packContribution(row(3, 0, 0n))],
    [OF_P256, packContribution(row(ACCOUNT, 0, 0n))],
    [UNSIGNED, packContribution(unsigned)],
    ...PAGE_HASHES.map((hash, i) => [256 * PAGE + i, hash] as const),
  ]);
  const line = (customer: Hex) =>
    packFields(INVOICE_FIELDS, {
      customer,
      device: lowercaseHex(deviceAt(3).address),
      contribution: BOUNDARY - 1,
      value: 14n,
      ceiling: 2n ** 96n - 1n,
      subtotal: 14n,
      above: 7,
    });
  const invoices = sparseTree(DEPTH, [
    [BOUNDARY - 1, line(lowercaseHex(buyer.address))],
    [BOUNDARY, line(LAST_ADDRESS)],
  ]);
  const rewards = sparseTree(DEPTH, [
    [ACCOUNT - 1, leaf(ACCOUNT - 1, 0n, 5n)],
    [ACCOUNT, leaf(ACCOUNT, 9n, 99n)],
    [HOLE, ZERO_HASH],
  ]);
  const report: Report = {
    ...first,
    epoch: 2,
    prevRoot: lastRewards.root,
    root: rewards.root,
    contributionRoot: contributions.root,
    invoiceRoot: invoices.root,
    contributions: 2 ** DEPTH,
    total: 33n,
  };
  await propose(market, report);
  return { ...market, report, trees: { contributions, invoices, rewards, lastRewards } };
}

function leaf(account: number, cumulative: bigint, prefix: bigint): Uint8Array {
  const address = lowercaseHex(accountOf(account));
  return packFields(REWARD_FIELDS, { account: address, cumulative, prefix });
}

/** What convicts it, by each proof. */
export function tallEvidence({ trees }: TallEpoch): Readonly<Record<string, Evidence>> {
  const at = (table: JudgedTable, position: number): Opening => ({
    table,
    position,
    row: trees[table].rowAt(position),
    proof: trees[table].proofOf(position),
  });
  const by = (
    proof: ProofName,
    openings: readonly Opening[],
    position = 0,
    publicKey: Hex = NO_PUBLIC_KEY,
  ): Evidence => ({ proof, position, openings, publicKey });
  const around = [at("contributions", BOUNDARY - 1), at("contributions", BOUNDARY)];
  const invoices = [at("invoices", BOUNDARY - 1), at("invoices", BOUNDARY)];
  const rewards = [at("rewards", ACCOUNT - 1), at("rewards", ACCOUNT)];
  const leaves = [at("rewards", ACCOUNT), at("lastRewards", ACCOUNT)];
  const one = (position: number) => [at("contributions", position)];
  const pair = [at("invoices", BOUNDARY - 1), at("contributions", BOUNDARY - 1)];
  return {
    "contribution, secp256k1": by("contribution", one(OF_SECP256K1)),
    "contribution, P-256": by("contribution", one(OF_P256), 0, publicKeyAt(ACCOUNT)),
    "contribution, P-256 that did not sign": by("contribution", one(UNSIGNED), 0, publicKeyAt(1)),
    pair: by("pair", pair),
    "contribution order": by("contribution-order", around, BOUNDARY),
    "invoice order": by("invoice-order", invoices, BOUNDARY),
    "reward order": by("reward-order", rewards, ACCOUNT),
    "reward boundary": by("reward-boundary", [...leaves, ...around], BOUNDARY),
    "empty leaf": by("empty-leaf", [at("rewards", HOLE)]),
  };
}

function publicKeyAt(index: number): Hex {
  const device = deviceAt(index);
  if (!isP256(device)) throw new Error(`device ${index} has no P-256 key`);
  return lowercaseHex(device.publicKey);
}

/** Writes where the registry keeps it how many accounts there are: to bind a million takes hours. */
async function setAccounts({ connection, registry }: World, accounts: number): Promise<void> {
  const { provider } = connection;
  const address = await registry.getAddress();
  const read = async (slot: bigint) =>
    BigInt(
      (await provider.request({
        method: "eth_getStorageAt",
        params: [address, toBeHex(slot), "latest"],
      })) as string,
    );
  const known = await registry.accounts();
  for (let slot = 0n; slot < 20n; slot++) {
    const length = await read(slot);
    const last = BigInt(keccak256(toBeHex(slot, 32))) + length - 1n;
    const checkpoint = await read(last);
    if (length === 0n || checkpoint >> 96n !== known) continue;
    const changed = (BigInt(accounts) << 96n) | (checkpoint & (2n ** 96n - 1n));
    await provider.request({
      method: "hardhat_setStorageAt",
      params: [address, toBeHex(last), toBeHex(changed, 32)],
    });
    if ((await registry.accounts()) === BigInt(accounts)) return;
    throw new Error("these were not the accounts");
  }
  throw new Error("the number of accounts was not found");
}
