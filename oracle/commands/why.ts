import { Argument } from "@commander-js/extra-typings";
import { address, wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import { auditInput } from "../outsider/audit.ts";
import { explain } from "../outsider/why.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { checksummed, print, table, tokens } from "./print.ts";

export function whyCommand() {
  return bundlesCommand("why")
    .summary("why a device or an account earned what it earned in an epoch")
    .description(
      "Recomputes the epoch from the public files and shows, for each device: what it served to whom, what that is worth at the tariff, how much of it its customer paid, the reward, and the reason when it is less than the full value.",
    )
    .addArgument(new Argument("<address>", "a device or an account").argParser(address))
    .addArgument(new Argument("<epoch>", "a final epoch").argParser(wholeNumber))
    .action(async (address, epoch, options) => {
      process.exitCode = await withChain(options, async (chain) => {
        const why = await explain(await auditInput(chain, options.bundles), address, epoch);
        print(options.json, why, () =>
          [
            table(
              [
                "device",
                "customer",
                "bytes",
                "byte-seconds",
                "vCPU ms",
                "value",
                "counted",
                "reasons",
              ],
              why.served.map((row) => [
                checksummed(row.device),
                checksummed(row.customer),
                String(row.egressBytes),
                String(row.storageByteSeconds),
                String(row.computeMilliseconds),
                tokens(row.value),
                tokens(row.counted),
                row.reasons.join(", ") || "paid in full",
              ]),
            ),
            table(
              ["device", "counted", "reward"],
              why.devices.map((row) => [
                checksummed(row.device),
                tokens(row.counted),
                tokens(row.reward),
              ]),
            ),
            ...why.customers.map(
              ({ customer, owed, paid }) =>
                `customer ${checksummed(customer)} owed ${tokens(owed)} and paid ${tokens(paid)} LTK in this epoch`,
            ),
            `pot ${tokens(why.pot)} LTK over a counted value of ${tokens(why.counted)} LTK`,
            ...(why.note === undefined ? [] : [why.note]),
          ].join("\n"),
        );
        return why.served.length > 0 || why.note !== undefined ? EXIT.ok : EXIT.unavailable;
      });
    });
}
