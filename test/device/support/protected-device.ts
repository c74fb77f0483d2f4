import { readFile } from "node:fs/promises";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { openDeviceKey } from "@link-rewards/host/keys";
import { connectChain } from "../../../device/chain.ts";
import { startNode } from "../../../device/node/start.ts";

/** What the process of a device is told: as the options of link-node, and how often it looks. */
export type ProtectedDevice = {
  readonly oracle: string;
  /** Empty: it believes the oracle. */
  readonly rpcUrl: string;
  readonly deploymentFile: string;
  readonly keyFile: string;
  readonly folder: string;
  /** In wei. */
  readonly most: string;
};

/** How often it asks what a device asks once a minute, or half a minute. */
const LOOK_MS = 50;

// A device as link-node runs it, in a hurry: it is asked through the socket in its folder, and killed.
if (process.argv[2] !== undefined && process.argv[1] === import.meta.filename) {
  const told: ProtectedDevice = JSON.parse(await readFile(process.argv[2], "utf8"));
  const deployment = await readDeploymentFile(told.deploymentFile);
  const contracts = contractsOf(deployment);
  const chain = told.rpcUrl === "" ? undefined : connectChain([told.rpcUrl], deployment);
  await startNode({
    key: await openDeviceKey({ keyFile: told.keyFile }),
    chainId: deployment.chainId,
    registry: contracts.deviceRegistry,
    oracles: [told.oracle],
    folder: told.folder,
    allowPrivateAddresses: true,
    lookMilliseconds: LOOK_MS,
    epochMaxAgeMilliseconds: 0,
    standingMilliseconds: 0,
    paymentsMilliseconds: LOOK_MS,
    backoff: {
      firstMilliseconds: LOOK_MS,
      longestMilliseconds: 2 * LOOK_MS,
      retries: Number.POSITIVE_INFINITY,
    },
    allowance: { most: BigInt(told.most), of: new Map() },
    ...(chain && {
      standingOf: chain.standingOf,
      payments: { chain, escrow: contracts.customerEscrow },
    }),
    log: (level, event, detail) =>
      process.stdout.write(`${JSON.stringify({ level, event, ...detail })}\n`),
  });
}
