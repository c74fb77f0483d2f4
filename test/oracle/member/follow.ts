import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isEnrolled, type Law } from "@link-rewards/core/law/law";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { isImplausible } from "@link-rewards/host/chain/plausible";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { Wallet } from "ethers";
import { beforeStart, followLaw } from "../../../oracle/member/follow.ts";
import { readLaw } from "../../../oracle/outsider/read-law.ts";
import { openSqliteStore } from "../../../oracle/store/sqlite.ts";
import type { Store } from "../../../oracle/store/store.ts";
import { type Devnet, startDevnet } from "../../../scripts/local/devnet.ts";
import { MOVED_TIME, startHardhatChain } from "../../../scripts/local/local-chain.ts";
import { type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { proposals, remembered } from "../support/chronicle.ts";
import { spellLaw } from "../support/spell-law.ts";

const newDevice = () => lowercaseHex(Wallet.createRandom().address);

describe("following the law", () => {
  let devnet: Devnet;
  const chains: Chain[] = [];
  let folder: string;
  const stores: Store[] = [];

  before(async () => {
    devnet = await startDevnet();
  });
  after(() => devnet.close());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-follow-"));
  });
  afterEach(async () => {
    for (const chain of chains.splice(0)) chain.close();
    for (const store of stores.splice(0)) await store.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** A process of this member: all of them share the folder's store. */
  async function follower(confirmations?: number, between = (store: Store) => store) {
    const chain = await connectChain({
      rpcUrls: [devnet.rpcUrl],
      deploymentFile: await readDeploymentFile(devnet.deploymentFile),
      confirmations,
      bounds: MOVED_TIME,
    });
    chains.push(chain);
    const store = await openSqliteStore(folder);
    stores.push(store);
    return { chain, store, ...followLaw(chain, between(store)) };
  }

  const enrol = async (device: string) => {
    const registry = devnet.suite.registry.connect(devnet.role("manufacturer"));
    await (await registry.enrol([device], 1)).wait();
  };
  const mine = (blocks = 1) => devnet.provider.send("hardhat_mine", [`0x${blocks.toString(16)}`]);
  const fork = async (): Promise<() => Promise<void>> => {
    const id = await devnet.provider.send("evm_snapshot", []);
    return () => devnet.provider.send("evm_revert", [id]);
  };
  /** As resync --chain does. */
  const giveUp = async ({ chain, store }: { chain: Chain; store: Store }) =>
    store.rollback(await beforeStart(chain));
  const knows = (law: Law, device: string) => isEnrolled(law, lowercaseHex(device));

  it("goes on where another run has stopped", async () => {
    const device = newDevice();
    const first = await follower();
    await first.refresh();
    const { number } = (await first.store.cursor()) ?? {};
    await enrol(device);
    const second = await follower();
    const asked: number[] = [];
    second.chain.events = spyOn(second.chain, (from) => asked.push(from));
    await second.refresh();
    expect(asked).to.deep.equal([(number as number) + 1]);
    expect(knows(second.law(), device)).to.equal(true);
    expect(spellLaw(second.law())).to.deep.equal(spellLaw(await readLaw(second.chain)));
  });

  it("leaves for the next time what another run stores while it reads", async () => {
    const device = newDevice();
    const other = await follower(0);
    await other.refresh();
    await enrol(device);
    let asked = 0;
    const slow = await follower(0, (store) => ({
      ...store,
      async cursor() {
        const cursor = await store.cursor();
        asked += 1;
        // Between where it stands and what is stored: the second question is the one that events follow.
        if (asked === 2) await other.refresh();
        return cursor;
      },
    }));
    await slow.refresh();
    expect(asked).to.be.above(2);
    expect(knows(slow.law(), device)).to.equal(true);
    expect(spellLaw(slow.law())).to.deep.equal(spellLaw(await readLaw(slow.chain)));
  });

  it("reads only what is as many blocks deep as it was told", async () => {
    const device = newDevice();
    const deep = await follower(3);
    await enrol(device);
    await mine(2);
    await deep.refresh();
    expect(knows(deep.law(), device)).to.equal(false);
    await mine();
    await deep.refresh();
    expect(knows(deep.law(), device)).to.equal(true);
  });

  it("does not go on from what a reorg undid before a person gives it up, and then reads what came in its place", async () => {
    const [gone, instead] = [newDevice(), newDevice()];
    const reorg = await fork();
    const followed = await follower(0);
    await enrol(gone);
    await followed.refresh();
    expect(knows(followed.law(), gone)).to.equal(true);
    await reorg();
    await enrol(instead);
    await mine(3);
    expect(await reasonOf(followed.refresh())).to.equal("final-block-replaced");
    expect(knows(followed.law(), gone)).to.equal(true);
    await giveUp(followed);
    await followed.refresh();
    expect([knows(followed.law(), gone), knows(followed.law(), instead)]).to.deep.equal([
      false,
      true,
    ]);
    expect(spellLaw(followed.law())).to.deep.equal(spellLaw(await readLaw(followed.chain)));
  });

  it("does not follow a chain that is shorter than it was, and forgets what is gone once that is given up", async () => {
    const gone = newDevice();
    const reorg = await fork();
    const followed = await follower(0);
    await enrol(gone);
    await mine(3);
    await followed.refresh();
    await reorg();
    expect(await reasonOf(followed.refresh())).to.equal("head-behind-seen");
    const again = await follower(0);
    expect(await reasonOf(again.refresh())).to.equal("head-behind-seen");
    await giveUp(followed);
    await followed.refresh();
    expect(knows(followed.law(), gone)).to.equal(false);
    expect(spellLaw(followed.law())).to.deep.equal(spellLaw(await readLaw(followed.chain)));
  });

  it("sees a reorg that another process has already read over", async () => {
    const [gone, instead] = [newDevice(), newDevice()];
    const reorg = await fork();
    const [service, closer] = [await follower(0), await follower(0)];
    await enrol(gone);
    await service.refresh();
    await reorg();
    await enrol(instead);
    await mine(3);
    await giveUp(closer);
    await closer.refresh();
    await service.refresh();
    expect([knows(service.law(), gone), knows(service.law(), instead)]).to.deep.equal([
      false,
      true,
    ]);
    expect(spellLaw(service.law())).to.deep.equal(spellLaw(closer.law()));
  });

  it("is asked twice at a time, by the clock and by a peer, and reads each event once", async () => {
    const followed = await follower();
    await enrol(newDevice());
    await Promise.all([followed.refresh(), followed.refresh(), followed.refresh()]);
    await enrol(newDevice());
    await Promise.all([followed.refresh(), followed.refresh(), followed.refresh()]);
    expect(spellLaw(followed.law())).to.deep.equal(spellLaw(await readLaw(followed.chain)));
  });

  it("shows the law as it was while it reads it anew", async () => {
    const device = newDevice();
    await enrol(device);
    const reorg = await fork();
    const followed = await follower(0, slowly);
    await enrol(newDevice());
    await followed.refresh();
    await reorg();
    await mine(2);
    await giveUp(followed);
    const reading = followed.refresh();
    let read = false;
    reading.finally(() => {
      read = true;
    });
    while (!read) {
      expect(knows(followed.law(), device)).to.equal(true);
      await new Promise((next) => setImmediate(next));
    }
  });

  it("two processes read at a time, and the store has each event once", async () => {
    const followers = [await follower(), await follower(), await follower()];
    await Promise.all(followers.map(({ refresh }) => refresh()));
    const [first] = followers;
    const { chain, law } = first as (typeof followers)[number];
    for (const follower of followers)
      expect(spellLaw(follower.law())).to.deep.equal(spellLaw(law()));
    expect(spellLaw(law())).to.deep.equal(spellLaw(await readLaw(chain)));
  });
});

async function reasonOf(reading: Promise<unknown>): Promise<string | undefined> {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isImplausible(error) ? error.implausible.reason : undefined;
}

/** Gives everything else its turn before each event, as a database over a network does. */
function slowly(store: Store): Store {
  return {
    ...store,
    async *events(fromBlock) {
      for await (const event of store.events(fromBlock)) {
        await new Promise((next) => setImmediate(next));
        yield event;
      }
    },
  };
}

/** Notes from which block on events are asked for. */
function spyOn(chain: Chain, note: (from: number) => void): Chain["events"] {
  const { events } = chain;
  return (from, to, known) => {
    note(from);
    return events(from, to, known);
  };
}

describe("a reorg that takes a proposal with it", () => {
  let world: MemberWorld;
  before(async () => {
    // Nothing that is final is undone.
    const startChain = async () => ({ ...(await startHardhatChain()), finalityBlocks: 16 });
    world = await startMemberWorld({ startChain });
  });
  after(() => world.stop());

  it("is proposed again, with the same bytes, and becomes final", async () => {
    const { oracle, devnet } = world;
    const deep = ["--confirmations", "16"];
    await world.sealEpoch(1);
    const id = await devnet.provider.send("evm_snapshot", []);
    await oracle.close(...deep);
    expect((await remembered(oracle)).epochs[0]).to.include({ state: "proposed" });
    await devnet.provider.send("evm_revert", [id]);
    expect(await proposals(world)).to.deep.equal([]);
    expect((await oracle.close(...deep)).code).to.equal(0);
    expect(await proposals(world)).to.deep.equal([[1, 0]]);
    await world.passWindow();
    await oracle.close(...deep);
    await devnet.warpTo(0);
    await oracle.close(...deep);
    expect((await remembered(oracle)).epochs[0]).to.include({ epoch: 1, state: "final" });
  });
});
