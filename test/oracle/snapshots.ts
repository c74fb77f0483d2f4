import {
  appendFile,
  cp,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isEnrolled } from "@link-rewards/core/law/law";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { isImplausible } from "@link-rewards/host/chain/plausible";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { Wallet } from "ethers";
import { lawFormat, openLawSnapshots } from "../../oracle/edge/law-snapshots.ts";
import { followLaw } from "../../oracle/member/follow.ts";
import { createLawReader, readLaw } from "../../oracle/outsider/read-law.ts";
import { openSqliteStore } from "../../oracle/store/sqlite.ts";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import { MOVED_TIME } from "../../scripts/local/local-chain.ts";
import { spellLaw } from "./support/spell-law.ts";

const newDevice = () => lowercaseHex(Wallet.createRandom().address);

describe("snapshots of the law", () => {
  let devnet: Devnet;
  let chain: Chain;
  let folder: string;
  /** From which block on events are asked for. */
  let asked: number[];
  let troubles: string[];
  before(async () => {
    devnet = await startDevnet();
  });
  after(() => devnet.close());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-law-"));
    chain = await connectChain({
      rpcUrls: [devnet.rpcUrl],
      deploymentFile: await readDeploymentFile(devnet.deploymentFile),
      confirmations: 2,
      bounds: MOVED_TIME,
    });
    asked = [];
    troubles = [];
    const { events } = chain;
    chain.events = (from, to, known) => {
      asked.push(from);
      return events(from, to, known);
    };
  });
  afterEach(async () => {
    chain.close();
    await rm(folder, { recursive: true, force: true });
  });

  const snapshots = (deployment = chain.deployment) =>
    openLawSnapshots(folder, deployment, (reason) => troubles.push(reason));
  const reader = () => createLawReader(chain, snapshots());
  const kept = async () => (await readdir(join(folder, "law"))).toSorted();
  const only = async () => {
    const [name, ...more] = await kept();
    expect(more).to.deep.equal([]);
    return join(folder, "law", name as string);
  };
  const mine = (blocks: number) =>
    devnet.provider.send("hardhat_mine", [`0x${blocks.toString(16)}`]);
  const enrol = async (device: string) => {
    const registry = devnet.suite.registry.connect(devnet.role("manufacturer"));
    await (await registry.enrol([device], 1)).wait();
  };

  it("begin where another process stopped, with the same law", async () => {
    const first = await reader().read();
    const device = newDevice();
    await enrol(device);
    asked.length = 0;
    const second = await reader().read();
    expect(Math.min(...asked)).to.be.above(chain.startBlock);
    expect([isEnrolled(first, device), isEnrolled(second, device)]).to.deep.equal([false, true]);
    expect(spellLaw(second)).to.deep.equal(spellLaw(await readLaw(chain)));
    expect(troubles).to.deep.equal([]);
  });

  it("hold nothing that a reorg can undo, and are not gone on from where one undid it all the same", async () => {
    const id = await devnet.provider.send("evm_snapshot", []);
    const [gone, instead] = [newDevice(), newDevice()];
    await enrol(gone);
    const before = await reader().read();
    expect(isEnrolled(before, gone)).to.equal(true);
    const { block } = JSON.parse(
      (await readFile(await only())).toString("latin1").split("\n")[0] ?? "",
    );
    expect(block.number).to.equal((await chain.head()).number - 2);
    await mine(5);
    const deep = createLawReader(chain, openLawSnapshots(join(folder, "deep"), chain.deployment));
    await deep.read();
    await devnet.provider.send("evm_revert", [id]);
    await enrol(instead);
    await mine(6);
    const again = () =>
      createLawReader(chain, openLawSnapshots(join(folder, "deep"), chain.deployment));
    for (const read of [deep.read, again().read])
      expect(await reasonOf(read())).to.equal("final-block-replaced");
    // A person has compared it with other nodes.
    await rm(join(folder, "deep", "final-block"));
    asked.length = 0;
    const law = await again().read();
    expect(asked[0]).to.equal(chain.startBlock);
    expect([isEnrolled(law, gone), isEnrolled(law, instead)]).to.deep.equal([false, true]);
    expect(spellLaw(law)).to.deep.equal(spellLaw(await readLaw(chain)));
  });

  it("have the highest final block beside them, below which no node is believed after a start", async () => {
    await reader().read();
    const seen = await snapshots().seen();
    expect(seen?.number).to.equal((await chain.head()).number - 2);
    await snapshots().see({ number: (seen?.number ?? 0) + 1_000, hash: seen?.hash ?? "0x" });
    expect(await reasonOf(reader().read())).to.equal("head-behind-seen");
    await writeFile(join(folder, "final-block"), "{");
    await reader().read();
    expect(troubles.join()).to.match(/final-block is not what was written: it is passed over/);
    const other = { ...chain.deployment, chainId: 1 };
    expect(await snapshots(other).seen()).to.equal(undefined);
  });

  const damages: Record<string, (file: string) => Promise<void>> = {
    "cut off": async (file) => truncate(file, (await readFile(file)).length - 10),
    "with nothing in it": (file) => truncate(file, 0),
    "with a byte changed": async (file) => {
      const bytes = await readFile(file);
      bytes[bytes.length - 100] = 1 ^ (bytes[bytes.length - 100] as number);
      await writeFile(file, bytes);
    },
    "with more at its end": (file) => appendFile(file, "\n"),
    "that is no snapshot": (file) => writeFile(file, "<html>\n"),
  };
  for (const [name, damage] of Object.entries(damages)) {
    it(`${name} are named, removed, and all is read again`, async () => {
      await reader().read();
      const file = await only();
      await damage(file);
      asked.length = 0;
      const law = await reader().read();
      expect(asked[0]).to.equal(chain.startBlock);
      expect(spellLaw(law)).to.deep.equal(spellLaw(await readLaw(chain)));
      expect(troubles).to.have.length(1);
      expect(troubles[0]).to.contain(file);
      asked.length = 0;
      await reader().read();
      expect(asked[0]).to.be.above(chain.startBlock);
    });
  }

  it("of another deployment are not begun with", async () => {
    await reader().read();
    const other = { ...chain.deployment, genesis: chain.deployment.genesis + 1 };
    asked.length = 0;
    await createLawReader(chain, snapshots(other)).read();
    expect(asked[0]).to.equal(chain.startBlock);
  });

  it("of a program whose law has another shape, or comes to something else, are not begun with", async () => {
    await reader().read();
    const file = await only();
    const [head = "", body] = splitAt((await readFile(file)).toString("latin1"), "\n");
    const header = JSON.parse(head);
    expect(header.format).to.equal(await lawFormat());
    const sources = join(folder, "sources");
    await cp(new URL("../../core/law/", import.meta.url), sources, { recursive: true });
    expect(await lawFormat(sources)).to.equal(header.format);
    const columns = join(sources, "devices.ts");
    const source = await readFile(columns, "utf8");
    await writeFile(columns, source.replace("classes: Uint8Array;", "classes: Uint16Array;"));
    const other = await lawFormat(sources);
    expect(other).not.to.equal(header.format);
    await writeFile(file, `${JSON.stringify({ ...header, format: other })}\n${body}`, "latin1");
    asked.length = 0;
    await reader().read();
    expect(asked[0]).to.equal(chain.startBlock);
    expect(troubles).to.deep.equal([]);
  });

  it("that cannot be written cost nothing but the next start", async () => {
    await writeFile(join(folder, "law"), "in the way");
    const law = await reader().read();
    expect(spellLaw(law)).to.deep.equal(spellLaw(await readLaw(chain)));
    expect(troubles[0]).to.match(/^the law was not kept in /);
  });

  it("of what a killed process left half written nothing stays", async () => {
    await reader().read();
    const file = await only();
    const part = join(folder, "law", `law-1-0x${"11".repeat(32)}.part`);
    await writeFile(part, "half");
    await rm(file);
    await reader().read();
    expect(await kept()).to.have.length(1);
  });

  it("stand in for the stored events when a member starts", async () => {
    const store = await openSqliteStore(folder);
    try {
      const first = followLaw(chain, store, snapshots());
      await first.refresh();
      const replayed: number[] = [];
      const spied = {
        ...store,
        events: (from: number) => {
          replayed.push(from);
          return store.events(from);
        },
      };
      await enrol(newDevice());
      await mine(3);
      const second = followLaw(chain, spied, snapshots());
      await second.refresh();
      expect(replayed[0]).to.equal((first.law().position.blockNumber ?? 0) + 1);
      expect(spellLaw(second.law())).to.deep.equal(spellLaw(await readLaw(chain)));
    } finally {
      await store.close();
    }
  });

  it("of a block beyond what a member has stored are not begun with", async () => {
    await enrol(newDevice());
    await mine(3);
    await reader().read();
    const store = await openSqliteStore(folder);
    try {
      const before = await chain.block(Math.max(0, chain.startBlock - 1));
      if (before === undefined) throw new Error("no block before the first");
      await store.appendEvents(undefined, [], { number: before.number, hash: before.hash });
      const follower = followLaw(chain, store, snapshots());
      await follower.refresh();
      expect(spellLaw(follower.law())).to.deep.equal(spellLaw(await readLaw(chain)));
    } finally {
      await store.close();
    }
  });
});

async function reasonOf(reading: Promise<unknown>): Promise<string | undefined> {
  const error = await reading.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return isImplausible(error) ? error.implausible.reason : undefined;
}

function splitAt(text: string, mark: string): readonly [string, string] {
  const at = text.indexOf(mark);
  return [text.slice(0, at), text.slice(at + mark.length)];
}
