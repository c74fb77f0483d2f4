import { Argument } from "@commander-js/extra-typings";
import { openSigner } from "@link-rewards/host/keys";
import { addresses, keyOptions } from "@link-rewards/host/options";
import { openBundles } from "../edge/bundles.ts";
import { claimCall, claimOf } from "../outsider/claim.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { checksummed, print, table, tokens } from "./print.ts";

/** Twenty claims take about a million gas: well inside any block. */
const CLAIMS_PER_TRANSACTION = 20;

export function claimCommand() {
  const key = keyOptions();
  return bundlesCommand("claim")
    .summary("draw what is final, for oneself or for others")
    .description(
      "Claims everything up to the newest final epoch for the given accounts, or for the key's own account when none is given. Whoever sends pays the gas; the tokens always go to the account or to the payee it has set.",
    )
    .addArgument(new Argument("[accounts...]", "accounts to claim for").argParser(addresses))
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .action((given, options) =>
      withChain(options, async (chain) => {
        const signer = await openSigner(options);
        const wallet = signer.wallet(chain.provider);
        const own = signer.address;
        const accounts = [...new Set(given === undefined || given.length === 0 ? [own] : given)];
        const source = openBundles(options.bundles);
        const claims = await Promise.all(
          accounts.map((account) => claimOf(chain, source, account)),
        );
        const due = claims.filter(({ claimable }) => claimable > 0n);
        const hashes: string[] = [];
        for (let i = 0; i < due.length; i += CLAIMS_PER_TRANSACTION) {
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
        print(options.json, { claims: paid, transactions: hashes }, () =>
          table(
            ["account", "paid to", "up to epoch", "paid LTK"],
            paid.map((row) => [
              checksummed(row.account),
              checksummed(row.payee),
              String(row.epoch),
              tokens(row.paid),
            ]),
          ),
        );
      }),
    );
}
