import { Argument } from "@commander-js/extra-typings";
import { address } from "@link-rewards/host/options";
import { openBundles } from "../edge/bundles.ts";
import { claimOf } from "../outsider/claim.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { checksummed, print, tokens } from "./print.ts";

export function proofCommand() {
  return bundlesCommand("proof")
    .summary("what an account can claim, and the proof for it")
    .description(
      "Reads the newest final root from the chain and the account's leaf from the published files (a few ranges, whatever their size), checks the proof, and prints the claim: one claim covers all epochs up to the newest final one.",
    )
    .addArgument(new Argument("<account>", "the account's address").argParser(address))
    .addHelpText(
      "after",
      "\nTo send it with another tool, give `to` and `calldata` of --json to any wallet, or to cast:\n  cast send $TO $CALLDATA --rpc-url $LINK_RPC",
    )
    .action((account, options) =>
      withChain(options, async (chain) => {
        const claim = await claimOf(chain, options.bundles.map(openBundles), account);
        print(options.json, claim, () =>
          [
            `account     ${checksummed(claim.account)}`,
            `paid to     ${checksummed(claim.payee)}`,
            `epoch       ${claim.epoch}`,
            `earned      ${tokens(claim.cumulative)} LTK (${claim.cumulative} wei)`,
            `claimed     ${tokens(claim.claimed)} LTK (${claim.claimed} wei)`,
            `claimable   ${tokens(claim.claimable)} LTK (${claim.claimable} wei)`,
            `index       ${claim.index}`,
            `proof       ${claim.proof.length} hashes, checked against the root on chain`,
          ].join("\n"),
        );
      }),
    );
}
