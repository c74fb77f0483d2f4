import { startNode } from "../../../device/node/start.ts";
import { deployment } from "../../worlds/paper.ts";
import { deviceKey } from "./service.ts";

// A device in a process of its own, so that it can be killed.
if (process.argv[2] !== undefined && process.argv[1] === import.meta.filename) {
  const { name, oracles, folder } = JSON.parse(process.argv[2]);
  await startNode({
    key: deviceKey(name),
    chainId: deployment.chainId,
    registry: deployment.contracts.deviceRegistry,
    oracles,
    folder,
    allowPrivateAddresses: true,
  });
}
