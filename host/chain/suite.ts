import escrowArtifact from "@link-rewards/contracts/CustomerEscrow.json" with { type: "json" };
import demandsArtifact from "@link-rewards/contracts/Demands.json" with { type: "json" };
import registryArtifact from "@link-rewards/contracts/DeviceRegistry.json" with { type: "json" };
import ledgerArtifact from "@link-rewards/contracts/EpochLedger.json" with { type: "json" };
import judgeArtifact from "@link-rewards/contracts/Judge.json" with { type: "json" };
import tokenArtifact from "@link-rewards/contracts/LinkToken.json" with { type: "json" };
import quorumArtifact from "@link-rewards/contracts/OracleQuorum.json" with { type: "json" };
import distributorArtifact from "@link-rewards/contracts/RewardDistributor.json" with {
  type: "json",
};
import programmeArtifact from "@link-rewards/contracts/RewardProgramme.json" with { type: "json" };
import type { CustomerEscrow } from "@link-rewards/contracts/types/CustomerEscrow";
import type { Demands } from "@link-rewards/contracts/types/Demands";
import type { DeviceRegistry } from "@link-rewards/contracts/types/DeviceRegistry";
import type { EpochLedger } from "@link-rewards/contracts/types/EpochLedger";
import type { Judge } from "@link-rewards/contracts/types/Judge";
import type { LinkToken } from "@link-rewards/contracts/types/LinkToken";
import type { OracleQuorum } from "@link-rewards/contracts/types/OracleQuorum";
import type { RewardDistributor } from "@link-rewards/contracts/types/RewardDistributor";
import type { RewardProgramme } from "@link-rewards/contracts/types/RewardProgramme";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Contracts } from "@link-rewards/core/signed/deployment";
import { type BaseContract, Contract, type ContractRunner, isError } from "ethers";

export const ARTIFACTS = {
  LinkToken: tokenArtifact,
  DeviceRegistry: registryArtifact,
  RewardProgramme: programmeArtifact,
  CustomerEscrow: escrowArtifact,
  OracleQuorum: quorumArtifact,
  Judge: judgeArtifact,
  Demands: demandsArtifact,
  EpochLedger: ledgerArtifact,
  RewardDistributor: distributorArtifact,
} as const;

/** The contracts, sent to from whatever they are `connect`ed to. */
export type Suite = {
  readonly token: LinkToken;
  readonly registry: DeviceRegistry;
  readonly programme: RewardProgramme;
  readonly escrow: CustomerEscrow;
  readonly quorum: OracleQuorum;
  /** Of the rules that the suite was deployed with: later ones bring their own. */
  readonly judge: Judge;
  readonly demands: Demands;
  readonly ledger: EpochLedger;
  readonly distributor: RewardDistributor;
};

export function connectSuite(contracts: Contracts, runner: ContractRunner): Suite {
  const connect = <C extends BaseContract>(address: Address, { abi }: { abi: unknown }) =>
    new Contract(address, abi as string[], runner) as unknown as C;
  return {
    token: connect<LinkToken>(contracts.linkToken, ARTIFACTS.LinkToken),
    registry: connect<DeviceRegistry>(contracts.deviceRegistry, ARTIFACTS.DeviceRegistry),
    programme: connect<RewardProgramme>(contracts.rewardProgramme, ARTIFACTS.RewardProgramme),
    escrow: connect<CustomerEscrow>(contracts.customerEscrow, ARTIFACTS.CustomerEscrow),
    quorum: connect<OracleQuorum>(contracts.oracleQuorum, ARTIFACTS.OracleQuorum),
    judge: connect<Judge>(contracts.judge, ARTIFACTS.Judge),
    demands: connect<Demands>(contracts.demands, ARTIFACTS.Demands),
    ledger: connect<EpochLedger>(contracts.epochLedger, ARTIFACTS.EpochLedger),
    distributor: connect<RewardDistributor>(
      contracts.rewardDistributor,
      ARTIFACTS.RewardDistributor,
    ),
  };
}

export async function checkWiring(suite: Suite, contracts: Contracts): Promise<void> {
  const links: readonly [string, () => Promise<string>, Address][] = [
    ["EpochLedger.registry", () => suite.ledger.registry(), contracts.deviceRegistry],
    ["EpochLedger.escrow", () => suite.ledger.escrow(), contracts.customerEscrow],
    ["EpochLedger.quorum", () => suite.ledger.quorum(), contracts.oracleQuorum],
    ["EpochLedger.distributor", () => suite.ledger.distributor(), contracts.rewardDistributor],
    ["EpochLedger.demands", () => suite.ledger.demands(), contracts.demands],
    ["Demands.ledger", () => suite.demands.ledger(), contracts.epochLedger],
    ["Judge.registry", () => suite.judge.registry(), contracts.deviceRegistry],
    ["Judge.escrow", () => suite.judge.escrow(), contracts.customerEscrow],
    ["RewardProgramme.token", () => suite.programme.token(), contracts.linkToken],
    ["RewardProgramme.ledger", () => suite.programme.ledger(), contracts.epochLedger],
    ["CustomerEscrow.token", () => suite.escrow.token(), contracts.linkToken],
    ["CustomerEscrow.programme", () => suite.escrow.programme(), contracts.rewardProgramme],
    ["CustomerEscrow.ledger", () => suite.escrow.ledger(), contracts.epochLedger],
    ["OracleQuorum.token", () => suite.quorum.token(), contracts.linkToken],
    ["OracleQuorum.ledger", () => suite.quorum.ledger(), contracts.epochLedger],
    ["RewardDistributor.token", () => suite.distributor.token(), contracts.linkToken],
    ["RewardDistributor.ledger", () => suite.distributor.ledger(), contracts.epochLedger],
  ];
  for (const [name, read, expected] of links) {
    let found: string;
    try {
      found = lowercaseHex(await read());
    } catch (cause) {
      // What became of the question says nothing about the file.
      if (!isError(cause, "BAD_DATA") && !isError(cause, "CALL_EXCEPTION")) throw cause;
      throw new Error(`${name} cannot be read: is this the deployment file of this chain?`, {
        cause,
      });
    }
    if (found !== expected)
      throw new Error(`${name} is ${found}, the deployment file says ${expected}`);
  }
}
