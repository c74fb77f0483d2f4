import { Command } from "@commander-js/extra-typings";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { runProgram } from "@link-rewards/host/program";
import { auditCommand } from "./commands/audit.ts";
import { backupCommand } from "./commands/backup.ts";
import { checkCommand } from "./commands/check.ts";
import { claimCommand } from "./commands/claim.ts";
import { closeCommand } from "./commands/close.ts";
import { equivocationCommand } from "./commands/equivocation.ts";
import { forgoCommand } from "./commands/forgo.ts";
import {
  adoptCommand,
  holdCommand,
  recomputeCommand,
  releaseCommand,
  resyncCommand,
} from "./commands/intervene.ts";
import { omissionCommand } from "./commands/omission.ts";
import { endProgress } from "./commands/print.ts";
import { proofCommand } from "./commands/proof.ts";
import { refundCommand } from "./commands/refund.ts";
import {
  abandonCommand,
  exitCommand,
  rotateCommand,
  withdrawBondCommand,
  withdrawFeesCommand,
} from "./commands/seat.ts";
import { serveCommand } from "./commands/serve.ts";
import { statusCommand } from "./commands/status.ts";
import { watchCommand } from "./commands/watch.ts";
import { whyCommand } from "./commands/why.ts";

/** Runs one command and sets the process's exit code. */
export function run(argv: readonly string[]): Promise<void> {
  const program = new Command("link-oracle")
    .description(
      "Turns what devices served and customers signed for into reward roots on chain, and lets anyone claim, watch and audit them.",
    )
    .addHelpText(
      "after",
      "\nOptions can be given by environment variables too (each command's --help names them); keys only as files.\nExit codes: 0 good, 1 differs or held, 2 not available or failed, 3 usage.",
    );
  const commands = [
    serveCommand(),
    closeCommand(),
    watchCommand(),
    statusCommand(),
    checkCommand(),
    backupCommand(),
    forgoCommand(),
    adoptCommand(),
    recomputeCommand(),
    resyncCommand(),
    holdCommand(),
    releaseCommand(),
    abandonCommand(),
    rotateCommand(),
    withdrawFeesCommand(),
    exitCommand(),
    withdrawBondCommand(),
    proofCommand(),
    claimCommand(),
    refundCommand(),
    whyCommand(),
    omissionCommand(),
    equivocationCommand(),
    auditCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  return runProgram(program, { argv, reasonOf, onFailure: endProgress });
}
