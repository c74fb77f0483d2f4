import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fromHex, keccak256, lowercaseHex, toHex, utf8 } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { decodeContributions } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import { openBundles } from "../../../oracle/edge/bundles.ts";
import { startRpcProxy } from "../../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { lastFinalEpoch, proposals, publishedFiles } from "../support/chronicle.ts";
import { freePort } from "../support/free-port.ts";
import { drip, startLiar } from "../support/liar.ts";
import {
  type Closed,
  type MemberOracle,
  memberOracle,
  type Serving,
} from "../support/member-oracle.ts";

/** Nobody listens there. */
const DOWN = "http://127.0.0.1:9";

describe("three members of which two must sign", () => {
  let world: MemberWorld;
  let first: MemberOracle;
  let second: MemberOracle;
  let third: MemberOracle;
  let urls: readonly [string, string, string];
  let services: Serving[];
  let liar: Server;
  const mirrors: { close(): unknown }[] = [];

  before(async () => {
    world = await startMemberWorld({ members: 3, threshold: 2 });
    [first, second, third] = world.oracles as [MemberOracle, MemberOracle, MemberOracle];
    // Each must know the others' addresses before they listen.
    const ports = [await freePort(), await freePort(), await freePort()];
    urls = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string, string];
    services = await Promise.all(
      world.oracles.map((oracle, i) => {
        const others = urls.filter((_, other) => other !== i);
        return oracle.serve("--port", String(ports[i]), "--peer", others.join(","));
      }),
    );
  });
  after(async () => {
    for (const server of [liar, ...mirrors]) server?.close();
    await world.stop();
  });

  const peers = (...of: readonly string[]) => of.flatMap((url) => ["--peer", url]);
  /** Published files and nothing else, one of them with another first byte. */
  const mirrorOf = async (oracle: MemberOracle, spoilt?: string) => {
    const mirror = createServer(async (request, response) => {
      const name = request.url?.replace(/^\/bundles\//, "") ?? "";
      try {
        const file = await readFile(join(oracle.bundles, name));
        if (spoilt !== undefined && name.endsWith(spoilt)) file[0] = (file[0] ?? 0) ^ 1;
        response.end(file);
      } catch {
        response.writeHead(404).end();
      }
    });
    mirrors.push(mirror);
    await new Promise<void>((listening) => mirror.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`;
  };
  /** Slots of the members that signed the proposal that is pending. */
  const signers = async () => {
    const { signers: bits } = await world.devnet.suite.ledger.proposal();
    return [0, 1, 2].filter((slot) => (bits >> BigInt(slot)) & 1n);
  };
  const servedIn = async (oracle: MemberOracle, epoch: number) => {
    const bytes = await openBundles(oracle.bundles).read(epoch, "contributions.bin");
    return decodeContributions(bytes).map(({ receipt }) => receipt.egressBytes);
  };
  const stepsOf = ({ outcome }: Closed, epoch: number) =>
    (outcome.actions ?? []).filter((action) => action.epoch === epoch).map(({ to }) => to);

  it("have in the bundle what each of them took in, and sign it together", async () => {
    await world.submit(urls[0], [{ egressBytes: 1n }]);
    const [, device2, device3] = world.devices.map(
      ({ address }) => address.toLowerCase() as `0x${string}`,
    );
    await world.submit(urls[1], [{ device: device2 as `0x${string}`, egressBytes: 2n }]);
    await world.submit(urls[2], [{ device: device3 as `0x${string}`, egressBytes: 3n }]);
    await world.owe(urls[0], 1, LTK);
    await world.endEpoch(1);
    await first.close();
    await world.sealEpoch(1);
    const { code } = await first.close(...peers(urls[1], urls[2]));
    expect(code).to.equal(0);
    expect(await servedIn(first, 1)).to.have.members([1n, 2n, 3n]);
    // The first that answers is enough.
    expect(await signers())
      .to.have.lengthOf(2)
      .and.include(0);
  });

  it("find what another has proposed, propose it no second time, and take it to its end", async () => {
    const takeOver = await second.close(...peers(urls[0], urls[2]));
    expect(takeOver.code).to.equal(0);
    expect(stepsOf(takeOver, 1)).to.deep.equal([
      "sealed",
      "computed",
      "published",
      "attested",
      "proposed",
    ]);
    expect(await proposals(world)).to.deep.equal([[1, 0]]);
    expect(await publishedFiles(second, 1)).to.deep.equal(await publishedFiles(first, 1));
    await world.passWindow();
    expect(stepsOf(await second.close(), 1)).to.deep.equal(["final"]);
    expect(stepsOf(await first.close(), 1)).to.deep.equal(["final"]);
    expect(await lastFinalEpoch(world)).to.equal(1);
  });

  it("have what all took in before the seal, and sign nothing while too few would", async () => {
    await world.submit(urls[0], [{ epoch: 2 }, { epoch: 2 }]);
    await world.submit(urls[1], [{ epoch: 2, sequence: 2, egressBytes: 5n }]);
    await world.sealEpoch(2);
    // Sealed alone: nothing was copied from the others.
    const alone = await first.close();
    expect(alone.outcome.waiting).to.contain("1 of 2 signatures");
    const store = await first.openStore();
    expect(await store.recordedReport(2, 0)).to.equal(undefined);
    await store.close();
    const { code } = await first.close(...peers(urls[2]));
    expect(code).to.equal(0);
    expect(await signers()).to.deep.equal([0, 2]);
    await world.passWindow();
    await first.close();
    expect(await lastFinalEpoch(world)).to.equal(2);
  });

  it("come to a quorum although one is down, one lies and two drip (Lido 1379: one member bricks the vote)", async () => {
    const chainId = Number((await world.devnet.provider.getNetwork()).chainId);
    const ledger = await world.devnet.suite.ledger.getAddress();
    liar = createServer((request, response) => {
      response.setHeader("content-type", "application/json");
      if (request.url === "/v1/member") {
        const { member } = second;
        const versions = { oldest: 1, newest: 1 };
        return response.end(JSON.stringify({ member, chainId, ledger, versions, now: 0 }));
      }
      response.setHeader("link-cursor", "anywhere");
      if (request.method !== "POST") return response.end(Buffer.alloc(204 * 3 + 7, 0x5a));
      if (request.url === "/v1/reviews") return response.end(JSON.stringify({ agrees: true }));
      // Another member's name under a good signature of something else.
      const { member, wallet } = second;
      const signature = sign(
        keccak256(utf8("something")),
        fromHex(lowercaseHex(wallet.privateKey)),
      );
      return response.end(JSON.stringify({ member, signature: toHex(signature) }));
    });
    await new Promise<void>((listening) => liar.listen(0, "127.0.0.1", listening));
    const lies = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
    // Both introduce themselves; all else that is asked of them never ends.
    const dripping = (["headers", "body"] as const).map((part) =>
      startLiar((request, response) => {
        if (request.url !== "/v1/member") return drip(response, part);
        const versions = { oldest: 1, newest: 1 };
        response.setHeader("content-type", "application/json");
        return response.end(
          JSON.stringify({ member: second.member, chainId, ledger, versions, now: 0 }),
        );
      }),
    );
    const drips = await Promise.all(dripping);
    mirrors.push(...drips);
    await world.submit(urls[2], [{ epoch: 3 }, { epoch: 3 }]);
    await world.sealEpoch(3);
    const asked = peers(DOWN, lies, ...drips.map(({ url }) => url), urls[2]);
    const { code, stderr } = await first.close(...asked, "--peer-patience", "0");
    expect(code).to.equal(0);
    expect(await signers()).to.deep.equal([0, 2]);
    expect(stderr).to.contain("peer does not answer").and.contain("a receipt was cut off");
    expect(await servedIn(first, 3)).to.have.lengthOf(2);
    await world.passWindow();
    await first.close();
    expect(await lastFinalEpoch(world)).to.equal(3);
  });

  it("go on from where the chain is, one that has published none of the epochs before", async () => {
    for (const url of urls.slice(0, 2)) await world.submit(url, [{ epoch: 4 }, { epoch: 4 }]);
    await world.sealEpoch(4);
    expect((await first.close()).outcome.waiting).to.contain("1 of 2 signatures");
    const lacksTheLast = await second.close();
    expect(lacksTheLast.code).to.equal(1);
    expect(lacksTheLast.outcome.held).to.contain("epoch 3 is final").and.contain("from any mirror");
    // Two mirrors that sign nothing; one has the true manifest beside other files.
    const spoiling = await mirrorOf(first, "rewards.bin");
    const honest = await mirrorOf(first);
    const fromMirrors = await second.close(...peers(spoiling, honest));
    expect(fromMirrors.outcome.waiting, fromMirrors.stderr).to.contain("1 of 2 signatures");
    const { code } = await third.close(...peers(urls[0], urls[1]));
    expect(code).to.equal(0);
    expect(await proposals(world)).to.deep.include([4, 0]);
  });

  it("follow what another has proposed to its end, also with nobody to ask", async () => {
    const follows = await second.close();
    expect(stepsOf(follows, 4)).to.deep.equal(["attested", "proposed"]);
    expect(follows.outcome.waiting).to.contain("the window is open");
    await world.passWindow();
    await third.close();
    // It was away from before the proposal until after the end.
    const away = await first.close();
    expect(stepsOf(away, 4)).to.deep.equal(["final"]);
    expect(await publishedFiles(first, 4)).to.deep.equal(await publishedFiles(third, 4));
  });

  it("ask for signatures anew when one that signed has left before the proposal", async () => {
    const { devnet } = world;
    const { ledger, quorum } = devnet.suite;
    await world.submit(urls[0], [{ epoch: 5 }, { epoch: 5 }]);
    await world.sealEpoch(5);
    const { selector } = ledger.getFunction("propose").fragment;
    const proxy = await startRpcProxy(devnet.rpcUrl);
    proxy.handle(async ({ methods, body }, forward) => {
      if (methods.includes("eth_estimateGas") && body.includes(selector)) throw new Error("cut");
      return forward();
    });
    const { wallet, data } = first;
    const behind = await memberOracle({ devnet, name: "behind", wallet, rpcUrl: proxy.url, data });
    const cut = await behind.close(...peers(urls[1]));
    await proxy.close();
    expect(cut.code).to.equal(2);
    await (await quorum.connect(second.wallet.connect(devnet.provider)).exit()).wait();
    await world.endEpoch(6);
    const left = await first.close(...peers(urls[1], urls[2]));
    expect(left.code, left.stderr).to.equal(0);
    expect(left.outcome.waiting).to.contain(`SignerNotActive(${second.wallet.address})`);
    const { code, outcome, stderr } = await first.close(...peers(urls[1], urls[2]));
    expect(code, stderr).to.equal(0);
    expect(stepsOf({ code, outcome, stderr }, 5)).to.deep.equal(["attested", "proposed"]);
    expect(await signers()).to.deep.equal([0, 2]);
    expect(await proposals(world)).to.deep.include([5, 0]);
  });

  it("show no trace of a fault in their logs", async () => {
    for (const { process } of services) {
      process.child.kill("SIGTERM");
      const { code, stderr } = await process.finished;
      expect(code).to.equal(0);
      expect(stderr).not.to.match(/"level":"(error|fatal)"/);
    }
  });
});
