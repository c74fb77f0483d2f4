import { Argument } from "@commander-js/extra-typings";
import type { ExplainedDevice } from "@link-rewards/client/why";
import { MAX_AMOUNT, sumOf } from "@link-rewards/core/epoch/value";
import { address, wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import { auditInput } from "../outsider/audit.ts";
import { explain, type Why } from "../outsider/why.ts";
import { bundlesCommand, cacheOption, snapshotsIn, withChain } from "./options.ts";
import { checksummed, exactTokens, print, table } from "./print.ts";

export function whyCommand() {
  return bundlesCommand("why")
    .summary("why a device or an account earned what it earned in an epoch")
    .description(
      "Recomputes the epoch from the public files and shows, for each device: what it served to whom, what that is worth at the tariff, how much of it its customer's payment covers, the members' fee, and what it earned; and for each customer what it owed in all, what it paid, and the most of any one line that is covered. Every line adds up to the wei.",
    )
    .addOption(cacheOption())
    .addArgument(new Argument("<address>", "a device or an account").argParser(address))
    .addArgument(new Argument("<epoch>", "a final epoch").argParser(wholeNumber))
    .action(async (address, epoch, options) => {
      process.exitCode = await withChain(options, async (chain) => {
        const why = await explain(
          await auditInput(chain, options.bundles, { snapshots: snapshotsIn(options.data, chain) }),
          address,
          epoch,
        );
        const sums = sumUp(why.devices);
        print(options.json, { ...why, sums }, () => render(why, sums));
        return EXIT.ok;
      });
    });
}

const STEPS = ["value", "counted", "fee", "earned"] as const;
type Sums = Record<(typeof STEPS)[number], bigint>;

function sumUp(devices: readonly ExplainedDevice[]): Sums {
  return Object.fromEntries(
    STEPS.map((step) => [step, sumOf(devices.map((device) => device[step]))]),
  ) as Sums;
}

function render(why: Why, sums: Sums): string {
  const steps = (row: Sums) => STEPS.map((step) => exactTokens(row[step]));
  const lines = why.devices.flatMap(({ lines: own }) => own);
  const served = table(
    ["device", "customer", "bytes", "byte-seconds", "vCPU ms", ...STEPS],
    [
      ...lines.map((line) => [
        checksummed(line.device),
        checksummed(line.customer),
        String(line.egressBytes),
        String(line.storageByteSeconds),
        String(line.computeMilliseconds),
        ...steps(line),
      ]),
      ["all", "", "", "", "", ...steps(sums)],
    ],
  );
  const customers = table(
    ["customer", "owed in all", "paid", "covered of a line", "counted in all"],
    why.customers.map(({ customer, owed, paid, ceiling, counted }) => [
      checksummed(customer),
      owed === undefined ? "" : exactTokens(owed),
      exactTokens(paid),
      ceiling === MAX_AMOUNT ? "all" : `at most ${exactTokens(ceiling)}`,
      counted === undefined ? "" : exactTokens(counted),
    ]),
  );
  return [
    ...(lines.length === 0 ? [] : [served, customers]),
    ...why.revoked.map(
      ({ device, fromEpoch, reason }) =>
        `device ${checksummed(device)} earns nothing: revoked from epoch ${fromEpoch} on, because: ${reason || "no reason was given"}`,
    ),
    ...(why.note === undefined ? [] : [why.note]),
  ].join("\n");
}
