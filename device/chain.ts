import { readFile } from "node:fs/promises";
import { Contract, JsonRpcProvider } from "ethers";
import { z } from "zod";
import { type Address, isHexOf, lowercaseHex } from "../oracle/core/bytes.ts";
import type { Tariff } from "../oracle/core/events.ts";
import type { NodeRefused } from "./refusal.ts";

/** Where signatures belong: out of deployments/<chainId>.json. */
export type Deployment = {
  readonly chainId: number;
  readonly registry: Address;
  readonly escrow: Address;
  readonly ledger: Address;
};

/** The few things the device side asks the contracts, each for one epoch or as of now. */
export type Chain = {
  /** Admitted, with this key, in this epoch, and with something to pay with. */
  checkCustomer(customer: Address, key: Address, epoch: number): Promise<NodeRefused | undefined>;
  tariffAt(epoch: number): Promise<Tariff>;
  /** What the customer has paid in all, in wei. */
  collected(customer: Address): Promise<bigint>;
  close(): void;
};

/** Compared with the contracts' ABI by a test. */
export const ESCROW_ABI = [
  "function isCustomerAt(address customer, uint32 epoch) view returns (bool)",
  "function isKeyAt(address customer, address key, uint32 epoch) view returns (bool)",
  "function balanceOf(address customer) view returns (uint256)",
  "function collected(address customer) view returns (uint256)",
] as const;
export const LEDGER_ABI = [
  "function tariffAt(uint32 epoch) view returns (tuple(uint96 egressPrice, uint96 storagePrice, uint96 computePrice, uint32 rewardCapBps) tariff)",
] as const;

const CONTRACT = z.object({
  address: z
    .string()
    .refine((text) => isHexOf(text, 20))
    .transform(lowercaseHex),
});
const DEPLOYMENT = z.object({
  chainId: z.int(),
  contracts: z.object({
    DeviceRegistry: CONTRACT,
    CustomerEscrow: CONTRACT,
    EpochLedger: CONTRACT,
  }),
});

export async function readDeployment(file: string): Promise<Deployment> {
  try {
    const { chainId, contracts } = DEPLOYMENT.parse(JSON.parse(await readFile(file, "utf8")));
    return {
      chainId,
      registry: contracts.DeviceRegistry.address,
      escrow: contracts.CustomerEscrow.address,
      ledger: contracts.EpochLedger.address,
    };
  } catch (cause) {
    throw new Error(`${file} is no deployment file`, { cause });
  }
}

export function connectChain(rpcUrl: string, { chainId, escrow, ledger }: Deployment): Chain {
  const provider = new JsonRpcProvider(rpcUrl, chainId, { staticNetwork: true });
  const ask = (address: Address, abi: readonly string[]) => {
    const contract = new Contract(address, abi, provider);
    return (name: string, ...args: readonly unknown[]) =>
      contract.getFunction(name).staticCall(...args);
  };
  const askEscrow = ask(escrow, ESCROW_ABI);
  const askLedger = ask(ledger, LEDGER_ABI);
  return {
    async checkCustomer(customer, key, epoch) {
      if (!(await askEscrow("isCustomerAt", customer, epoch))) {
        return {
          refusal: "customer-unknown",
          message: `${customer} is no customer in epoch ${epoch}`,
        };
      }
      if (!(await askEscrow("isKeyAt", customer, key, epoch))) {
        return {
          refusal: "key-unknown",
          message: `${key} is no key of ${customer} in epoch ${epoch}`,
        };
      }
      if ((await askEscrow("balanceOf", customer)) > 0n) return undefined;
      return { refusal: "customer-uncovered", message: `${customer} has nothing in the escrow` };
    },
    async tariffAt(epoch) {
      const { egressPrice, storagePrice, computePrice, rewardCapBps } = await askLedger(
        "tariffAt",
        epoch,
      );
      return { egressPrice, storagePrice, computePrice, rewardCapBps: Number(rewardCapBps) };
    },
    collected: (customer) => askEscrow("collected", customer),
    close: () => provider.destroy(),
  };
}
