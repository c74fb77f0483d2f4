import { type Address, type Hex, isHexOf, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Contracts } from "@link-rewards/core/signed/deployment";

export const CONTRACT_NAMES = [
  "LinkToken",
  "DeviceRegistry",
  "RewardProgramme",
  "CustomerEscrow",
  "OracleQuorum",
  "Judge",
  "Demands",
  "EpochLedger",
  "RewardDistributor",
] as const;

export type ContractName = (typeof CONTRACT_NAMES)[number];

/** What deployments/<chainId>.json says: enough to find the contracts and to check that they are the ones meant. */
export type DeploymentFile = {
  readonly chainId: number;
  readonly genesis: number;
  readonly epochSeconds: number;
  readonly graceSeconds: number;
  /** The first block with anything of the contracts in it: where a reader of events starts. */
  readonly startBlock: number;
  readonly contracts: Readonly<Record<ContractName, DeployedContract>>;
};

export type DeployedContract = {
  readonly address: Address;
  readonly block: number;
  /** Constructor arguments, as the compiler's ABI orders them; integers over 32 bits as decimal strings. */
  readonly arguments: readonly unknown[];
  /** keccak256 of the code at the address. */
  readonly bytecodeHash: Hex;
};

/** Throws when the addresses are not there. What else it says, the chain is asked to confirm. */
export function parseDeploymentFile(json: string): DeploymentFile {
  const file = Object(JSON.parse(json)) as DeploymentFile;
  if (!Number.isSafeInteger(file.chainId)) throw new Error("it has no chainId");
  for (const name of CONTRACT_NAMES) {
    if (!isHexOf(file.contracts?.[name]?.address, 20))
      throw new Error(`it has no address of ${name}`);
  }
  return file;
}

/** The addresses alone, in the one spelling used inside. */
export function contractsOf({ contracts }: Pick<DeploymentFile, "contracts">): Contracts {
  return {
    linkToken: lowercaseHex(contracts.LinkToken.address),
    deviceRegistry: lowercaseHex(contracts.DeviceRegistry.address),
    rewardProgramme: lowercaseHex(contracts.RewardProgramme.address),
    customerEscrow: lowercaseHex(contracts.CustomerEscrow.address),
    oracleQuorum: lowercaseHex(contracts.OracleQuorum.address),
    judge: lowercaseHex(contracts.Judge.address),
    demands: lowercaseHex(contracts.Demands.address),
    epochLedger: lowercaseHex(contracts.EpochLedger.address),
    rewardDistributor: lowercaseHex(contracts.RewardDistributor.address),
  };
}
