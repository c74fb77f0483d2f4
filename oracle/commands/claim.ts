import { Argument, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { openSigner } from "@link-rewards/host/keys";
import { addresses, keyOptions } from "@link-rewards/host/options";
import { parseEther } from "ethers";
import { openBundles } from "../edge/bundles.ts";
import { type Claimable, claimCall, claimOf } from "../outsider/claim.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { checksummed, print, table, tokens } from "./print.ts";

/** Twenty claims take about a million gas: well inside any block. */
const CLAIMS_PER_TRANSACTION = 20;

export function claimCommand() {
  const key = keyOptions();
  return bundlesCommand("claim")
    .summary("draw what is final, for oneself or for others")
    .description(
      "Claims everything up to the newest final epoch for the given accounts, or for the key's own account when none is given. Whoever sends pays the gas; the tokens always go to the account or to the payee it has set. With --at-least it is safe to run from cron: nothing is sent for less.",
    )
    .addArgument(new Argument("[accounts...]", "accounts to claim for").argParser(addresses))
    .addOption(
      new Option(
        "--at-least <LTK>",
        "claim only when this much is claimable for all the accounts together; else say so and end with 0",
      )
        .default(0n, "anything")
        .argParser(tokenAmount),
    )
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .action((given, options) =>
      withChain(options, async (chain) => {
        const signer = await openSigner(options);
        const wallet = signer.wallet(chain.provider);
        const own = signer.address;
        const accounts = [...new Set(given === undefined || given.length === 0 ? [own] : given)];
        const mirrors = options.bundles.map(openBundles);
        const claims = await Promise.all(
          accounts.map((account) => claimOf(chain, mirrors, account)),
        );
        const due = claims.filter(({ claimable }) => claimable > 0n);
        const claimable = due.reduce((sum, each) => sum + each.claimable, 0n);
        const isEnough = claimable >= options.atLeast;
        const hashes: string[] = [];
        for (let i = 0; isEnough && i < due.length; i += CLAIMS_PER_TRANSACTION) {
          const call = await claimCall(chain, due.slice(i, i + CLAIMS_PER_TRANSACTION));
          const sent = await wallet.sendTransaction(call);
          await sent.wait();
          hashes.push(sent.hash);
        }
        const paid = await Promise.all(
          claims.map(async ({ account, payee, epoch, claimed, claimable }) => {
            const now = await chain.suite.distributor.claimed(account);
            return { account, payee, epoch, claimable, paid: now - claimed };
          }),
        );
        const { atLeast } = options;
        const document = { claims: paid, transactions: hashes, claimable, atLeast, isEnough };
        print(options.json, document, () =>
          isEnough
            ? tableOf(paid)
            : `${tokens(claimable)} LTK are claimable, less than ${tokens(atLeast)}: nothing was sent`,
        );
      }),
    );
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

/** In wei, of what a person writes in whole tokens and decimals. */
function tokenAmount(text: string): bigint {
  try {
    if (/^[0-9]/.test(text)) return parseEther(text);
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError("must be a number of LTK with at most 18 decimals, such as 12.5");
}
