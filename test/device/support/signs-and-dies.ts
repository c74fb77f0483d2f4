import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { addressOf, sign } from "@link-rewards/core/encoding/signature";
import { startNode } from "../../../device/node/start.ts";
import { deployment, keyOf } from "../../worlds/paper.ts";

// A device whose power fails at the one moment that matters: the sequence is stored, the signature is not yet made.
if (process.argv[2] !== undefined && process.argv[1] === import.meta.filename) {
  const { oracles, folder } = JSON.parse(process.argv[2]);
  // First of all it signs that it is at the other end of its connection.
  let isLinked = false;
  await startNode({
    key: {
      address: addressOf(keyOf("device-1")),
      publicKey: NO_PUBLIC_KEY,
      sign: (digest) => {
        if (!isLinked) {
          isLinked = true;
          return sign(digest, keyOf("device-1"));
        }
        process.kill(process.pid, "SIGKILL");
        return new Promise(() => undefined);
      },
    },
    chainId: deployment.chainId,
    registry: deployment.contracts.deviceRegistry,
    oracles,
    folder,
    allowPrivateAddresses: true,
  });
}
