#!/usr/bin/env node
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Command, Option } from "@commander-js/extra-typings";
import { connectChain as connectLawChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import {
  deploymentOption,
  headBoundsOf,
  headOptions,
  keyOptions,
  rpcQuorumOption,
  rpcsOption,
  wholeNumber,
} from "@link-rewards/host/options";
import { askedToStop, EXIT, runProgram } from "@link-rewards/host/program";
import { buyingOptions, openBuying } from "./buying.ts";
import { divergenceIn } from "./inspector/check.ts";
import { orderReader } from "./inspector/order.ts";
import type { Pass } from "./inspector/pass-server.ts";
import { parseRecord } from "./inspector/record.ts";
import { startInspector } from "./inspector/start.ts";
import { jobsOf, jsonOption, oraclesOption, positive, print } from "./options.ts";

const program = new Command("link-inspector")
  .description(
    "The reward programme's gateway: visits every bound device in an order drawn from the chain, buys bandwidth, storage and compute of each alike, and signs for what it checked.",
  )
  .addHelpText(
    "after",
    `
An inspector from nothing to its first receipt:
  node device/gateway.ts key --key-file inspector.key    its key
  RewardProgramme.addInspector(its customer)             governance; it counts from the next epoch, as does
  CustomerEscrow.setKey(the key's address, its cap)      a customer is admitted first; no deposit is needed
  CustomerEscrow.setEndpoint("https://inspector.example:8421")   where devices dial in
  node device/inspector.ts run --host 0.0.0.0 --file film.mp4 --module … --input … …

What it did in an epoch is in <folder>/turns/turns-<epoch>.jsonl, for everybody who has the chain:
  node device/inspector.ts check turns-7.jsonl …         whether it kept to the order that was drawn

How inspectors work: docs/inspecting.md`,
  );

/** Between two looks whether a device that missed its turn is there, or another pass is due. */
const LOOK_MS = 1_000;
/** The same while it is not known who is to be visited: the chain may be away, or the order not be drawn yet. */
const UNKNOWN_MS = 10_000;

program.addCommand(runCommand()).addCommand(checkCommand());
await runProgram(program);

function confirmationsOption() {
  return new Option(
    "--confirmations <blocks>",
    "below its newest block, what is final, where the chain names no finalized block",
  ).argParser(wholeNumber);
}

function runCommand() {
  const key = keyOptions();
  const buying = buyingOptions();
  const head = headOptions();
  return new Command("run")
    .description("Visits every bound device once in a pass, a pass after the other, until stopped.")
    .addOption(deploymentOption())
    .addOption(oraclesOption())
    .addOption(rpcsOption().makeOptionMandatory())
    .addOption(rpcQuorumOption())
    .addOption(confirmationsOption())
    .addOption(head.maxHeadAge)
    .addOption(head.maxHeadLead)
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .addOption(buying.customer)
    .addOption(buying.host)
    .addOption(buying.port)
    .requiredOption("--file <file...>", "content that devices keep, and that is fetched from them")
    .requiredOption("--module <file>", "WebAssembly that devices run, and the inspector after them")
    .requiredOption("--input <file...>", "what the module is run on, one job each")
    .addOption(buying.milliseconds)
    .option("--folder <folder>", "the inspector's memory", "inspector-state")
    .option("--passes <n>", "stop after so many", wholeNumber)
    .option("--at-once <n>", "visits at one time", positive, 4)
    .option(
      "--interval <seconds>",
      "from the beginning of a pass to that of the next; storage counts for an hour at most between two visits",
      wholeNumber,
      900,
    )
    .addOption(jsonOption())
    .action(async (options) => {
      const jobs = jobsOf(options);
      const law = await lawChainOf(options, await readDeploymentFile(options.deployment));
      const buyer = await openBuying(options);
      const { door, chain, log } = buyer;
      try {
        const inspector = await startInspector({
          ...buyer,
          orderOf: orderReader(law),
          files: options.file,
          jobs,
          folder: options.folder,
          atOnce: options.atOnce,
        });
        log("info", "listening", { host: options.host, port: door.port });
        const stop = askedToStop();
        const pause = (milliseconds: number) =>
          sleep(milliseconds, undefined, { signal: stop }).catch(() => undefined);

        async function settle(pass: Pass): Promise<void> {
          const { signed, vouchers, failures } = await inspector.settle();
          const { epoch, visits } = pass;
          print(options.json, {
            ...{ pass: pass.pass, epoch, devices: pass.devices, visited: visits.length },
            good: visits.filter((visit) => visit.failures.length === 0).length,
            missed: pass.missed,
            signed: signed.length,
            promised: vouchers.find((each) => each.epoch === epoch)?.amount ?? 0n,
            failures,
          });
        }

        // A pass with nobody would only say that nobody is there yet.
        while (!stop.aborted && door.devices().length === 0) await pause(LOOK_MS);
        // First, what a run before this one left unsigned and undone.
        await inspector.settle();
        let isDue = false;
        for (let passes = 0; !stop.aborted && passes !== options.passes; ) {
          const pass: Pass = isDue ? await inspector.servePass() : await inspector.serveLate();
          const isNew = isDue && pass.pass > 0;
          if (isNew) passes += 1;
          if (isNew || pass.visits.length > 0) await settle(pass);
          const { began } = pass;
          isDue = began === undefined || Date.now() / 1_000 >= began + options.interval;
          await pause(pass.devices === 0 ? UNKNOWN_MS : LOOK_MS);
        }
        await inspector.close();
      } finally {
        await door.close();
        law.close();
        chain.close();
      }
    });
}

function checkCommand() {
  const head = headOptions();
  return new Command("check")
    .description(
      "Draws the order of a record's epoch from the chain, and says whether the inspector kept to it: exit code 0 if it did, 1 if not.",
    )
    .argument("<record...>", "turns-<epoch>.jsonl of an inspector")
    .addOption(deploymentOption())
    .addOption(rpcsOption().makeOptionMandatory())
    .addOption(rpcQuorumOption())
    .addOption(confirmationsOption())
    .addOption(head.maxHeadAge)
    .addOption(head.maxHeadLead)
    .addOption(jsonOption())
    .action(async (records, options) => {
      const law = await lawChainOf(options, await readDeploymentFile(options.deployment));
      try {
        const orderOf = orderReader(law);
        for (const file of records) {
          const record = parseRecord(await readFile(file, "utf8"));
          const { epoch } = record.head;
          const order = await orderOf(epoch);
          if (order === undefined) throw new Error(`epoch ${epoch} has not begun on chain`);
          const divergence = divergenceIn(record, order);
          if (divergence !== undefined) process.exitCode = EXIT.differs;
          print(options.json, {
            ...{
              file,
              epoch,
              devices: order.devices.length,
              keptToOrder: divergence === undefined,
            },
            ...divergence,
          });
        }
      } finally {
        law.close();
      }
    });
}

type LawOptions = Parameters<typeof headBoundsOf>[0] & {
  readonly rpc: readonly string[];
  readonly rpcQuorum?: number | undefined;
  readonly confirmations?: number | undefined;
};

function lawChainOf(
  { rpc, rpcQuorum, confirmations, ...options }: LawOptions,
  deploymentFile: Awaited<ReturnType<typeof readDeploymentFile>>,
) {
  const bounds = headBoundsOf(options);
  return connectLawChain({ rpcUrls: rpc, rpcQuorum, confirmations, deploymentFile, bounds });
}
