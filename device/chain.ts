import { contractsOf, type DeploymentFile } from "@link-rewards/client/deployment-file";
import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import { type ChainLog, readLogs } from "@link-rewards/client/node/logs";
import {
  type Address,
  type Hex,
  lowercaseHex,
  ZERO_ADDRESS,
} from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { OMISSION_ABI, type Omission, omissionTuple } from "@link-rewards/core/judge/omission";
import type { Block } from "@link-rewards/core/law/block";
import { decodeLog } from "@link-rewards/core/law/decode-log";
import type { Tariff } from "@link-rewards/core/law/events";
import type { Report } from "@link-rewards/core/signed/report";
import { NodeProvider } from "@link-rewards/host/chain/node-provider";
import { AbiCoder, Contract, Interface } from "ethers";
import type { NodeRefused } from "./refusal.ts";

/** The few things the device side asks the contracts, each for one epoch or as of now. Amounts are in wei. */
export type Chain = Reported & {
  /** What a customer may buy with this key in this epoch; refused when it may buy nothing. All of one block. */
  standingOf(customer: Address, key: Address, epoch: number): Promise<Standing | NodeRefused>;
  tariffAt(epoch: number): Promise<Tariff>;
  /** The most that vouchers signed with this key are paid for in an epoch. */
  capAt(customer: Address, key: Address, epoch: number): Promise<bigint>;
  /** The earliest epoch that vouchers are paid for: of those before it, all are void. */
  collectableEpoch(): Promise<number>;
  /** What the customer has paid for an epoch. */
  paid(customer: Address, epoch: number): Promise<bigint>;
  /** What the customer has in the escrow, less what thaws. */
  spendable(customer: Address): Promise<bigint>;
  /** The most that the programme pays for an inspector in an epoch; undefined for who is none in it. */
  shareAt(customer: Address, epoch: number): Promise<bigint | undefined>;
  /** Whether what the device delivers in an epoch earns for anybody. */
  isEarningAt(device: Address, epoch: number): Promise<boolean>;
  close(): void;
};

/** What was reported, and what a device can hold against it. */
export type Reported = {
  /** The last epoch that is final; 0 before the first. */
  lastFinalEpoch(): Promise<number>;
  /** The report by which an epoch became final. */
  finalReport(epoch: number): Promise<Report>;
  /** What an epoch came to; undefined while it is not final. */
  finalEpoch(epoch: number): Promise<FinalEpoch | undefined>;
  /** Whom a device earns for in an epoch; the zero address when for nobody. */
  ownerAt(device: Address, epoch: number): Promise<Address>;
  /** The registry's index of an account; after all others for one without. */
  indexOf(account: Address): Promise<number>;
  /** The digest of a lawful receipt that a report lacks; the zero hash when it does not show one. */
  omitted(report: Report, omission: Omission): Promise<Hex>;
};

/** What the escrow says of an epoch that is final: enough to check its invoices. */
export type FinalEpoch = Pick<Report, "epoch" | "invoiceRoot" | "contributions">;

/** How much a key may promise in an epoch, what service costs in it, and what there is to pay with. */
export type Standing = {
  readonly cap: bigint;
  readonly tariff: Tariff;
  /** None of an inspector, whose share is in the cap, and none where nobody asks the chain. */
  readonly cover?: Cover;
};

export type Cover = {
  /** In the escrow, less what thaws. */
  readonly spendable: bigint;
  /** What was paid for each epoch, of this one and the one before, that is still collected for. */
  readonly paid: ReadonlyMap<number, bigint>;
};

