import { Argument } from "@commander-js/extra-typings";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { openSigner } from "@link-rewards/host/keys";
import { address, keyOptions, wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import type { BaseWallet } from "ethers";
import { openBundles } from "../edge/bundles.ts";
import { type RefundCall, refundsOf } from "../outsider/refund.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { exactTokens, print, table } from "./print.ts";

export function refundCommand() {
  const key = keyOptions();
  return bundlesCommand("refund")
    .summary("bring back what a customer paid beyond what counted")
    .description(
      "Finds the invoice lines that show what counted of a customer's payment for a final epoch, checks their proofs, and sends the refund: into the customer's balance in the escrow, or the programme's when it was an inspector. For all epochs with something to bring back when none is given. Whoever sends pays the gas; without a key it only shows what there is.",
    )
    .addArgument(new Argument("<customer>", "the customer's address").argParser(address))
    .addArgument(new Argument("[epoch]", "a final epoch").argParser(wholeNumber))
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .addHelpText(
      "after",
      "\nTo send it with another tool, give `to` and `calldata` of --json to any wallet, or to cast:\n  cast send $TO $CALLDATA --rpc-url $LINK_RPC",
    )
    .action((customer, epoch, options) =>
      withChain(options, async (chain) => {
        const hasKey = options.keyFile !== undefined || options.keystore !== undefined;
        const signer = hasKey ? await openSigner(options) : undefined;
        const { refunds: calls, failed } = await refundsOf(
          chain,
          options.bundles.map(openBundles),
          customer,
          epoch,
        );
        const failures = [...failed];
        const refunds: (RefundCall & { readonly transaction?: string })[] = [];
        const wallet = signer?.wallet(chain.provider);
        for (const call of calls) {
          const { sent, reason } = wallet === undefined ? {} : await send(wallet, call);
          refunds.push(sent === undefined ? call : { ...call, transaction: sent });
          if (reason !== undefined) failures.push({ epoch: call.epoch, reason });
        }
        print(options.json, { refunds, failed: failures }, () =>
          [
            table(
              ["epoch", "paid LTK", "counted LTK", "refund LTK", "transaction"],
              refunds.map(({ epoch: of, paid, counted, amount, transaction }) => [
                String(of),
                exactTokens(paid),
                exactTokens(counted),
                exactTokens(amount),
                transaction ?? (wallet ? "not sent" : "not sent: give a key"),
              ]),
            ),
            ...(refunds.length === 0 && failures.length === 0
              ? [`nothing comes back to ${customer} now`]
              : []),
          ].join("\n"),
        );
        for (const { epoch: of, reason } of failures)
          process.stderr.write(`epoch ${of}: ${reason}\n`);
        if (failures.length > 0) process.exitCode = EXIT.unavailable;
      }),
    );
}

/** Both when it was sent and reverted, as when somebody else's came first. */
async function send(
  wallet: BaseWallet,
  { to, calldata }: RefundCall,
): Promise<{ readonly sent?: string; readonly reason?: string }> {
  let sent: string | undefined;
  try {
    const transaction = await wallet.sendTransaction({ to, data: calldata });
    sent = transaction.hash;
    await transaction.wait();
    return { sent };
  } catch (error) {
    const reason = reasonOf(error);
    return sent === undefined ? { reason } : { sent, reason };
  }
}
