import { Command } from "@commander-js/extra-typings";
import { wholeNumber } from "@link-rewards/host/options";
import { misuse, runProgram } from "@link-rewards/host/program";

export type DemoOptions = {
  readonly json: boolean;
  readonly keep: boolean;
  /** One, or as many as still come to a quorum when one of them is gone for good. */
  readonly oracles: number;
  /** How many of them must sign. */
  readonly threshold: number;
};

/** With fewer nobody could be lost. */
const FEWEST = 3;
/** Each is a process with threads of its own, and all of them are on one machine. */
const MOST = 5;

/** What the demo is asked for; undefined when there is nothing to play: the exit code is set. */
export async function readOptions(argv: readonly string[]): Promise<DemoOptions | undefined> {
  let asked: DemoOptions | undefined;
  const program = new Command("demo")
    .description(
      "Real devices serve real customers for three epochs, on a chain of this machine's own, with failures, an attack, claims and an audit. With several oracles one of them is killed for good in the second epoch, and in the third one signs a false report.",
    )
    .option("--json", "one JSON document on stdout", false)
    .option(
      "--keep",
      "leave chain, oracles and bundles running until Ctrl-C, and print how to reach them",
      false,
    )
    .option(
      "--oracles <n>",
      `members, each with processes of its own: 1, or ${FEWEST} to ${MOST}`,
      wholeNumber,
      1,
    )
    .option(
      "--threshold <n>",
      "how many of them must sign: more than half, and fewer than all; the least when not given",
      wholeNumber,
    )
    .addHelpText(
      "after",
      "\nExample:\n  npm run demo -- --oracles 3 --threshold 2\n\nExit codes: 0 all went as told, 1 something did not, 2 failed, 3 usage.",
    )
    .action((options) => {
      const majority = Math.floor(options.oracles / 2) + 1;
      const { threshold = majority } = options;
      refuseUnlessPlayable(options.oracles, threshold, majority);
      asked = { ...options, threshold };
    });
  await runProgram(program, { argv });
  return asked;
}

function refuseUnlessPlayable(oracles: number, threshold: number, majority: number): void {
  if (oracles !== 1 && (oracles < FEWEST || oracles > MOST))
    throw misuse(
      `--oracles ${oracles} cannot be played: 1, or ${FEWEST} to ${MOST}. Of two none could be lost, and more are too many for one machine`,
    );
  if (threshold > oracles)
    throw misuse(`--threshold ${threshold} is more than there are: give at most ${oracles}`);
  if (threshold < majority)
    throw misuse(
      `--threshold ${threshold} is no majority of ${oracles}: two halves could sign two reports. Give at least ${majority}`,
    );
  if (oracles > 1 && threshold === oracles)
    throw misuse(
      `--threshold ${threshold} needs all ${oracles}, and one of them is killed for good. Give at most ${oracles - 1}`,
    );
}
