import { Argument, Option } from "@commander-js/extra-typings";
import { address, feeCeilingOption, wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import type { OracleOptions } from "../member/open.ts";
import type { Oracle } from "../member/oracle.ts";
import type { SeatAction } from "../member/seat.ts";
import { jsonOption, memberCommand } from "./options.ts";
import { print } from "./print.ts";
import { memberSender } from "./sender.ts";

/** What a member sends by hand: with its own key, and the same record of what it has sent as `close` and `serve`. */

const EXIT_CODES =
  "Without --execute it only says what it would do.\n\nExit codes: 0 done, or would be, 1 the contract refuses, 2 failed and may be repeated, 3 usage.";

export function rotateCommand() {
  return seatCommand("rotate")
    .summary("hand this member's seat to a new key, from the next epoch on")
    .description(
      `Sent with the key that the member has. Bond, fees and slot stay; the key it has signs until the epoch ends, and can never be a member's again. The new one must never have been one.\n\n${EXIT_CODES}`,
    )
    .addArgument(new Argument("<successor>", "the new key's address").argParser(address))
    .action((successor, options) =>
      run(options, async (oracle) =>
        (await import("../member/seat.ts")).rotation(oracle, successor),
      ),
    );
}

export function exitCommand() {
  return seatCommand("exit")
    .summary("leave the quorum for good, from the next epoch on")
    .description(
      `The bond stays for some epochs more, see withdraw-bond. There is no way back with this key.\n\n${EXIT_CODES}`,
    )
    .action((options) =>
      run(options, async (oracle) => (await import("../member/seat.ts")).leaving(oracle)),
    );
}

export function withdrawFeesCommand() {
  return seatCommand("withdraw-fees")
    .summary("have the fees of this member's slot paid to its newest key")
    .description(`What it earned with the reports that it signed.\n\n${EXIT_CODES}`)
    .action((options) =>
      run(options, async (oracle) => (await import("../member/seat.ts")).feeWithdrawal(oracle)),
    );
}

export function withdrawBondCommand() {
  return seatCommand("withdraw-bond")
    .summary("have the bond paid to the newest key, after this member has left")
    .description(
      `As soon as the epoch in which it left and the one after it are final, and nothing that it signed can be disproven any more.\n\n${EXIT_CODES}`,
    )
    .action((options) =>
      run(options, async (oracle) => (await import("../member/seat.ts")).bondWithdrawal(oracle)),
    );
}

export function abandonCommand() {
  return seatCommand("abandon")
    .summary("end an attempt in which too few sign the same report")
    .description(
      `After the proposal timeout, while no report is pending: the next attempt begins, in which every member may sign anew.\n\n${EXIT_CODES}`,
    )
    .addArgument(new Argument("<epoch>", "the epoch's number").argParser(wholeNumber))
    .action((epoch, options) =>
      run(options, async (oracle) =>
        (await import("../member/seat.ts")).abandonment(oracle, epoch),
      ),
    );
}

function seatCommand(name: string) {
  return memberCommand(name)
    .addOption(
      new Option("--execute", "send it, instead of saying what would be done").default(false),
    )
    .addOption(feeCeilingOption())
    .addOption(jsonOption());
}

type Options = OracleOptions & {
  readonly execute: boolean;
  readonly maxFee: bigint;
  readonly json: boolean;
};

async function run(
  options: Options,
  actionOf: (oracle: Oracle) => Promise<SeatAction>,
): Promise<void> {
  const { withOracle } = await import("../member/open.ts");
  const { act } = await import("../member/seat.ts");
  const outcome = await withOracle(options, async (oracle, signer, log) => {
    await oracle.chain.head();
    const action = await actionOf(oracle);
    return act(
      action,
      options.execute ? memberSender(oracle, signer, { log, maxFee: options.maxFee }) : undefined,
    );
  });
  print(options.json, { executed: options.execute, ...outcome }, () => outcome.message);
  process.exitCode = outcome.done ? EXIT.ok : EXIT.differs;
}
