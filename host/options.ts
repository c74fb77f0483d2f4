import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { type Address, isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";

/** Options that several programs have, on the command line or by environment. Keys only by the name of their file. */

export function deploymentOption() {
  return new Option("--deployment <file>", "deployments/<chainId>.json of the contracts")
    .env("LINK_DEPLOYMENT")
    .makeOptionMandatory();
}

export function rpcOption() {
  return new Option("--rpc <url>", "JSON-RPC node of the chain").env("LINK_RPC");
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
  return lowercaseHex(text);
}

export function addresses(text: string, before: readonly Address[] = []): readonly Address[] {
  return [...before, address(text)];
}
