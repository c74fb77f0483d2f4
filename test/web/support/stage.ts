import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { startAnvilChain, startHardhatChain } from "../../../scripts/local/local-chain.ts";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { type BuiltWeb, buildWeb } from "../../../scripts/pages/build-web.ts";
import type { PageConfig } from "../../../web/sources/config.ts";
import { type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { launchBrowser } from "./browser.ts";
import { playEpochs } from "./epochs.ts";
import { type StaticServer, serveStatic } from "./static-server.ts";

/** Nodes of different people: what the pages show must not depend on one of them. */
const CHAINS = { hardhat: startHardhatChain, anvil: startAnvilChain } as const;
type ChainName = keyof typeof CHAINS;

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
  /** Not the browser: others are using it. */
  close(): Promise<void>;
};

/** Neither is any chain's own. */
const shared = once(async () => ({ pages: await buildWeb(), browser: await launchBrowser() }));

/** Who is there, and what happens before the first visit. */
type Setting = {
  readonly owners: number;
  readonly customers: number;
  readonly play: (world: MemberWorld) => Promise<void>;
};

const FOUR_EPOCHS: Setting = { owners: 4, customers: 2, play: playEpochs };

/** With a setting of its own: whoever starts it closes it. What fails on the way leaves nothing open but the browser. */
export async function startStage(chain: ChainName, setting: Setting): Promise<Stage> {
  const { owners, customers, play } = setting;
  // Built beside the world; a failure is told where the pages are wanted.
  shared().catch(() => undefined);
  const world = await startMemberWorld({ owners, customers, startChain: CHAINS[chain] });
  try {
    await play(world);
    return await stageIn(chain, world);
  } catch (error) {
    await world.stop();
    throw error;
  }
}

/** The pages beside what was played in `world`. The server comes last: nothing after it can fail. */
async function stageIn(chain: ChainName, world: MemberWorld): Promise<Stage> {
  const { pages, browser } = await shared();
  const { devnet, oracle } = world;
  const deployment = JSON.parse(await readFile(devnet.deploymentFile, "utf8"));
  const bystander = await devnet.keyFile("bystander", devnet.role("bystander"));
  const rpc = (method: string, ...params: unknown[]) => devnet.provider.send(method, params);
  const server = await serveStatic(
    { pages: pages.folder, bundles: oracle.bundles },
    new Map([["/pages/config.json", () => JSON.stringify(stage.config)]]),
  );
  const stage: Stage = {
    pages,
    world,
    browser,
    server,
    pagesUrl: `${server.url}/pages/index.html`,
    config: {
      deployment,
      chain: { name: "Local chain", currency: "ETH" },
      rpcUrls: [devnet.rpcUrl],
      bundles: ["../bundles"],
    },
    async claimFor(account) {
      const source = ["--bundles", oracle.bundles, "--key-file", bystander];
      const { code, stderr } = await runOracle(["claim", ...world.chainArgs, ...source, account]);
      if (code !== 0) throw new Error(`the claim ended with ${code}: ${stderr}`);
    },
    cheat: (method, account, value) => rpc(`${chain}_${method}`, account, value),
    automine: (on) => rpc("evm_setAutomine", on),
    mine: () => rpc("evm_mine"),
    async snapshot() {
      const id = await rpc("evm_snapshot");
      const time = await devnet.now();
      return async () => {
        await rpc("evm_revert", id);
        // Hardhat's clock does not go back with the chain.
        await rpc("evm_setNextBlockTimestamp", time + 1);
      };
    },
    async close() {
      await server.close();
      await world.stop();
    },
  };
  return stage;
}

const stages = {
  hardhat: once(() => startStage("hardhat", FOUR_EPOCHS)),
  anvil: once(() => startStage("anvil", FOUR_EPOCHS)),
} as const;

/** One for all files of this folder: setting it up takes longer than most tests. */
export function theStage(chain: ChainName = "hardhat"): Promise<Stage> {
  return stages[chain]();
}

/** Tests of what must not depend on whose node it is. */
export function onEachChain(title: string, tests: (stage: () => Promise<Stage>) => void): void {
  for (const chain of Object.keys(CHAINS) as ChainName[]) {
    describe(`${title}, on ${chain}`, () => tests(() => theStage(chain)));
  }
}

export async function closeStages(): Promise<void> {
  for (const stage of [stages.hardhat, stages.anvil]) {
    await (await stage.done())?.close();
  }
  await (await shared.done())?.browser.close();
}

/** Makes it when it is first asked for. `done` asks for nothing, and gives undefined where it could not be made. */
function once<T>(make: () => Promise<T>): (() => Promise<T>) & { done(): Promise<T | undefined> } {
  let made: Promise<T> | undefined;
  const get = () => {
    made ??= make();
    return made;
  };
  // When it could not be made, the tests have said why.
  return Object.assign(get, { done: async () => made?.catch(() => undefined) });
}
