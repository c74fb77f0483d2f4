import { CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { createLog } from "./log.ts";
import { printable } from "./printable.ts";

/** Exit codes of every program and command; see docs/operating.md. */
export const EXIT = { ok: 0, differs: 1, unavailable: 2, usage: 3 } as const;

/** What the options say together makes no sense: repeating it does not help. */
export type Misuse = Error & { readonly misuse: true };

export function misuse(message: string): Misuse {
  return Object.assign(new Error(message), { misuse: true as const });
}

function isMisuse(error: unknown): error is Misuse {
  return error instanceof Error && "misuse" in error;
}

export type ProgramOptions = {
  /** After the program's name; the process's own when not given. */
  readonly argv?: readonly string[];
  /** One line about a failure. */
  readonly reasonOf?: (error: unknown) => string;
  /** Before a failure is told. */
  readonly onFailure?: () => void;
};

/** Runs the command that is asked for, tells a failure in one line on stderr, and sets the process's exit code. */
export async function runProgram(
  program: CommandUnknownOpts,
  {
    argv = process.argv.slice(2),
    reasonOf = (error) => (error as Error).message,
    onFailure,
  }: ProgramOptions = {},
): Promise<void> {
  tellWarnings();
  for (const command of [program, ...program.commands]) {
    command.exitOverride().showHelpAfterError("(--help tells more)");
  }
  try {
    await program.parseAsync(argv, { from: "user" });
  } catch (error) {
    onFailure?.();
    // Commander has already printed what is wrong with the words.
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    process.stderr.write(`${program.name()}: ${told(reasonOf(error))}\n`);
    process.exitCode = isMisuse(error) ? EXIT.usage : EXIT.unavailable;
  }
}

/** Line by line: what is wrong with the words of a command may take several. */
function told(reason: string): string {
  return reason.split("\n").map(printable).join("\n");
}

/** Node's own warnings, such as that of an experimental module, as lines of the log: its two lines of text are no JSON. */
function tellWarnings(): void {
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => createLog().warn({ warning: name }, message));
}

/** Aborted at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function askedToStop(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}