/** Compared with the contracts' ABI by a test. */
export const REGISTRY_ABI = [
  "function ownerAt(address device, uint32 epoch) view returns (address)",
  "function sealTimeOf(uint256 epoch) view returns (uint256)",
  "function indexOf(address account) view returns (uint256)",
] as const;
export const PROGRAMME_ABI = [
  "function isInspectorAt(address inspector, uint32 epoch) view returns (bool)",
  "function shareAt(uint32 epoch) view returns (uint256)",
] as const;
export const ESCROW_ABI = [
  "function isCustomerAt(address customer, uint32 epoch) view returns (bool)",
  "function capAt(address customer, address key, uint32 epoch) view returns (uint96)",
  "function balanceOf(address customer) view returns (uint256)",
  "function thawOf(address customer) view returns (uint96 amount, uint40 withdrawableAt)",
  "function collectableEpoch() view returns (uint32)",
  "function paid(address customer, uint32 epoch) view returns (uint256)",
  "function epochAccountOf(uint32 epoch) view returns (tuple(uint96 fund, uint96 refundable, uint32 contributions, bool settled, bytes32 invoiceRoot))",
] as const;
export const LEDGER_ABI = [
  "function tariffAt(uint32 epoch) view returns (tuple(uint96 egressPrice, uint96 storagePrice, uint96 computePrice, uint16 feeBps))",
  "function lastFinal() view returns (uint32 epoch, bytes32 root, uint96 total, uint32 leaves)",
  "function judgeOf(bytes32 rulesHash) view returns (address)",
  "event RootProposed(uint32 indexed epoch, uint32 indexed attempt, bytes32 indexed digest, tuple(uint32 epoch, uint32 attempt, bytes32 prevRoot, bytes32 root, bytes32 contributionRoot, bytes32 invoiceRoot, uint32 contributions, uint96 total, bytes32 bundleHash, bytes32 rulesHash) report, uint256 signers, uint256 finalizableAt, uint64 revision)",
] as const;
export const JUDGE_ABI = [
  "function omitted(uint32 epoch, bytes32 contributionRoot, uint32 contributions, bytes omission) view returns (bytes32 digest)",
] as const;

const ledger = new Interface(LEDGER_ABI);

function reportIn(log: ChainLog): Report {
  const event = decodeLog(log);
  if (event === undefined || isRefused(event) || event.name !== "RootProposed") {
    const says = event && isRefused(event) ? event.message : "no RootProposed";
    throw new Error(`the RPC node's log ${log.logIndex} of block ${log.blockNumber}: ${says}`);
  }
  return event.args.report;
}

