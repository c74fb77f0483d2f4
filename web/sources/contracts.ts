import { CONTRACT_NAMES, type ContractName } from "@link-rewards/client/deployment-file";
import { type Hex, keccak256, toHex } from "@link-rewards/core/encoding/bytes";
import { Interface, type InterfaceAbi, type Result } from "ethers";

export type PageContract = {
  readonly abi: readonly unknown[];
  /** keccak256 of the code that this repository builds, with zeros where the constructor writes immutables. */
  readonly codeHash: Hex;
  /** Where those are: [start, length], in bytes. */
  readonly immutables: readonly (readonly [number, number])[];
};

/** Put in by the build (page-contracts.ts). */
declare const PAGE_CONTRACTS: Readonly<Record<ContractName, PageContract>>;

export const INTERFACES = Object.fromEntries(
  CONTRACT_NAMES.map((name) => [name, new Interface(PAGE_CONTRACTS[name].abi as InterfaceAbi)]),
) as unknown as Readonly<Record<ContractName, Interface>>;

/** A contract's own error, with its name and arguments; undefined when the bytes are none of ours. */
export function decodeRevert(revert: string): { name: string; args: Result } | undefined {
  for (const name of CONTRACT_NAMES) {
    const parsed = revert.length >= 10 ? INTERFACES[name].parseError(revert) : null;
    if (parsed !== null) return { name: parsed.name, args: parsed.args };
  }
  return undefined;
}

/** Whether the code at an address is what this repository builds, whatever its constructor was given. */
export function isThisBuild(name: ContractName, code: Uint8Array): boolean {
  const { codeHash, immutables } = PAGE_CONTRACTS[name];
  const blank = code.slice();
  for (const [start, length] of immutables) blank.fill(0, start, start + length);
  return toHex(keccak256(blank)) === codeHash;
}
