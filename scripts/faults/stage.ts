import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { LTK, type MemberWorld, startMemberWorld } from "../../test/worlds/network.ts";
import { type LocalChain, startAnvilChain, startHardhatChain } from "../local/local-chain.ts";
import type { PostgresServer } from "../local/postgres-server.ts";
import { createClock, type MachineClock } from "./clocks.ts";
import { CONFIRMATIONS } from "./commands.ts";
import { type ChainName, CUSTOMERS, DEVICES, MEMBERS, type Plan, PROGRAMS } from "./draw.ts";
import { type Link, startLink } from "./link.ts";
import { createMember, type Member } from "./member.ts";
import { type Mirror, startMirror } from "./mirror.ts";
import { type NodeListener, type NodeProxy, startNode } from "./node.ts";

const CHAINS: Readonly<Record<ChainName, () => Promise<LocalChain>>> = {
  hardhat: startHardhatChain,
  anvil: startAnvilChain,
};
const THRESHOLD = 2;
/** Beyond what a node's newest block may be from a clock, either way. */
const OFF_MS = 3_600_000;
/**
 * Four hours an epoch, for the time that mined blocks take; within half of it, as the ledger asks, grace, timeout and
 * window; and a thaw that outlasts two epochs.
 */
const PARAMETERS = {
  epochSeconds: 4 * 3600,
  graceSeconds: 900,
  proposalTimeoutSeconds: 1800,
  windowSeconds: 600,
  thawSeconds: 9 * 3600,
  minimumBond: 1_000n * LTK,
} as const;

/** What happens to a member, as faults wait for it. */
export type StageListener = {
  rpc(member: number): NodeListener;
  onState(member: number, to: string): void;
  onCrash(member: number, what: string): void;
};

/** Where a run plays: a chain, three members with a proxy for everything they say to it and each other, and a mirror. */
export type Stage = {
  readonly world: MemberWorld;
  readonly members: readonly Member[];
  /** From the first member to the second. */
  link(from: number, to: number): Link;
  readonly mirror: Mirror;
  /** Whose clock is right, and who is no member. */
  readonly watcher: MachineClock;
  /** That one's own. */
  readonly outsider: NodeProxy;
  /** Who is not gone for good. */
  present(): readonly Member[];
  gone(member: number): void;
  /** Moves the chain, and with it all clocks, to this time, unix seconds, and makes that final. */
  warpTo(time: number): Promise<void>;
  /** Makes everything final that is mined. */
  confirm(): Promise<void>;
  /** How far a member's clock is off, in milliseconds. */
  skew(member: number, ms: number): Promise<void>;
  /** Whether its clock is off by so much that it must not give its word, and it can see that. */
  isClockOff(member: number): boolean;
  /** When an epoch is sealed: what is late between members arrives. */
  repeat(): Promise<void>;
  /** After the chain's time changed. */
  syncClocks(): Promise<void>;
  stop(): Promise<void>;
};

export async function buildStage(
  { chain, postgres }: Plan,
  folder: string,
  server: () => Promise<PostgresServer>,
  listener: StageListener,
): Promise<Stage> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const world = await startMemberWorld({
    owners: DEVICES,
    customers: CUSTOMERS,
    members: MEMBERS,
    threshold: THRESHOLD,
    parameters: PARAMETERS,
    startChain: async () => ({ ...(await CHAINS[chain]()), finalityBlocks: CONFIRMATIONS }),
  });
  const { devnet } = world;
  const members: Member[] = [];
  const links = new Map<string, Link>();
  const gone = new Set<number>();
  const off = new Set<number>();
  const skews = Array.from({ length: MEMBERS }, () => 0);
  const watcher = await createClock(folder, "watcher");
  // Whoever ends the run by a signal leaves nobody behind.
  const killAll = () => {
    for (const member of members) for (const program of PROGRAMS) member.kill(program);
  };
  process.once("exit", killAll);
  const closers: (() => Promise<void>)[] = [() => world.stop()];
  const stop = async () => {
    for (const close of closers.toReversed()) await close();
    process.off("exit", killAll);
  };

  async function syncClocks(): Promise<void> {
    const ahead = (await devnet.now()) * 1000 - Date.now();
    await watcher.set(ahead);
    await Promise.all(members.map(({ index, clock }) => clock.set(ahead + (skews[index] ?? 0))));
  }

  try {
    for (let from = 0; from < MEMBERS; from++) {
      for (let to = 0; to < MEMBERS; to++) {
        if (from === to) continue;
        const link = await startLink(() => members[to]?.url());
        links.set(`${from}>${to}`, link);
        closers.push(() => link.close());
      }
    }
    const linkOf = (from: number, to: number) => links.get(`${from}>${to}`) as Link;
    for (const [index, { wallet }] of world.oracles.entries()) {
      const node = await startNode(devnet.rpcUrl, listener.rpc(index));
      closers.push(() => node.close());
      const own = join(folder, `member-${index + 1}`);
      await mkdir(own);
      const others = Array.from({ length: MEMBERS }, (_, other) => other).filter(
        (other) => other !== index,
      );
      const member = createMember(
        {
          index,
          wallet,
          node,
          folder: own,
          clock: await createClock(folder, `member-${index + 1}`),
          place: {
            rpcUrl: node.url,
            deploymentFile: devnet.deploymentFile,
            data: join(own, "data"),
            keyFile: await devnet.keyFile(`member-${index + 1}`, wallet),
            database: postgres[index] ? await (await server()).createSchema() : undefined,
            peers: others.map((to) => linkOf(index, to).url),
          },
        },
        {
          onState: (to) => listener.onState(index, to),
          onCrash: (what) => listener.onCrash(index, what),
        },
      );
      members.push(member);
      closers.push(() => member.stop());
    }
    const present = () => members.filter(({ index }) => !gone.has(index));
    const mirror = await startMirror(() => present()[0]?.bundles ?? folder);
    closers.push(() => mirror.close());
    const outsider = await startNode(devnet.rpcUrl, {
      onCall: async () => "goes",
      onSent: async () => "goes",
    });
    closers.push(() => outsider.close());
    await syncClocks();
    return {
      world,
      members,
      link: linkOf,
      mirror,
      watcher,
      outsider,
      present,
      gone: (member) => void gone.add(member),
      async warpTo(time) {
        await devnet.warpTo(time);
        await syncClocks();
      },
      async confirm() {
        await devnet.warpTo(0);
        await syncClocks();
      },
      async skew(member, ms) {
        off.delete(member);
        skews[member] = ms;
        await syncClocks();
        if (Math.abs(ms) >= OFF_MS) off.add(member);
      },
      isClockOff: (member) => off.has(member),
      async repeat() {
        await Promise.all([...links.values()].map((link) => link.repeat()));
      },
      syncClocks,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
