import { join } from "node:path";
import { startNode } from "../../device/node/start.ts";
import { layDelay } from "../../scripts/delay.ts";
import { customer, deviceKey } from "../../test/device/support/service.ts";
import { deployment } from "../../test/worlds/paper.ts";

/** Devices in one process, each behind a delay of its own. Told what to dial by `fork`, and then how far each is. */
const { door, oracles, folder, roundTrips } = JSON.parse(String(process.argv[2])) as {
  door: number;
  oracles: string[];
  folder: string;
  roundTrips: number[];
};
/** Of a delay, how much more it may be, by chance. */
const JITTER = 0.2;

const away = [...roundTrips];
process.on("message", (changed: number[]) => away.splice(0, away.length, ...changed));
const devices = await Promise.all(
  roundTrips.map(async (_, i) => {
    const oneWay = () => (Number(away[i]) / 2) * (1 + JITTER * Math.random());
    const { port } = await layDelay(door, oneWay);
    const { device } = await startNode({
      key: deviceKey(`far-${i}`),
      chainId: deployment.chainId,
      registry: deployment.contracts.deviceRegistry,
      oracles,
      folder: join(folder, `far-${i}`),
      gateways: [{ customer, url: `https://127.0.0.1:${port}` }],
      allowPrivateAddresses: true,
    });
    return device;
  }),
);
process.send?.(devices);
process.once("disconnect", () => process.exit());
