import { once } from "node:events";
import { createInterface } from "node:readline";
import { signerOf } from "@link-rewards/host/keys";
import { startGateway } from "../../../device/gateway/start.ts";
import { welcomeDevices } from "../../../device/gateway/welcome.ts";
import { deployment, keyOf } from "../../worlds/paper.ts";
import { chainOf, customer, SMALL_WORK } from "./service.ts";
import { settled } from "./settled.ts";

// A gateway that uses a node, says so, and settles when it is told to: it is killed while it does.
if (process.argv[2] !== undefined && process.argv[1] === import.meta.filename) {
  const { oracles, folder, file } = JSON.parse(process.argv[2]);
  const { chainId, contracts } = deployment;
  const about = {
    customer,
    key: signerOf(keyOf("gateway-1")),
    chainId,
    registry: contracts.deviceRegistry,
    oracles,
    chain: chainOf(),
  };
  const door = await welcomeDevices(about);
  process.stdout.write(`https://127.0.0.1:${door.port}\n`);
  await settled(() => door.devices()[0]);
  const gateway = await startGateway({
    ...about,
    escrow: contracts.customerEscrow,
    door,
    files: [file],
    folder,
    work: SMALL_WORK,
  });
  await gateway.serveRound();
  process.stdout.write("served\n");
  await once(createInterface({ input: process.stdin }), "line");
  await gateway.settle();
}
