import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { type BuiltWeb, buildWeb } from "../../../scripts/build-web.ts";
import { startAnvilChain, startHardhatChain } from "../../../scripts/local-chain.ts";
import { runOracle } from "../../../scripts/oracle-process.ts";
import type { PageConfig } from "../../../web/sources/config.ts";
import { type MemberWorld, startMemberWorld } from "../../oracle/support/member.ts";
import { launchBrowser } from "./browser.ts";
import { playEpochs } from "./epochs.ts";
import { type StaticServer, serveStatic } from "./static-server.ts";

/** `LINK_CHAIN=anvil` runs the suite against the other chain. */
const ANVIL = process.env.LINK_CHAIN === "anvil";
const CHEATS = ANVIL ? "anvil" : "hardhat";

/** A real chain with real bundles, the built pages beside them, and a real browser. */
export type Stage = {
  readonly pages: BuiltWeb;
  readonly world: MemberWorld;
  readonly browser: Browser;
  readonly server: StaticServer;
  /** Where the pages are. */
  readonly pagesUrl: string;
  /** What the next page load finds in config.json. */
  config: PageConfig;
  /** Claims what is final for an account, as a bystander. */
  claimFor(account: string): Promise<void>;
  /** Changes an account on the chain in a way no transaction could. */
  cheat(method: "setBalance" | "setCode", account: string, value: string): Promise<void>;
  automine(on: boolean): Promise<void>;
  mine(): Promise<void>;
  /** Returns how to take back what happens on the chain from now on. */
  snapshot(): Promise<() => Promise<void>>;
};

async function startStage(): Promise<Stage> {
  const startChain = ANVIL ? startAnvilChain : startHardhatChain;
  const [pages, world, browser] = await Promise.all([
    buildWeb(),
    startMemberWorld({ owners: 4, customers: 2, startChain }),
    launchBrowser(),
  ]);
  const { devnet, oracle } = world;
  await playEpochs(world);
  const server = await serveStatic(
    { pages: pages.folder, bundles: oracle.bundles },
    new Map([["/pages/config.json", () => JSON.stringify(stage.config)]]),
  );
  const bystander = await devnet.keyFile("bystander", devnet.role("bystander"));
  const rpc = (method: string, ...params: unknown[]) => devnet.provider.send(method, params);
  const stage: Stage = {
    pages,
    world,
    browser,
    server,
    pagesUrl: `${server.url}/pages/index.html`,
    config: {
      deployment: JSON.parse(await readFile(devnet.deploymentFile, "utf8")),
      chain: { name: "Local chain", currency: "ETH" },
      rpcUrl: devnet.rpcUrl,
      bundles: ["../bundles"],
    },
    async claimFor(account) {
      const source = ["--bundles", oracle.bundles, "--key-file", bystander];
      const { code, stderr } = await runOracle(["claim", ...world.chainArgs, ...source, account]);
      if (code !== 0) throw new Error(`the claim ended with ${code}: ${stderr}`);
    },
    cheat: (method, account, value) => rpc(`${CHEATS}_${method}`, account, value),
    automine: (on) => rpc("evm_setAutomine", on),
    mine: () => rpc("evm_mine"),
    async snapshot() {
      const id = await rpc("evm_snapshot");
      return () => rpc("evm_revert", id);
    },
  };
  return stage;
}

let started: Promise<Stage> | undefined;

/** One for all files of this folder: setting it up takes longer than most tests. */
export function theStage(): Promise<Stage> {
  started ??= startStage();
  return started;
}

export async function closeStage(): Promise<void> {
  // When it could not be set up, the tests have said why.
  const stage = await started?.catch(() => undefined);
  await stage?.browser.close();
  await stage?.server.close();
  await stage?.world.stop();
}
