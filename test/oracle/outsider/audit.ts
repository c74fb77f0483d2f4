import { execFile } from "node:child_process";
import {
  appendFile,
  cp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { at } from "@link-rewards/core/encoding/at";
import { CONTRIBUTION_BYTES, INVOICE_BYTES, REWARD_BYTES } from "@link-rewards/core/epoch/records";
import type { Law } from "@link-rewards/core/law/law";
import { type Chain, connectChain } from "@link-rewards/host/chain/chain";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { openBundles } from "../../../oracle/edge/bundles.ts";
import { auditEpochs, type EpochVerdict } from "../../../oracle/outsider/audit.ts";
import { readLaw } from "../../../oracle/outsider/read-law.ts";
import { MOVED_TIME } from "../../../scripts/local/local-chain.ts";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";
import {
  type BundleFiles,
  bundleOf,
  hashOf,
  inOrder,
  leavesOf,
  manifestOf,
  proposeFiles,
  publishFiles,
  withManifest,
  withRewards,
} from "../support/forger.ts";
import type { MemberOracle } from "../support/member-oracle.ts";
import { randomNumbers, seedOf } from "../support/random.ts";

type Audited = {
  readonly code: number | null;
  readonly agrees?: boolean;
  readonly epochs: readonly EpochVerdict[];
  readonly stderr: string;
};

describe("audit", () => {
  let world: MemberWorld;
  let oracle: MemberOracle;
  let chain: Chain;
  let law: Law;
  /** A copy of the published bundles, to do harm to. */
  let copy: string;

  before(async () => {
    world = await startMemberWorld();
    oracle = world.oracle;
    chain = await connectChain({
      rpcUrls: [world.devnet.rpcUrl],
      deploymentFile: await readDeploymentFile(world.devnet.deploymentFile),
      bounds: MOVED_TIME,
    });
    copy = join(world.devnet.folder, "copy");
    const serving = await oracle.serve();
    for (const epoch of [1, 2]) {
      await world.submit(serving.url, [{ epoch }, { epoch, egressBytes: 7n }, { epoch }]);
      await world.owe(serving.url, epoch, 2n * LTK);
      await world.endEpoch(epoch);
      await oracle.close();
      await world.sealEpoch(epoch);
      await oracle.close();
      await world.passWindow();
    }
    await oracle.close();
    await serving.stop();
    law = await readLaw(chain);
  });
  after(async () => {
    chain.close();
    await world.stop();
  });
  beforeEach(async () => {
    await rm(copy, { recursive: true, force: true });
    await cp(oracle.bundles, copy, { recursive: true });
  });

  /** As its own process, with the RPC node and the public files alone. */
  async function audit(epoch: string, bundles = copy): Promise<Audited> {
    const args = ["audit", epoch, ...world.chainArgs, "--bundles", bundles, "--json"];
    const { code, stdout, stderr } = await runOracle(args);
    return { code, epochs: [], stderr, ...(stdout === "" ? {} : JSON.parse(stdout)) };
  }

  async function verdictOf(epoch: number, bundles = copy): Promise<EpochVerdict> {
    const input = { chain, law, mirrors: [openBundles(bundles)] };
    for await (const verdict of auditEpochs(input, [epoch])) return verdict;
    throw new Error("no verdict");
  }

  async function flip(epoch: number, file: string, position: number, bit = 1): Promise<void> {
    const path = join(copy, String(epoch), file);
    const bytes = await readFile(path);
    bytes[position] = (bytes[position] as number) ^ bit;
    await writeFile(path, bytes);
  }

  it("agrees with what an honest oracle published", async () => {
    const { code, agrees, epochs } = await audit("all");
    expect([code, agrees]).to.deep.equal([0, true]);
    expect(epochs.map(({ epoch, verdict }) => [epoch, verdict])).to.deep.equal([
      [1, "agrees"],
      [2, "agrees"],
    ]);
  });

  describe("without anything of the operator's on the machine,", () => {
    const checkout = fileURLToPath(new URL("../../..", import.meta.url));
    let program: string;
    let keyFile: string;

    before(async () => {
      const folder = join(world.devnet.folder, "outsider");
      program = join(folder, "oracle", "main.ts");
      await cp(join(checkout, "oracle"), join(folder, "oracle"), { recursive: true });
      await symlink(join(checkout, "node_modules"), join(folder, "node_modules"));
      keyFile = await world.devnet.keyFile("bystander", world.devnet.role("bystander"));
      for (const room of ["member", "store"])
        await rm(join(folder, "oracle", room), { recursive: true });
    });

    const run = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args]);
    const owner = () => at(world.owners, 0).address;
    const works: Record<string, () => string[]> = {
      audit: () => ["all", "--bundles", copy],
      watch: () => ["--once", "--bundles", copy],
      status: () => [],
      proof: () => [owner(), "--bundles", copy],
      why: () => [owner(), "1", "--bundles", copy],
      refund: () => [world.customer.address, "--bundles", copy],
      claim: () => [owner(), "--bundles", copy, "--key-file", keyFile],
    };
    for (const [name, args] of Object.entries(works)) {
      it(`${name} does its work`, async () => {
        const { stdout } = await run(name, ...args(), ...world.chainArgs);
        expect(stdout).to.not.equal("");
      });
    }

    it("serve does not even start", async () => {
      const end = await run("serve", ...world.chainArgs, "--key-file", keyFile).catch((e) => e);
      expect(end.stderr).to.contain("Cannot find module").and.contain("oracle/member/");
    });
  });

  describe("takes a bad copy for a bad copy, and names the file:", () => {
    const damages: Record<
      string,
      readonly [file: string, damage: (path: string) => Promise<void>]
    > = {
      "a newline at the end of the manifest": ["manifest.json", (path) => appendFile(path, "\n")],
      "a page in place of the manifest": ["manifest.json", (path) => writeFile(path, "<html>")],
      "the manifest of another epoch": [
        "manifest.json",
        (path) => cp(join(oracle.bundles, "2", "manifest.json"), path),
      ],
      "a field of the manifest": [
        "manifest.json",
        async (path) => {
          const manifest = await readFile(path, "latin1");
          await writeFile(path, manifest.replace('"delta":"', '"delta":"1'));
        },
      ],
      "a record cut off": ["contributions.bin", (path) => truncate(path, CONTRIBUTION_BYTES)],
      "half a record cut off": ["invoices.bin", (path) => truncate(path, INVOICE_BYTES + 9)],
      "something added": ["rewards.bin", (path) => appendFile(path, Buffer.alloc(REWARD_BYTES))],
      "nothing left": ["contributions.fence", (path) => truncate(path, 0)],
      "a page in place of a table": ["invoices.bin", (path) => writeFile(path, "<html>")],
      "a table of another epoch": [
        "contributions.bin",
        (path) => cp(join(oracle.bundles, "2", "contributions.bin"), path),
      ],
      "a tree where there is none": ["rewards.tree", (path) => writeFile(path, new Uint8Array(32))],
    };
    for (const [name, [file, damage]] of Object.entries(damages)) {
      it(name, async () => {
        await damage(join(copy, "1", file));
        const { verdict, message, divergence } = await verdictOf(1);
        expect([verdict, divergence]).to.deep.equal(["unavailable", undefined]);
        const isOther = name === "a field of the manifest";
        expect(message).to.contain(
          isOther
            ? `${copy} has another bundle of epoch 1, not 0x`
            : `this copy at ${copy} is not what was signed: ${file} of epoch 1 has `,
        );
      });
    }

    it("a byte anywhere at all", async () => {
      const random = randomNumbers(seedOf());
      const files = await readdir(join(oracle.bundles, "1"));
      for (let round = 0; round < 40; round++) {
        const file = files[round % files.length] as string;
        const path = join(copy, "1", file);
        const honest = await readFile(path);
        if (honest.length === 0) continue;
        const position = random(honest.length);
        await flip(1, file, position, 1 << random(8));
        const { verdict, message, isDamaged } = await verdictOf(1);
        expect([verdict, isDamaged], `byte ${position} of ${file}`).to.deep.equal([
          "unavailable",
          true,
        ]);
        // With a field changed a manifest is another one in its own right.
        if (file !== "manifest.json")
          expect(message).to.contain(`not what was signed: ${file} of epoch 1`);
        await writeFile(path, honest);
      }
    });

    it("in its own process with exit code 2, and with 0 as soon as another mirror has a good one", async () => {
      await flip(1, "rewards.bin", REWARD_BYTES + 25);
      const alone = await audit("1");
      expect([alone.code, alone.agrees]).to.deep.equal([2, false]);
      expect(alone.epochs[0]?.isDamaged).to.equal(true);
      const { stdout } = await runOracle([
        "audit",
        "all",
        ...world.chainArgs,
        "--json",
        "--bundles",
        copy,
        oracle.bundles,
      ]);
      expect(JSON.parse(stdout)).to.include({ agrees: true });
    });

    it("of an epoch of which a good one was put aside for another bundle", async () => {
      const { bundleHash } = await verdictOf(1);
      await rename(join(copy, "1"), join(copy, `1-${bundleHash}`));
      expect((await verdictOf(1)).verdict).to.equal("agrees");
      await cp(join(oracle.bundles, "2"), join(copy, "1"), { recursive: true });
      expect((await verdictOf(1)).verdict).to.equal("agrees");
    });

    it("and condemns no later epoch for it (own prototype)", async () => {
      await flip(1, "rewards.bin", 25);
      const { code, epochs } = await audit("all");
      expect(code).to.equal(2);
      expect(epochs.map(({ verdict }) => verdict)).to.deep.equal(["unavailable", "agrees"]);
    });

    it("and goes on from what leads to the chain's root", async () => {
      await appendFile(join(copy, "1", "rewards.bin"), Buffer.alloc(REWARD_BYTES + 1));
      expect((await verdictOf(1)).verdict).to.equal("unavailable");
      expect((await verdictOf(2)).verdict).to.equal("agrees");
    });
  });

  it("says what is missing, and does not call it wrong (Rocket Pool 857: a published file lost)", async () => {
    await rm(join(copy, "1", "invoices.bin"));
    const { code, epochs } = await audit("all");
    expect(code).to.equal(2);
    expect(epochs.map(({ verdict }) => verdict)).to.deep.equal(["unavailable", "agrees"]);
    expect(epochs[0]?.message).to.contain("invoices.bin of epoch 1");
  });

  it("takes the last rewards from the chain's root, and says so when no file leads to it", async () => {
    await rm(join(copy, "1"), { recursive: true });
    const { verdict, message } = await verdictOf(2);
    expect([verdict, message]).to.deep.equal([
      "unavailable",
      "no rewards.bin that leads to the final root of epoch 1",
    ]);
  });

  describe("by URL", () => {
    let server: Server;
    afterEach(() => server?.close());

    it("agrees over the oracle's own /bundles", async () => {
      const serving = await oracle.serve();
      const { code, agrees } = await audit("all", `${serving.url}/bundles`);
      await serving.stop();
      expect([code, agrees]).to.deep.equal([0, true]);
    });

    it("agrees over a plain static server that knows no ranges, and says when it misses a file", async () => {
      server = createServer(async (request, response) => {
        const bytes = await readFile(join(copy, request.url ?? "")).catch(() => undefined);
        response.writeHead(bytes === undefined ? 404 : 200);
        response.end(bytes);
      });
      await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      expect((await verdictOf(2, url)).verdict).to.equal("agrees");
      await rm(join(copy, "2", "rewards.bin"));
      const { verdict, message } = await verdictOf(2, url);
      expect(verdict).to.equal("unavailable");
      expect(message).to.contain("/2/rewards.bin: HTTP 404");
    });

    it("says that nobody answers", async () => {
      const { code, epochs } = await audit("1", "http://127.0.0.1:9/bundles");
      expect([code, epochs[0]?.verdict]).to.deep.equal([2, "unavailable"]);
    });
  });

  describe("of a corrupt quorum's final root", () => {
    let back: () => Promise<void>;
    let toTheSealTime: () => Promise<void>;
    /** What epoch 3, in which nobody served, honestly comes to. */
    let honest: BundleFiles;
    before(async () => {
      back = await checkpoint(world);
      await world.sealEpoch(3);
      toTheSealTime = await checkpoint(world);
      await oracle.close("--least-share-bps", "0");
      honest = await bundleOf(oracle, 3);
    });
    beforeEach(() => toTheSealTime());
    after(() => back());

    async function finalizeCorrupt(files: BundleFiles): Promise<void> {
      await publishFiles(copy, manifestOf(files).epoch, files);
      const { report } = await proposeFiles(world, oracle, files);
      await world.passWindow();
      await (await world.devnet.suite.ledger.finalize(report)).wait();
    }

    it("names the leaf that does not follow from the contributions", async () => {
      const { total } = manifestOf(honest);
      const shares = leavesOf(honest).map((leaf, i) => ({
        ...leaf,
        cumulative: i === 0 ? total : 0n,
      }));
      await finalizeCorrupt(withRewards(honest, { leaves: inOrder(shares) }));
      const { code, epochs } = await audit("all");
      expect(code).to.equal(1);
      expect(epochs.map(({ verdict }) => verdict)).to.deep.equal(["agrees", "agrees", "differs"]);
      expect(epochs[2]?.divergence).to.include({
        kind: "unlawful",
        table: "rewards",
        record: 1,
        proof: "reward-boundary",
      });
    });

    it("names it too when nothing can be computed from there on", async () => {
      const [first, second, ...others] = leavesOf(honest);
      if (first === undefined || second === undefined) throw new Error("too few accounts");
      const swapped = withRewards(honest, { leaves: inOrder([second, first, ...others]) });
      await finalizeCorrupt(swapped);
      const { root, total, leaves } = manifestOf(swapped);
      await world.sealEpoch(4);
      await finalizeCorrupt(
        withManifest(swapped, {
          epoch: 4,
          lastFinal: { epoch: 3, root, total, leaves, bundleHash: hashOf(swapped) },
        }),
      );
      const { code, epochs } = await audit("all");
      expect(code).to.equal(1);
      expect(epochs.map(({ verdict }) => verdict)).to.deep.equal([
        "agrees",
        "agrees",
        "differs",
        "differs",
      ]);
      for (const epoch of epochs.slice(2))
        expect(epoch.divergence).to.include({
          kind: "unlawful",
          table: "rewards",
          record: 0,
          proof: "reward-order",
        });
    });
  });

  it("refuses to be misused, with exit code 3", async () => {
    const bundles = ["--bundles", copy];
    const misuses = [["third", ...bundles], ["1", "--loudly", ...bundles], [...bundles], ["1"]].map(
      (words) => runOracle(["audit", ...world.chainArgs, ...words]),
    );
    for (const { code, stdout, stderr } of await Promise.all(misuses)) {
      expect([code, stdout]).to.deep.equal([3, ""]);
      expect(stderr).to.match(/^error: /);
    }
  });

  it("has no verdict on an epoch that is not final", async () => {
    const { code, stderr } = await audit("3");
    expect(code).to.equal(2);
    expect(stderr).to.contain("epoch 3 is not final; the last final epoch is 2");
  });
});
