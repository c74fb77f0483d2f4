import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { ContractName } from "@link-rewards/client/deployment-file";
import { getBytes, keccak256 } from "ethers";
import type { PageContract } from "./sources/contracts.ts";

const require = createRequire(import.meta.url);

type AbiItem = { type: string; name?: string; stateMutability?: string };
type Artifact = {
  readonly abi: readonly AbiItem[];
  readonly deployedBytecode: string;
  readonly immutableReferences: Readonly<
    Record<string, readonly { start: number; length: number }[]>
  >;
};

/** What the pages call, read and decode. Every error is kept: any of them may come back from a simulation. */
const USED: Readonly<Record<ContractName, readonly string[]>> = {
  LinkToken: ["balanceOf"],
  DeviceRegistry: [
    ...["indexOf", "accountsAt", "bind", "nonceOf", "deviceOf", "revision"],
    ...["DeviceEnrolled", "ClassLimitSet", "AccountIndexed", "DeviceBound", "DeviceTransferred"],
    "DeviceRevoked",
  ],
  RewardProgramme: ["revision", "InspectorAdded", "InspectorRemoved"],
  CustomerEscrow: [
    ...["revision", "CustomerAdmitted", "CustomerDismissed", "KeySet", "EndpointSet"],
    "VoucherCollected",
  ],
  OracleQuorum: [
    ...["revision", "MemberAdded", "MemberRemoved", "MemberExited", "MemberRotated"],
    ...["MemberSlashed", "ThresholdSet"],
  ],
  Judge: [],
  Demands: [],
  EpochLedger: [
    ...[
      "proposal",
      "windowSeconds",
      "revision",
      "TariffSet",
      "RulesSet",
      "RootProposed",
      "RootVetoed",
    ],
    ...["RootRevoked", "AttemptAbandoned", "RootFinalized", "LedgerClosed"],
  ],
  RewardDistributor: [
    ...["claim", "setPayee", "latestEpoch", "rootOf", "claimed", "payeeOf", "pausedUntil"],
    "Claimed",
  ],
};

/** The part of the compiler's output that the pages carry, and what code they expect at each address. */
export function pageContracts(): Record<ContractName, PageContract> {
  const entries = Object.entries(USED).map(([name, used]) => {
    const { abi, deployedBytecode, immutableReferences } = readArtifact(name);
    const kept = abi.filter(({ type, name }) => type === "error" || used.includes(name ?? ""));
    const missing = used.filter((wanted) => !kept.some((item) => item.name === wanted));
    if (missing.length > 0) throw new Error(`${name} has no ${missing.join(", ")}`);
    const immutables = Object.values(immutableReferences ?? {})
      .flat()
      .map(({ start, length }) => [start, length] as const)
      .sort(([a], [b]) => a - b);
    // The compiler leaves zeros where the constructor writes the immutables.
    const codeHash = keccak256(getBytes(deployedBytecode)) as `0x${string}`;
    return [name, { abi: kept.map(withoutInternalTypes), codeHash, immutables }] as const;
  });
  return Object.fromEntries(entries) as unknown as Record<ContractName, PageContract>;
}

function readArtifact(name: string): Artifact {
  return JSON.parse(readFileSync(require.resolve(`@link-rewards/contracts/${name}.json`), "utf8"));
}

function withoutInternalTypes(item: unknown): unknown {
  return JSON.parse(
    JSON.stringify(item, (key, value) => (key === "internalType" ? undefined : value)),
  );
}
