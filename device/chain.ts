import { contractsOf, type DeploymentFile } from "@link-rewards/client/deployment-file";
import type { Address } from "@link-rewards/core/encoding/bytes";
import type { Tariff } from "@link-rewards/core/law/events";
import { Contract, JsonRpcProvider } from "ethers";
import type { NodeRefused } from "./refusal.ts";

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

export function connectChain(rpcUrl: string, deployment: DeploymentFile): Chain {
  const { chainId } = deployment;
  const { customerEscrow, epochLedger } = contractsOf(deployment);
  // Calls made at once still go as one batch; what is asked one after the other waits for no others.
  const provider = new JsonRpcProvider(rpcUrl, chainId, { staticNetwork: true, batchStallTime: 0 });
  const ask = (address: Address, abi: readonly string[]) => {
    const contract = new Contract(address, abi, provider);
    return (name: string, ...args: readonly unknown[]) =>
      contract.getFunction(name).staticCall(...args);
  };
  const askEscrow = ask(customerEscrow, ESCROW_ABI);
  const askLedger = ask(epochLedger, LEDGER_ABI);
  return {
    async checkCustomer(customer, key, epoch) {
      if (!(await askEscrow("isCustomerAt", customer, epoch))) {
        return {
          refusal: "customer-unknown",
          message: `${customer} is not a customer in epoch ${epoch}`,
        };
      }
      if (!(await askEscrow("isKeyAt", customer, key, epoch))) {
        return {
          refusal: "key-unknown",
          message: `${key} is not a key of ${customer} in epoch ${epoch}`,
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
