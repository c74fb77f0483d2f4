import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type Address, isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isAddress, parseUnits } from "ethers";
import { HEAD_BOUNDS, type HeadBounds } from "./chain/plausible.ts";
import { DEFAULT_FEE_CEILING, GWEI } from "./fees.ts";

/** Options that several programs have, on the command line or by environment. Keys only by the name of their file. */

export function deploymentOption() {
  return new Option("--deployment <file>", "deployments/<chainId>.json of the contracts")
    .env("LINK_DEPLOYMENT")
    .makeOptionMandatory();
}

export function rpcOption() {
  return new Option("--rpc <url>", "JSON-RPC node of the chain").env("LINK_RPC");
}

/** Several are used in turn. Commas too, because an environment variable has one value. */
export function rpcsOption() {
  return new Option(
    "--rpc <url>",
    "JSON-RPC node of the chain; may be repeated: the next is asked when one fails",
  )
    .env("LINK_RPC")
    .argParser(moreUrls);
}

export function rpcQuorumOption() {
  return new Option(
    "--rpc-quorum <n>",
    "so many of the --rpc nodes must agree about every fact; else nothing is done (default: one is believed)",
  )
    .env("LINK_RPC_QUORUM")
    .argParser(wholeNumber);
}

export function moreUrls(text: string, before: readonly string[] = []): readonly string[] {
  const found = text.split(",");
  for (const url of found) {
    // Not repeated: it may hold a key.
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ""))
      throw new InvalidArgumentError("must be a URL with http:// or https://");
  }
  return [...before, ...found];
}

/** How far a newest block may be from this machine's clock before nothing is done by it. */
export function headOptions() {
  return {
    maxHeadAge: new Option(
      "--max-head-age <seconds>",
      "how old a node's newest block may be by this machine's clock; older, the node is late or the clock fast, and nothing is done by it",
    )
      .env("LINK_MAX_HEAD_AGE")
      .default(HEAD_BOUNDS.maxAgeSeconds)
      .argParser(wholeNumber),
    maxHeadLead: new Option(
      "--max-head-lead <seconds>",
      "how far it may be ahead of this machine's clock; further, the clock is slow or the node wrong",
    )
      .env("LINK_MAX_HEAD_LEAD")
      .default(HEAD_BOUNDS.maxLeadSeconds)
      .argParser(wholeNumber),
  };
}

export function headBoundsOf(options: {
  readonly maxHeadAge: number;
  readonly maxHeadLead: number;
}): HeadBounds {
  return { maxAgeSeconds: options.maxHeadAge, maxLeadSeconds: options.maxHeadLead };
}

export function feeCeilingOption() {
  return new Option(
    "--max-fee <gwei>",
    "the most that is offered for a unit of gas, however long a transaction waits",
  )
    .default(DEFAULT_FEE_CEILING, `${DEFAULT_FEE_CEILING / GWEI}`)
    .argParser(gwei);
}

export function journalOption() {
  return new Option(
    "--journal <file>",
    "where transactions are kept from before they are sent until their fate is known; beside the key when not given",
  );
}

/** An amount with up to 18 decimals, in the smallest unit. */
export function decimals(text: string): bigint {
  try {
    if (/^[0-9]/.test(text)) return parseUnits(text);
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError("must be a number with at most 18 decimals, such as 0.05");
}

function gwei(text: string): bigint {
  try {
    if (/^[0-9]/.test(text) && parseUnits(text, "gwei") > 0n) return parseUnits(text, "gwei");
  } catch {
    // Told below.
  }
  throw new InvalidArgumentError("must be a number above 0 with at most 9 decimals, such as 1.5");
}

export function keyOptions() {
  return {
    keystore: new Option("--keystore <file>", "encrypted keystore of the key").env("LINK_KEYSTORE"),
    passwordFile: new Option("--password-file <file>", "file with the keystore's password").env(
      "LINK_PASSWORD_FILE",
    ),
    keyFile: new Option("--key-file <file>", "file with the bare key, readable by you alone").env(
      "LINK_KEY_FILE",
    ),
  };
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("must be a whole number");
  }
  return value;
}

export function address(text: string): Address {
  if (!isHexOf(text, 20))
    throw new InvalidArgumentError("must be an address: 0x and 40 hex digits");
  // Of one kind of letters it has no checksum.
  if (!isAddress(text))
    throw new InvalidArgumentError("its checksum is wrong: look for a mistyped digit");
  return lowercaseHex(text);
}

export function addresses(text: string, before: readonly Address[] = []): readonly Address[] {
  return [...before, address(text)];
}
