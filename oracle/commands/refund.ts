import { Argument } from "@commander-js/extra-typings";
import type { Chain } from "@link-rewards/host/chain/chain";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { address, wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import type { Sender } from "@link-rewards/host/transactions";
import { costOf, isWorth, worthOf } from "@link-rewards/host/worth";
import { openBundles } from "../edge/bundles.ts";
import { type RefundCall, refundsOf } from "../outsider/refund.ts";
import { linkPriceOption } from "./claim.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { exactTokens, print, table } from "./print.ts";
import { openSenderIfKey, senderOptions } from "./sender.ts";

export function refundCommand() {
  const sends = senderOptions();
  return bundlesCommand("refund")
    .summary("bring back what a customer paid beyond what counted")
    .description(
      "Finds the invoice lines that show what counted of a customer's payment for a final epoch, checks their proofs, and sends the refund: into the customer's balance in the escrow, or the programme's when it was an inspector. For all epochs with something to bring back when none is given. Whoever sends pays the gas; without a key it only shows what there is.",
    )
    .addArgument(new Argument("<customer>", "the customer's address").argParser(address))
    .addArgument(new Argument("[epoch]", "a final epoch").argParser(wholeNumber))
    .addOption(linkPriceOption())
    .addOption(sends.keystore)
    .addOption(sends.passwordFile)
    .addOption(sends.keyFile)
    .addOption(sends.journal)
    .addOption(sends.maxFee)
    .addHelpText(
      "after",
      "\nTo send it with another tool, give `to` and `calldata` of --json to any wallet, or to cast:\n  cast send $TO $CALLDATA --rpc-url $LINK_RPC",
    )
    .action(async (customer, epoch, options) => {
      const opened = await openSenderIfKey(options);
      await withChain(options, async (chain) => {
        const sender = opened?.connect(chain);
        await sender?.finish();
        const { refunds: calls, failed } = await refundsOf(
          chain,
          options.bundles.map(openBundles),
          customer,
          epoch,
        );
        const failures = [...failed];
        const refunds: (RefundCall & { readonly transaction?: string })[] = [];
        for (const call of calls) {
          const { sent, reason } = sender ? await send(chain, sender, call, options.linkPrice) : {};
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
                transaction ?? (sender ? "not sent" : "not sent: give a key"),
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
      });
    });
}

/** Both when it was sent and reverted, as when somebody else's came first. */
async function send(
  { provider }: Chain,
  sender: Sender,
  { epoch, customer, amount, to, calldata }: RefundCall,
  linkPrice: bigint | undefined,
): Promise<{ readonly sent?: string; readonly reason?: string }> {
  const call = { to, data: calldata, brings: worthOf(linkPrice, amount) };
  try {
    if (linkPrice !== undefined) {
      const gas = await provider.estimateGas({ to, data: calldata, from: sender.address });
      if (!isWorth(linkPrice, amount, await costOf(provider, gas))) return {};
    }
    const { hash, outcome } = await sender.send(`refund/${epoch}/${customer}`, call);
    return outcome === "mined" ? { sent: hash } : { sent: hash, reason: `${hash} was reverted` };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}
