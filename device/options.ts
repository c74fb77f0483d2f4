import { Option } from "@commander-js/extra-typings";
import { moreUrls } from "@link-rewards/host/options";
import { printable } from "@link-rewards/host/printable";

/** What both programs can be told. */

export function oraclesOption() {
  return new Option(
    "--oracle <url>",
    "oracle that takes receipts and vouchers; may be repeated, or several with commas: the next is asked when one is silent",
  )
    .env("LINK_ORACLE")
    .argParser(moreUrls)
    .makeOptionMandatory();
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
