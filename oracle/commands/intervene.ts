import { Argument, Option } from "@commander-js/extra-typings";
import { wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import type { Intervention } from "../member/intervene.ts";
import { jsonOption, memberCommand } from "./options.ts";
import { print } from "./print.ts";

const EXIT_CODES =
  "Exit codes: 0 done, 1 refused: the message says which rule it would break, 2 failed, 3 usage.";

function epochArgument() {
  return new Argument("<epoch>", "the epoch's number").argParser(wholeNumber);
}

function tell(json: boolean, epoch: number, { done, message }: Intervention): void {
  print(json, { epoch, done, message }, () => message);
  process.exitCode = done ? EXIT.ok : EXIT.differs;
}

export function adoptCommand() {
  return memberCommand("adopt")
    .summary("publish the chain's bundle of a final epoch, in place of one's own or of none")
    .description(
      `Fetches the bundle whose hash is final on chain from peers and the given mirrors, verifies it as audit does, and publishes it here; another one that stood there is put aside. close does so by itself where a peer has it.\n\n${EXIT_CODES}`,
    )
    .addArgument(epochArgument())
    .addOption(
      new Option("--bundles <location...>", "mirrors to take it from, beside the peers").default(
        [] as string[],
      ),
    )
    .addOption(jsonOption())
    .action(async (epoch, options) => {
      const { withOracle } = await import("../member/open.ts");
      const { adopt } = await import("../member/intervene.ts");
      const outcome = await withOracle(options, (oracle) => adopt(oracle, epoch, options.bundles));
      tell(options.json, epoch, outcome);
    });
}

export function recomputeCommand() {
  return memberCommand("recompute")
    .summary("compute an epoch anew that this member has not signed in the open attempt")
    .description(
      `For receipts that came since, or after an update of the software. The next close computes it from what is stored then; the bundle published before is put aside. Refused once this member has signed a report in this attempt: a second one would cost its bond.\n\n${EXIT_CODES}`,
    )
    .addArgument(epochArgument())
    .addOption(jsonOption())
    .action(async (epoch, options) => {
      const { withOracle } = await import("../member/open.ts");
      const { recompute } = await import("../member/intervene.ts");
      tell(options.json, epoch, await withOracle(options, (oracle) => recompute(oracle, epoch)));
    });
}

export function resyncCommand() {
  return memberCommand("resync")
    .summary("read all receipts and vouchers of the peers again, from their beginning")
    .description(
      "Each is verified and merged as ever: what is here already changes nothing. For a store that was restored or begun anew. A round takes at most a minute for each peer; serve and close go on from where it ended.\n\nExit codes: 0 all peers were read, 2 one was not, 3 usage.",
    )
    .addOption(
      new Option(
        "--chain",
        "also read the chain's events again, whatever was seen to be final: after a person has compared block hashes with other nodes",
      ).default(false),
    )
    .addOption(jsonOption())
    .action(async (options) => {
      const { withOracle } = await import("../member/open.ts");
      const { resync } = await import("../member/intervene.ts");
      const peers = await withOracle(options, (oracle) => resync(oracle, options));
      print(options.json, { peers }, () =>
        Object.entries(peers)
          .map(([url, read]) =>
            "failed" in read
              ? `${url}: ${read.failed}`
              : `${url}: ${read.receipts} receipts and ${read.vouchers} vouchers were new`,
          )
          .join("\n"),
      );
      if (Object.values(peers).some((read) => "failed" in read))
        process.exitCode = EXIT.unavailable;
    });
}

export function holdCommand() {
  return memberCommand("hold")
    .summary("stop this member's work on an epoch until it is released")
    .description(
      `close does not go on with the epoch, and this member signs no report of it for others either.\n\n${EXIT_CODES}`,
    )
    .addArgument(epochArgument())
    .addOption(new Option("--reason <text>", "what close and peers are told").makeOptionMandatory())
    .addOption(jsonOption())
    .action(async (epoch, options) => {
      const { withOracle } = await import("../member/open.ts");
      const { hold } = await import("../member/intervene.ts");
      const outcome = await withOracle(options, (oracle) => hold(oracle, epoch, options.reason));
      tell(options.json, epoch, outcome);
    });
}

export function releaseCommand() {
  return memberCommand("release")
    .summary("let a held epoch go on: a person has looked")
    .description(
      `After hold, or after a guard stopped it: its guards are passed over in the attempt that is open, and stop it anew in a later one. A disagreement with the chain or with peers is not passed over.\n\n${EXIT_CODES}`,
    )
    .addArgument(epochArgument())
    .addOption(jsonOption())
    .action(async (epoch, options) => {
      const { withOracle } = await import("../member/open.ts");
      const { release } = await import("../member/intervene.ts");
      tell(options.json, epoch, await withOracle(options, (oracle) => release(oracle, epoch)));
    });
}
