import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type DeviceKey, type KeyFiles, openDeviceKey } from "@link-rewards/host/keys";
import { moreUrls, wholeNumber } from "@link-rewards/host/options";
import { printable } from "@link-rewards/host/printable";
import { misuse } from "@link-rewards/host/program";
import type { GatewayJob } from "./gateway/start.ts";
import { openKeyCommand } from "./key-command.ts";

/** What several of the programs can be told. */

export function oraclesOption() {
  return new Option(
    "--oracle <url>",
    "oracle that takes receipts and vouchers; may be repeated, or several with commas: the next is asked when one is silent",
  )
    .env("LINK_ORACLE")
    .argParser(moreUrls)
    .makeOptionMandatory();
}

/** In place of a file with the key. */
export function keyCommandOptions() {
  return {
    keyCommand: new Option(
      "--key-command <program>",
      "asks this program for the public key and for each signature, in place of a file with the key: docs/receipt-protocol.md, A key behind a command",
    ).env("LINK_KEY_COMMAND"),
    keyArgument: new Option(
      "--key-argument <text>",
      "given to that program as it is, before what it is asked; may be repeated (--key-argument=-x for what begins with a dash)",
    ).argParser((text: string, before: readonly string[] = []) => [...before, text]),
  };
}

/** The device's key, wherever it is. */
export async function openKey({
  keyCommand,
  keyArgument = [],
  ...files
}: KeyFiles & {
  readonly keyCommand?: string | undefined;
  readonly keyArgument?: readonly string[] | undefined;
}): Promise<DeviceKey> {
  if (keyCommand === undefined) {
    if (keyArgument.length > 0) throw misuse("--key-argument is for a --key-command");
    return openDeviceKey(files);
  }
  if (files.keyFile !== undefined || files.keystore !== undefined)
    throw misuse("give either --key-command or a file with the key");
  return openKeyCommand({ program: keyCommand, arguments: keyArgument });
}

export function jsonOption() {
  return new Option(
    "--json",
    "JSON on stdout, one document a line; progress as JSON on stderr",
  ).default(false);
}

/** One document: as JSON, or as lines a person reads. */
export function print(asJson: boolean, document: Readonly<Record<string, unknown>>): void {
  const text = asJson
    ? JSON.stringify(document, wideAsText)
    : Object.entries(document)
        .map(([name, value]) => `${name}: ${printable(String(value))}`)
        .join("\n");
  process.stdout.write(`${text}\n`);
}

function wideAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

/** Throws for a module without an input, or the other way round. */
export function jobsOf({
  module,
  input,
  milliseconds,
}: {
  readonly module?: string | undefined;
  readonly input: readonly string[];
  readonly milliseconds: number;
}): readonly GatewayJob[] {
  if ((module === undefined) !== (input.length === 0))
    throw misuse("a job has a module and an input: --module and --input go together");
  return module === undefined ? [] : input.map((each) => ({ module, input: each, milliseconds }));
}

export function positive(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError("must be at least 1");
  return number;
}
