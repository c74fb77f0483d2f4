import type { StructOf } from "../encoding/fields.ts";
import { domainSeparator } from "../encoding/typed.ts";

export const CONTRACT_FIELDS = [
  { name: "linkToken", type: "address" },
  { name: "deviceRegistry", type: "address" },
  { name: "rewardProgramme", type: "address" },
  { name: "customerEscrow", type: "address" },
  { name: "oracleQuorum", type: "address" },
  /** Of the rules that the suite was deployed with. */
  { name: "judge", type: "address" },
  { name: "demands", type: "address" },
  { name: "epochLedger", type: "address" },
  { name: "rewardDistributor", type: "address" },
] as const;

/** The contracts' addresses. */
export type Contracts = StructOf<typeof CONTRACT_FIELDS>;

/** What never changes in a deployment: read once from the contracts. Times are unix seconds. */
export type Deployment = {
  readonly chainId: number;
  readonly contracts: Contracts;
  readonly genesis: number;
  readonly epochSeconds: number;
  readonly graceSeconds: number;
};

type Place = Pick<Deployment, "chainId" | "contracts">;

/** The EIP-712 domain of receipts, acknowledgements and consents. */
export function registryDomain({ chainId, contracts }: Place): Uint8Array {
  return domainSeparator(chainId, contracts.deviceRegistry);
}

/** The EIP-712 domain of vouchers. */
export function escrowDomain({ chainId, contracts }: Place): Uint8Array {
  return domainSeparator(chainId, contracts.customerEscrow);
}

/** The EIP-712 domain of reports. */
export function ledgerDomain({ chainId, contracts }: Place): Uint8Array {
  return domainSeparator(chainId, contracts.epochLedger);
}
