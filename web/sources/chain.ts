import { CONTRACT_NAMES, type ContractName } from "@link-rewards/client/deployment-file";
import { type Address, fromHex, type Hex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { Block } from "@link-rewards/core/law/block";
import { decodeLog } from "@link-rewards/core/law/decode-log";
import type { LawEvent } from "@link-rewards/core/law/events";
import type { Result } from "ethers";
import type { PageConfig } from "./config.ts";
import { INTERFACES } from "./contracts.ts";
import { connectRpc, isRpcError, type Request } from "./rpc.ts";
import { trouble } from "./trouble.ts";

/** Blocks in one `eth_getLogs`; halved when a node refuses the answer as too large. */
const LOG_BLOCKS = 10_000;

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
  readonly request: Request;
  read<T = Result>(contract: ContractName, method: string, ...args: readonly unknown[]): Promise<T>;
  block(tag: number | "latest"): Promise<Block | undefined>;
  code(address: Address): Promise<Uint8Array>;
  /** Logs since the deployment, in the order of the chain; `topics` as for `eth_getLogs`. */
  logs(contracts: readonly ContractName[], topics?: readonly unknown[]): Promise<ChainLog[]>;
};

export function connectChain(config: PageConfig): Chain {
  const request = guardChainId(connectRpc(config.rpcUrl), config);
  const { contracts, startBlock } = config.deployment;
  const nameOf = new Map(
    CONTRACT_NAMES.map((name) => [contracts[name].address.toLowerCase(), name]),
  );
  const block: Chain["block"] = async (tag) => {
    const found = await request<Record<"number" | "timestamp", string> & { hash: Hex }>(
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
      const answer = await request<Hex>("eth_call", [call, "latest"]);
      const result = face.decodeFunctionResult(method, answer);
      return (result.length === 1 ? result[0] : result) as T;
    },
    block,
    code: async (address) => fromHex(await request<Hex>("eth_getCode", [address, "latest"])),
    async logs(names, topics = []) {
      const head = Number(await request<Hex>("eth_blockNumber"));
      const address = names.map((name) => contracts[name].address);
      const found: RawLog[] = [];
      let size = LOG_BLOCKS;
      for (let from = startBlock; from <= head; ) {
        const to = Math.min(head, from + size - 1);
        const range = { address, topics, fromBlock: quantity(from), toBlock: quantity(to) };
        try {
          found.push(...(await request<RawLog[]>("eth_getLogs", [range])));
          from = to + 1;
        } catch (error) {
          if (!isRpcError(error) || size === 1) throw error;
          size = Math.ceil(size / 2);
        }
      }
      return found.flatMap((log) => {
        const contract = nameOf.get(log.address.toLowerCase());
        if (!contract) return [];
        return {
          contract,
          topics: log.topics,
          data: log.data,
          blockNumber: Number(log.blockNumber),
          logIndex: Number(log.logIndex),
          transactionHash: log.transactionHash,
        };
      });
    },
  };
}

type RawLog = {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: Hex;
  readonly logIndex: Hex;
  readonly transactionHash: Hex;
};

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
    try {
      await checked;
    } catch (error) {
      checked = undefined;
      throw error;
    }
    return request<T>(method, params);
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
