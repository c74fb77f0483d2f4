import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { addressOf } from "@link-rewards/core/encoding/signature";
import { startNode } from "../../../device/node/start.ts";
import { deployment, keyOf } from "../../worlds/paper.ts";

// A device whose power fails at the one moment that matters: the sequence is stored, the signature is not yet made.
if (process.argv[2] !== undefined && process.argv[1] === import.meta.filename) {
  const { oracles, folder } = JSON.parse(process.argv[2]);
  const node = await startNode({
    key: {
      address: addressOf(keyOf("device-1")),
      publicKey: NO_PUBLIC_KEY,
      sign: () => {
        process.kill(process.pid, "SIGKILL");
        return new Promise(() => undefined);
      },
    },
    chainId: deployment.chainId,
    registry: deployment.contracts.deviceRegistry,
    oracles,
    folder,
  });
  process.stdout.write(`${node.url}\n`);
}
