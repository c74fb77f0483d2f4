import { CONTRACT_NAMES, type ContractName } from "@link-rewards/client/deployment-file";
import type { Topic } from "@link-rewards/client/node/logs";
import { type Address, fromHex, type Hex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { Block } from "@link-rewards/core/law/block";
import { decodeLog } from "@link-rewards/core/law/decode-log";
import type { LawEvent } from "@link-rewards/core/law/events";
import type { Result } from "ethers";
import type { PageConfig } from "./config.ts";
import { INTERFACES } from "./contracts.ts";
import { keepLogs } from "./kept-logs.ts";
import { connectRpc, nodeTrouble, type Request, refusalTrouble } from "./rpc.ts";
import { trouble } from "./trouble.ts";

export type ChainLog = {
  readonly contract: ContractName;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: number;
  readonly logIndex: number;
  readonly transactionHash: Hex;
};

/** What the pages read: a public node, trusted for no more than the state of the chain. */
export type Chain = {
  readonly config: PageConfig;
  /** Throws a trouble where no node answers, and an RpcError where one refuses. */
  readonly request: Request;
  read<T = Result>(contract: ContractName, method: string, ...args: readonly unknown[]): Promise<T>;
  block(tag: number | "latest"): Promise<Block | undefined>;
  code(address: Address): Promise<Uint8Array>;
  /** Logs since the deployment, in the order of the chain; `topics` as for `eth_getLogs`. */
  logs(contracts: readonly ContractName[], topics?: readonly Topic[]): Promise<ChainLog[]>;
  /** Reads all of them anew the next time: what a node left out was kept too. */
  forgetLogs(): Promise<void>;
};

export function connectChain(config: PageConfig): Chain {
  const ask = guardChainId(connectRpc(config.rpcUrls), config);
  const request: Request = (method, params) =>
    ask(method, params).catch(rethrow(nodeTrouble)) as never;
  /** What every node answers. */
  const fact: Request = (method, params) =>
    ask(method, params).catch(rethrow(refusalTrouble)) as never;
  const { contracts, startBlock } = config.deployment;
  const nameOf = new Map(
    CONTRACT_NAMES.map((name) => [contracts[name].address.toLowerCase(), name]),
  );
  const kept = keepLogs(
    ask,
    `${config.deployment.chainId} ${contracts.EpochLedger.address} ${config.rpcUrls.join(" ")}`,
    startBlock,
  );
  const block: Chain["block"] = async (tag) => {
    const found = await fact<Record<"number" | "timestamp", string> & { hash: Hex }>(
      "eth_getBlockByNumber",
      [quantity(tag), false],
    );
    if (found === null) return undefined;
    return { number: Number(found.number), hash: found.hash, timestamp: Number(found.timestamp) };
  };
  return {
    config,
    request,
    async read<T>(contract: ContractName, method: string, ...args: readonly unknown[]) {
      const face = INTERFACES[contract];
      const call = {
        to: contracts[contract].address,
        data: face.encodeFunctionData(method, [...args]),
      };
      const answer = await fact<Hex>("eth_call", [call, "latest"]);
      const result = face.decodeFunctionResult(method, answer);
      return (result.length === 1 ? result[0] : result) as T;
    },
    block,
    code: async (address) => fromHex(await fact<Hex>("eth_getCode", [address, "latest"])),
    forgetLogs: kept.forget,
    async logs(names, topics = []) {
      const address = names.map((name) => contracts[name].address);
      const found = await kept.read({ address, topics }).catch(rethrow(refusalTrouble));
      return found.flatMap(({ address, ...log }) => {
        const contract = nameOf.get(address);
        return contract === undefined ? [] : { ...log, contract };
      });
    },
  };
}

function rethrow(told: (error: unknown) => unknown) {
  return (error: unknown): never => {
    throw told(error);
  };
}

/** A node of another chain would answer everything, and everything wrongly. Asked once, before the first answer. */
function guardChainId(request: Request, { deployment, chain }: PageConfig): Request {
  let checked: Promise<void> | undefined;
  const check = async () => {
    const found = Number(await request<Hex>("eth_chainId"));
    if (found !== deployment.chainId) {
      throw trouble("wrong-rpc", `the node serves chain ${found}, not ${chain.name}`);
    }
  };
  return async <T>(method: string, params?: readonly unknown[]) => {
    checked ??= check();
    // In one request with it.
    const answer = request<T>(method, params);
    answer.catch(() => undefined);
    try {
      await checked;
    } catch (error) {
      checked = undefined;
      throw error;
    }
    return answer;
  };
}

/** How many accounts have a leaf in `epoch`: law, and no longer moving once the epoch has begun. */
export async function leavesAt(chain: Chain, epoch: number): Promise<number> {
  return Number(await chain.read<bigint>("DeviceRegistry", "accountsAt", epoch));
}

/** Undefined for what is no law event. */
export function lawEvent(log: ChainLog): LawEvent | undefined {
  const event = decodeLog(log);
  if (event === undefined || !isRefused(event)) return event;
  const where = `log ${log.logIndex} of block ${log.blockNumber}`;
  throw trouble("rpc-incomplete", `${where}: ${event.message}`);
}

/** The arguments of any other event of the contract. */
export function argsOf({ contract, topics, data }: ChainLog): Result | undefined {
  return INTERFACES[contract].parseLog({ topics, data })?.args;
}

export function eventTopic(contract: ContractName, name: string): Hex {
  return INTERFACES[contract].getEvent(name)?.topicHash as Hex;
}

function quantity(value: number | "latest"): string {
  return value === "latest" ? value : `0x${value.toString(16)}`;
}
