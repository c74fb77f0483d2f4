import { Argument, Option } from "@commander-js/extra-typings";
import { type Address, keccak256, toHex } from "@link-rewards/core/encoding/bytes";
import type { Chain } from "@link-rewards/host/chain/chain";
import { addresses, decimals } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import { isStillWaiting, type Sender } from "@link-rewards/host/transactions";
import { costOf, worthOf, worthSending } from "@link-rewards/host/worth";
import { openBundles } from "../edge/bundles.ts";
import { type Claimable, claimCall, claimOf, stillDue } from "../outsider/claim.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { checksummed, print, table, tokens } from "./print.ts";
import { openSender, senderOptions } from "./sender.ts";

/** Twenty claims take about a million gas: well inside any block. */
const CLAIMS_PER_TRANSACTION = 20;

export function claimCommand() {
  const sends = senderOptions();
  return bundlesCommand("claim")
    .summary("draw what is final, for oneself or for others")
    .description(
      "Claims everything up to the newest final epoch for the given accounts, or for the key's own account when none is given. Whoever sends pays the gas; the tokens always go to the account or to the payee it has set. It is safe to run from cron: what an earlier run has sent and is not mined is brought to its end first, two runs at once send one transaction, and with --at-least nothing is sent for less.",
    )
    .addArgument(new Argument("[accounts...]", "accounts to claim for").argParser(addresses))
    .addOption(
      new Option(
        "--at-least <LTK>",
        "claim only when this much is claimable for all the accounts together; else say so and end with 0",
      )
        .default(0n, "anything")
        .argParser(decimals),
    )
    .addOption(linkPriceOption())
    .addOption(sends.keystore)
    .addOption(sends.passwordFile)
    .addOption(sends.keyFile)
    .addOption(sends.journal)
    .addOption(sends.maxFee)
    .action(async (given, options) => {
      const { address: own, connect } = await openSender(options);
      await withChain(options, async (chain) => {
        const sender = connect(chain);
        // Else it might be claimed a second time.
        await sender.finish();
        const accounts = [...new Set(given === undefined || given.length === 0 ? [own] : given)];
        const mirrors = options.bundles.map(openBundles);
        const claims = await Promise.all(
          accounts.map((account) => claimOf(chain, mirrors, account)),
        );
        const due = claims.filter(({ claimable }) => claimable > 0n);
        const claimable = due.reduce((sum, each) => sum + each.claimable, 0n);
        const { atLeast } = options;
        const isEnough = claimable >= atLeast;
        const sent = isEnough
          ? await sendClaims(chain, sender, due, options.linkPrice)
          : { transactions: [], leftAccounts: [] };
        const paid = await Promise.all(
          claims.map(async ({ account, payee, epoch, claimed, claimable: wanted }) => {
            const now = await chain.suite.distributor.claimed(account);
            return { account, payee, epoch, claimable: wanted, paid: now - claimed };
          }),
        );
        print(options.json, { claims: paid, ...sent, claimable, atLeast, isEnough }, () =>
          isEnough
            ? [tableOf(paid), ...sent.leftAccounts.map(leftText)].join("\n")
            : `${tokens(claimable)} LTK are claimable, less than ${tokens(atLeast)}: nothing was sent`,
        );
        if (sent.waiting === undefined) return;
        process.stderr.write(`link-oracle: ${sent.waiting}\n`);
        process.exitCode = EXIT.unavailable;
      });
    });
}

export function linkPriceOption() {
  return new Option(
    "--link-price <coins>",
    "what one LTK is worth in the chain's coin: leave what brings less than its share of the gas costs",
  ).argParser(decimals);
}

type SentClaims = {
  readonly transactions: readonly string[];
  /** Whose claims bring less than their gas costs. */
  readonly leftAccounts: readonly Address[];
  /** Why the rest was not sent. */
  readonly waiting?: string;
};

async function sendClaims(
  chain: Chain,
  sender: Sender,
  due: readonly Claimable[],
  linkPrice: bigint | undefined,
): Promise<SentClaims> {
  const transactions: string[] = [];
  const leftAccounts: Address[] = [];
  for (let i = 0; i < due.length; i += CLAIMS_PER_TRANSACTION) {
    const some = due.slice(i, i + CLAIMS_PER_TRANSACTION).map(withAmount);
    const worth = await worthSending(some, linkPrice, (few) => gasCost(chain, sender, few));
    leftAccounts.push(...worth.left.map(({ one }) => one.account));
    if (worth.due.length === 0) continue;
    try {
      const settled = await sender.sendIfDue(purposeOf(worth.due), async () => {
        const still = await stillDue(chain, worth.due);
        if (still.length === 0) return undefined;
        const amount = still.reduce((sum, { claimable }) => sum + claimable, 0n);
        return { ...(await claimCall(chain, still)), brings: worthOf(linkPrice, amount) };
      });
      if (settled?.outcome === "reverted") throw new Error(`${settled.hash} was reverted`);
      if (settled !== undefined) transactions.push(settled.hash);
    } catch (error) {
      if (!isStillWaiting(error)) throw error;
      return { transactions, leftAccounts, waiting: error.message };
    }
  }
  return { transactions, leftAccounts };
}

function withAmount(claim: Claimable) {
  return { ...claim, amount: claim.claimable };
}

async function gasCost(chain: Chain, { address }: Sender, claims: readonly Claimable[]) {
  const { provider } = chain;
  const call = await claimCall(chain, claims);
  return costOf(provider, await provider.estimateGas({ ...call, from: address }));
}

/** Of the same accounts up to the same epoch there is one. */
function purposeOf(claims: readonly Claimable[]): string {
  const text = claims.map(({ account, epoch }) => `${account}/${epoch}`).join();
  return `claim/${toHex(keccak256(new TextEncoder().encode(text)))}`;
}

function leftText(account: Address): string {
  return `${checksummed(account)}: its claim is worth less than its gas, and was left`;
}

type Paid = Pick<Claimable, "account" | "payee" | "epoch"> & { readonly paid: bigint };

function tableOf(rows: readonly Paid[]): string {
  return table(
    ["account", "paid to", "up to epoch", "paid LTK"],
    rows.map((row) => [
      checksummed(row.account),
      checksummed(row.payee),
      String(row.epoch),
      tokens(row.paid),
    ]),
  );
}
