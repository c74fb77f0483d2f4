import { once } from "node:events";
import { createInterface } from "node:readline";
import { signerOf } from "@link-rewards/host/keys";
import { startGateway } from "../../../device/gateway/start.ts";
import { deployment, keyOf } from "../../worlds/paper.ts";
import { chainOf, customer, SMALL_WORK } from "./service.ts";

// A gateway that uses a node, says so, and settles when it is told to: it is killed while it does.
if (process.argv[2] !== undefined && process.argv[1] === import.meta.filename) {
  const { oracles, folder, file, node } = JSON.parse(process.argv[2]);
  const { chainId, contracts } = deployment;
  const gateway = await startGateway({
    customer,
    key: signerOf(keyOf("gateway-1")),
    chainId,
    registry: contracts.deviceRegistry,
    escrow: contracts.customerEscrow,
    oracles,
    nodes: () => [node],
    files: [file],
    folder,
    chain: chainOf(),
    work: SMALL_WORK,
  });
  await gateway.serveRound();
  process.stdout.write("served\n");
  await once(createInterface({ input: process.stdin }), "line");
  await gateway.settle();
}