export function connectChain(
  rpcUrls: readonly string[],
  deployment: DeploymentFile,
  rpcQuorum?: number,
): Chain {
  const { chainId, startBlock } = deployment;
  const contracts = contractsOf(deployment);
  const provider = new NodeProvider(rpcUrls, chainId, { quorum: rpcQuorum });
  const ask = (address: Address, abi: readonly string[]) => {
    const contract = new Contract(address, abi, provider);
    return (name: string, ...args: readonly unknown[]) =>
      contract.getFunction(name).staticCall(...args);
  };
  const askRegistry = ask(contracts.deviceRegistry, REGISTRY_ABI);
  const askProgramme = ask(contracts.rewardProgramme, PROGRAMME_ABI);
  const askEscrow = ask(contracts.customerEscrow, ESCROW_ABI);
  const askLedger = ask(contracts.epochLedger, LEDGER_ABI);

  const blockAt = async (number: number | "latest"): Promise<Block> => {
    const block = await provider.getBlock(number);
    if (block === null) throw new Error(`the RPC node does not have block ${number}`);
    return { number: block.number, hash: block.hash as Hex, timestamp: block.timestamp };
  };

  /** All of one block: what is collected in between would else be counted twice, or not at all. */
  async function coverOf(customer: Address, epoch: number, blockTag: number): Promise<Cover> {
    const epochs = [epoch - 1, epoch].filter((each) => each > 0);
    const [balance, [thawing], collectable, ...amounts]: readonly [
      bigint,
      readonly [bigint],
      bigint,
      ...bigint[],
    ] = await Promise.all([
      askEscrow("balanceOf", customer, { blockTag }),
      askEscrow("thawOf", customer, { blockTag }),
      askEscrow("collectableEpoch", { blockTag }),
      ...epochs.map((each) => askEscrow("paid", customer, each, { blockTag })),
    ]);
    const paid = epochs.map((each, i) => [each, amounts[i] ?? 0n] as const);
    return {
      spendable: balance > thawing ? balance - thawing : 0n,
      paid: new Map(paid.filter(([each]) => each >= Number(collectable))),
    };
  }

  const chain: Chain = {
    async standingOf(customer, key, epoch) {
      const blockTag = await provider.getBlockNumber();
      const [admitted, cap, tariff, share, cover] = await Promise.all([
        askEscrow("isCustomerAt", customer, epoch, { blockTag }),
        askEscrow("capAt", customer, key, epoch, { blockTag }),
        chain.tariffAt(epoch),
        chain.shareAt(customer, epoch),
        coverOf(customer, epoch, blockTag),
      ]);
      if (!admitted) {
        return {
          refusal: "customer-unknown",
          message: `${customer} is not a customer in epoch ${epoch}`,
        };
      }
      if (cap === 0n) {
        return {
          refusal: "key-unknown",
          message: `${key} is not a key of ${customer} in epoch ${epoch}`,
        };
      }
      // The programme pays for an inspector, whatever its balance.
      if (share === undefined) return { cap, tariff, cover };
      if (share > 0n) return { cap: share < cap ? share : cap, tariff };
      return {
        refusal: "customer-uncovered",
        message: `${customer} has no share of the programme`,
      };
    },
    async tariffAt(epoch) {
      const { egressPrice, storagePrice, computePrice, feeBps } = await askLedger(
        "tariffAt",
        epoch,
      );
      return { egressPrice, storagePrice, computePrice, feeBps: Number(feeBps) };
    },
    capAt: (customer, key, epoch) => askEscrow("capAt", customer, key, epoch),
    collectableEpoch: async () => Number(await askEscrow("collectableEpoch")),
    paid: (customer, epoch) => askEscrow("paid", customer, epoch),
    async spendable(customer) {
      const [balance, [thawing]]: readonly [bigint, readonly [bigint]] = await Promise.all([
        askEscrow("balanceOf", customer),
        askEscrow("thawOf", customer),
      ]);
      return balance > thawing ? balance - thawing : 0n;
    },
    async shareAt(customer, epoch) {
      const [isInspector, share] = await Promise.all([
        askProgramme("isInspectorAt", customer, epoch),
        askProgramme("shareAt", epoch),
      ]);
      return isInspector ? share : undefined;
    },
    isEarningAt: async (device, epoch) =>
      (await askRegistry("ownerAt", device, epoch)) !== ZERO_ADDRESS,
    async lastFinalEpoch() {
      const { epoch } = await askLedger("lastFinal");
      return Number(epoch);
    },
    async finalEpoch(epoch) {
      const { settled, invoiceRoot, contributions } = await askEscrow("epochAccountOf", epoch);
      return settled
        ? { epoch, invoiceRoot: lowercaseHex(invoiceRoot), contributions: Number(contributions) }
        : undefined;
    },
    async finalReport(epoch) {
      // Nothing is proposed before its epoch's seal time, and what was proposed last became final.
      const sealed = Number(await askRegistry("sealTimeOf", epoch));
      const head = await blockAt("latest");
      const first = await lastBlockBefore(blockAt, sealed, startBlock, head);
      const filter = {
        address: contracts.epochLedger,
        topics: ledger.encodeFilterTopics("RootProposed", [epoch]) as Hex[],
      };
      let report: Report | undefined;
      const pages = readLogs(provider, filter, first?.number ?? startBlock, head.number);
      for await (const { logs } of pages) report = logs.map(reportIn).at(-1) ?? report;
      if (report === undefined) throw new Error(`the RPC node has no report of epoch ${epoch}`);
      return report;
    },
    ownerAt: async (device, epoch) => lowercaseHex(await askRegistry("ownerAt", device, epoch)),
    indexOf: async (account) => Number(await askRegistry("indexOf", account)),
    async omitted({ epoch, contributionRoot, contributions, rulesHash }, omission) {
      const judge = ask(lowercaseHex(await askLedger("judgeOf", rulesHash)), JUDGE_ABI);
      const shown = AbiCoder.defaultAbiCoder().encode([OMISSION_ABI], [omissionTuple(omission)]);
      return judge("omitted", epoch, contributionRoot, contributions, shown);
    },
    close: () => provider.destroy(),
  };
  return chain;
}
