import { Option } from "@commander-js/extra-typings";
import { contractsOf } from "@link-rewards/client/deployment-file";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { type KeyFiles, openSigner } from "@link-rewards/host/keys";
import { address, wholeNumber } from "@link-rewards/host/options";
import { connectChain } from "./chain.ts";
import { welcomeDevices } from "./gateway/welcome.ts";
import { logToStderr } from "./log.ts";

/** What the programs that buy of devices, gateway and inspector, are told and open alike. */

export function buyingOptions() {
  return {
    customer: new Option("--customer <address>", "for whom it buys")
      .argParser(address)
      .makeOptionMandatory(),
    host: new Option("--host <host>", "address that devices dial in at").default("127.0.0.1"),
    port: new Option("--port <port>", "0 takes any free one").argParser(wholeNumber).default(8421),
    milliseconds: new Option(
      "--milliseconds <n>",
      "what a job may take, and costs, however long it takes",
    )
      .argParser(wholeNumber)
      .default(1_000),
  };
}

export type BuyingOptions = KeyFiles & {
  readonly deployment: string;
  readonly oracle: readonly string[];
  readonly rpc: readonly string[];
  readonly rpcQuorum?: number | undefined;
  readonly customer: Address;
  readonly host: string;
  readonly port: number;
  readonly json: boolean;
};

/** Its key, the chain, and a door at which devices dial in from now on. Whoever opens it closes door and chain. */
export async function openBuying(options: BuyingOptions) {
  const { customer, host, port } = options;
  const deployment = await readDeploymentFile(options.deployment);
  const contracts = contractsOf(deployment);
  const log = logToStderr(options.json);
  const buyer = {
    chainId: deployment.chainId,
    registry: contracts.deviceRegistry,
    escrow: contracts.customerEscrow,
    customer,
    key: await openSigner(options),
    oracles: options.oracle,
    chain: connectChain(options.rpc, deployment, options.rpcQuorum),
    log,
  };
  const door = await welcomeDevices({ ...buyer, host, port });
  return { ...buyer, door };
}
