import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { InterfaceAbi } from "ethers";
import hre from "hardhat";

/** Compiled here and nowhere else, by the same compiler and settings as the contracts they are compared with. */
type Compiled = {
  readonly abi: InterfaceAbi;
  readonly evm: { readonly bytecode: { readonly object: string } };
};
type Output = {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts: Record<string, Record<string, Compiled>>;
};
type Solc = {
  compile(input: string, callbacks: { import(path: string): { contents: string } }): string;
};

const SOURCE = "PlainDistributors.sol";
const require = createRequire(import.meta.url);

export function compilePlain(
  name: "PlainCumulativeDistributor" | "PlainEpochDistributor",
): Compiled {
  const solc = require("solc") as Solc;
  const content = readFileSync(new URL(`./contracts/${SOURCE}`, import.meta.url), "utf8");
  const compilers = hre.config.solidity.profiles.default?.compilers[0];
  const input = {
    language: "Solidity",
    sources: { [SOURCE]: { content } },
    settings: {
      ...compilers?.settings,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
    },
  };
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), {
      import: (path) => ({ contents: readFileSync(require.resolve(path), "utf8") }),
    }),
  ) as Output;
  const failed = output.errors?.find(({ severity }) => severity === "error");
  if (failed !== undefined) throw new Error(failed.formattedMessage);
  const compiled = output.contracts[SOURCE]?.[name];
  if (compiled === undefined) throw new Error(`${SOURCE} has no ${name}`);
  return compiled;
}
