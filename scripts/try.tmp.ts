import hre from "hardhat";
import { RULES_HASH } from "../oracle/core/rules.ts";
import { deploySuite } from "./deployment.ts";

const c = await hre.network.create();
const s = (await c.ethers.getSigners()).map((x) => x.address.toLowerCase() as `0x${string}`);
console.time("deploy");
const p = {
  genesis: Math.floor(Date.now() / 1000) + 3600,
  epochSeconds: 86400,
  graceSeconds: 3600,
  proposalTimeoutSeconds: 7200,
  windowSeconds: 14400,
  thawSeconds: 2 * 86400 + 3600,
  minimumBond: 10n ** 22n,
  emissionShare: 750_000_000n * 10n ** 18n,
  rulesHash: RULES_HASH,
  egressPrice: 1n,
  storagePrice: 2n,
  computePrice: 3n,
  rewardCapBps: 20000,
  governance: s[1]!,
  guardian: s[2]!,
  manufacturer: s[3]!,
  admission: s[4]!,
  treasury: s[5]!,
};
const d = await deploySuite(c, p);
console.timeEnd("deploy");
console.log(JSON.stringify(d.deployment, null, 1));
console.time("deploy");
await deploySuite(c, p);
console.timeEnd("deploy");
const server = await hre.network.createServer("default", "127.0.0.1", 0);
const { address, port } = await server.listen();
const h = await hre.network.create({
  network: "localhost",
  override: { url: `http://${address}:${port}` } as never,
});
console.time("http");
const e = await deploySuite(h, p);
console.timeEnd("http");
console.log(e.deployment.startBlock, e.deployment.contracts.EpochLedger.block);
await server.close();
