#!/usr/bin/env node
import { setTimeout as sleep } from "node:timers/promises";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { createKeyFile } from "@link-rewards/host/keys";
import {
  deploymentOption,
  keyOptions,
  rpcQuorumOption,
  rpcsOption,
  wholeNumber,
} from "@link-rewards/host/options";
import { askedToStop, misuse, runProgram } from "@link-rewards/host/program";
import { buyingOptions, openBuying } from "./buying.ts";
import { serveUsers, type Users } from "./gateway/serve-users.ts";
import { DEFAULT_REPLICAS, type RunningGateway, startGateway } from "./gateway/start.ts";
import { DEFAULT_WORK } from "./gateway/visit.ts";
import { jobsOf, jsonOption, oraclesOption, positive, print } from "./options.ts";

const program = new Command("link-gateway")
  .description(
    "The reference customer: uses devices, checks everything it gets, signs receipts for what was good, and promises to pay for it.",
  )
  .addHelpText(
    "after",
    `
A customer from nothing to its first receipt:
  node device/gateway.ts key --key-file gateway.key      CustomerEscrow.setKey(its address, the most it may promise an epoch); it counts from the next epoch
  CustomerEscrow.deposit(amount)                         what vouchers are paid from
  CustomerEscrow.setEndpoint("https://gateway.example:8421")   where devices dial in
  node device/gateway.ts run --host 0.0.0.0 --file film.mp4 --serve 8080 …
  curl http://127.0.0.1:8080/film.mp4                    from the nearest device that keeps it

What users get: docs/gateway.md. How receipts and vouchers work: docs/receipt-protocol.md`,
  );

/** Between two looks whether a device is there. */
const LOOK_MS = 100;

program.addCommand(keyCommand()).addCommand(runCommand());
await runProgram(program);

function keyCommand() {
  return new Command("key")
    .description(
      "Makes a gateway's key and prints its address, for CustomerEscrow.setKey. Never writes over a key.",
    )
    .requiredOption("--key-file <file>", "new file, readable by you alone")
    .addOption(jsonOption())
    .action(async ({ keyFile, json }) => print(json, { key: await createKeyFile(keyFile) }));
}

function runCommand() {
  const key = keyOptions();
  const buying = buyingOptions();
  return new Command("run")
    .description(
      "Uses every device once a round, then signs for what was good and promises to pay for it, until stopped.",
    )
    .addOption(deploymentOption())
    .addOption(oraclesOption())
    .addOption(rpcsOption().makeOptionMandatory())
    .addOption(rpcQuorumOption())
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .addOption(buying.customer)
    .addOption(buying.host)
    .addOption(buying.port)
    .option(
      "--file <file...>",
      "content that devices keep, and that is fetched from them",
      [] as string[],
    )
    .option("--replicas <n>", "on how many devices each file is kept", positive, DEFAULT_REPLICAS)
    .option(
      "--serve <port>",
      "serve the files to users over HTTP; 0 takes any free one",
      wholeNumber,
    )
    .option("--serve-host <host>", "address that users come to", "127.0.0.1")
    .option("--module <file>", "WebAssembly that devices run for it")
    .option("--input <file...>", "what the module is run on, one job each", [] as string[])
    .addOption(buying.milliseconds)
    .option("--answers <folder>", "where to write what was computed")
    .option(
      "--check-share <percent>",
      "of the jobs: computed a second time, by another device or by itself",
      percent,
      DEFAULT_WORK.checkPercent,
    )
    .option("--folder <folder>", "the gateway's memory", "gateway-state")
    .option("--rounds <n>", "stop after so many", wholeNumber)
    .option("--interval <seconds>", "between two rounds", wholeNumber, 30)
    .option("--pay-share <percent>", "how much of its debt it promises", percent, 100)
    .addOption(jsonOption())
    .action(async (options) => {
      const jobs = jobsOf(options);
      checkServing(options);
      const { answers, checkShare, payShare } = options;
      const buyer = await openBuying(options);
      const { door, chain, log } = buyer;
      let gateway: RunningGateway | undefined;
      let users: Users | undefined;
      try {
        gateway = await startGateway({
          ...buyer,
          files: options.file,
          jobs,
          ...(answers && { answers }),
          work: { checkPercent: checkShare },
          folder: options.folder,
          replicas: options.replicas,
          payBasisPoints: () => 100 * payShare,
        });
        log("info", "listening", { host: options.host, port: door.port });
        const { serve: port, serveHost: host } = options;
        if (port !== undefined) {
          users = await serveUsers({ host, port, ...gateway });
          log("info", "serving-users", { host, port: users.port });
        }
        const stop = askedToStop();
        const pause = (milliseconds: number) =>
          sleep(milliseconds, undefined, { signal: stop }).catch(() => undefined);
        for (let round = 1; !stop.aborted && round <= (options.rounds ?? Infinity); round++) {
          if (round > 1) await pause(1_000 * options.interval);
          // A round with nobody is none.
          while (!stop.aborted && door.devices().length === 0) await pause(LOOK_MS);
          if (stop.aborted) break;
          const { epoch, visits } = await gateway.serveRound();
          const { signed, vouchers, failures } = await gateway.settle();
          const good = visits.filter((visit) => visit.failures.length === 0).length;
          const promised = vouchers.find((each) => each.epoch === epoch)?.amount ?? 0n;
          print(options.json, {
            round,
            epoch,
            devices: visits.length,
            good,
            signed: signed.length,
            promised,
            failures,
          });
        }
      } finally {
        // Nobody asks for more before what was asked for is in the ledger.
        await users?.close();
        await gateway?.close();
        await door.close();
        chain.close();
      }
    });
}

function checkServing(options: {
  readonly serve?: number | undefined;
  readonly file: readonly string[];
}): void {
  if (options.serve === undefined || options.file.length > 0) return;
  throw misuse("--serve needs a --file that users can have");
}

function percent(text: string): number {
  const share = wholeNumber(text);
  if (share > 100) throw new InvalidArgumentError("must be from 0 to 100");
  return share;
}
