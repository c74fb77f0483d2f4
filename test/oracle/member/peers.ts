import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { concatBytes, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { MemberVersions } from "@link-rewards/core/signed/member-request";
import { packSignedReceipt, SIGNED_RECEIPT_BYTES } from "@link-rewards/core/signed/receipt";
import { packSignedVoucher } from "@link-rewards/core/signed/voucher";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { expect } from "chai";
import { connectPeers } from "../../../oracle/edge/peers.ts";
import { withOracle } from "../../../oracle/member/open.ts";
import type { Oracle } from "../../../oracle/member/oracle.ts";
import { replicateFrom, replicateFromAll } from "../../../oracle/member/replicate.ts";
import { MOVED_TIME } from "../../../scripts/local/local-chain.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { drip, type Liar, startLiar } from "../support/liar.ts";

const VERSIONS: MemberVersions = { oldest: 1, newest: 1 };
/** The version in an Authorization header: the first four bytes of what was signed. */
const versionIn = ({ headers }: IncomingMessage) =>
  Number.parseInt(/^LinkMember 0x(.{8})/.exec(headers.authorization ?? "")?.[1] ?? "", 16);

describe("what a member asks of its peers", () => {
  let world: MemberWorld;
  let deployment: Parameters<typeof connectPeers>[0]["deployment"];
  const liars: Liar[] = [];

  before(async () => {
    world = await startMemberWorld();
    const file = await readDeploymentFile(world.devnet.deploymentFile);
    deployment = { ...file, contracts: contractsOf(file) };
  });
  afterEach(async () => {
    for (const liar of liars.splice(0)) await liar.close();
  });
  after(() => world.stop());

  type Answering = (request: IncomingMessage, response: ServerResponse) => unknown;

  /** A peer that introduces itself as one should, unless it is told otherwise, and does the rest as it likes. */
  async function peer(answering: Answering, versions = VERSIONS): Promise<string> {
    const introduction = {
      member: lowercaseHex(world.owners[0]?.address ?? ""),
      chainId: Number(deployment.chainId),
      ledger: deployment.contracts.epochLedger,
      versions,
      now: 0,
    };
    const liar = await startLiar((request, response) => {
      if (request.url !== "/v1/member") return answering(request, response);
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify(introduction));
    });
    liars.push(liar);
    return liar.url;
  }

  describe("in which version", () => {
    const member = { address: `0x${"11".repeat(20)}` as Hex, sign: () => new Uint8Array(65) };
    const asking = (versions: MemberVersions) =>
      connectPeers({ urls: [], deployment, member, versions });

    for (const [says, ours, theirs, spoken] of [
      ["the only one, of two alike", [1, 1], [1, 1], 1],
      ["the newest of an older peer's", [1, 3], [1, 2], 2],
      ["the newest of its own, of a newer peer's", [1, 2], [2, 9], 2],
    ] as const) {
      it(`is ${says}`, async () => {
        const asked: number[] = [];
        const url = await peer(
          (request, response) => {
            asked.push(versionIn(request));
            response.setHeader("link-cursor", "c").end();
          },
          { oldest: theirs[0], newest: theirs[1] },
        );
        await asking({ oldest: ours[0], newest: ours[1] }).arrivals(url, "receipts", undefined);
        expect(asked).to.deep.equal([spoken]);
      });
    }

    for (const [who, theirs] of [
      ["newer", { oldest: 3, newest: 4 }],
      ["older", { oldest: 1, newest: 1 }],
    ] as const) {
      it(`is none where a ${who} peer has none in common: it is asked nothing, until one of the two is updated`, async () => {
        const asked: number[] = [];
        const versions = { ...theirs } as { oldest: number; newest: number };
        const url = await peer((request, response) => {
          asked.push(versionIn(request));
          response.setHeader("link-cursor", "c").end();
        }, versions);
        const peers = asking({ oldest: 2, newest: 2 });
        const failure = await peers.arrivals(url, "receipts", undefined).catch(String);
        expect(failure).to.contain(
          `it speaks versions ${theirs.oldest} to ${theirs.newest} of the members' protocol, this program 2 to 2: update the older of the two`,
        );
        expect(asked).to.deep.equal([]);
        Object.assign(versions, { oldest: 2, newest: 3 });
        await peers.arrivals(url, "receipts", undefined);
        expect(asked).to.deep.equal([2]);
      });
    }

    it("is agreed on anew when a peer was updated behind its introduction", async () => {
      const versions = { oldest: 1, newest: 1 };
      const asked: number[] = [];
      const url = await peer((request, response) => {
        const version = versionIn(request);
        asked.push(version);
        response.setHeader("link-cursor", "c");
        response.writeHead(version < versions.oldest ? 426 : 200).end();
      }, versions);
      const peers = asking({ oldest: 1, newest: 2 });
      await peers.arrivals(url, "receipts", undefined);
      Object.assign(versions, { oldest: 2, newest: 2 });
      expect(await peers.arrivals(url, "receipts", undefined).catch(String)).to.contain("HTTP 426");
      await peers.arrivals(url, "receipts", undefined);
      expect(asked).to.deep.equal([1, 1, 2]);
    });
  });

  describe("of arrivals", () => {
    let data = 0;

    /** A member's oracle in this process, with a folder of its own. */
    async function onOracle<T>(
      urls: readonly string[],
      work: (oracle: Oracle, logged: readonly string[]) => Promise<T>,
    ): Promise<T> {
      const { devnet, oracle } = world;
      const keyFile = await devnet.keyFile("member-1", oracle.wallet);
      const options = {
        rpc: [devnet.rpcUrl],
        deployment: devnet.deploymentFile,
        data: join(devnet.folder, `asking-${data++}`),
        keyFile,
        maxHeadAge: MOVED_TIME.maxAgeSeconds,
        maxHeadLead: MOVED_TIME.maxLeadSeconds,
        peer: urls,
      };
      return withOracle(options, async (opened) => {
        await opened.follower.refresh();
        const logged: string[] = [];
        const log: Oracle["log"] = (event, details) =>
          void logged.push(`${event} ${JSON.stringify(details)}`);
        return work({ ...opened, log }, logged);
      });
    }

    /** Pages by table, from the beginning; after them an empty one. */
    const pagesOf =
      (pages: Readonly<Record<string, readonly Uint8Array[]>>): Answering =>
      ({ url = "" }, response) => {
        const { pathname, searchParams } = new URL(url, "http://peer");
        const next = Number(searchParams.get("after") ?? 0);
        const page = pages[pathname.replace("/v1/arrivals/", "")]?.[next];
        response.setHeader("link-cursor", String(page === undefined ? next : next + 1));
        response.end(page === undefined ? "" : Buffer.from(page));
      };

    it("takes what is valid, and nothing that strangers signed, that was changed, or that is of another registry", async () => {
      const honest = world.sign({});
      const changed = { ...honest, receipt: { ...honest.receipt, egressBytes: 5n } };
      const stranger = crowdOf().verified({ sequence: 9 });
      const foreign = {
        ...stranger,
        receipt: { ...honest.receipt, sequence: 9 },
      };
      const voucher = world.promise(1, LTK);
      const more = { ...voucher, voucher: { ...voucher.voucher, amount: 2n * LTK } };
      const strangers = {
        ...voucher,
        voucher: { ...voucher.voucher, customer: stranger.receipt.customer },
      };
      const url = await peer(
        pagesOf({
          receipts: [
            concatBytes(...[changed, stranger, foreign].map(packSignedReceipt)),
            packSignedReceipt(honest),
          ],
          vouchers: [concatBytes(...[more, strangers, voucher].map(packSignedVoucher))],
        }),
      );
      await onOracle([url], async (oracle) => {
        expect(await replicateFrom(oracle, url)).to.deep.equal({ receipts: 1, vouchers: 1 });
        const { device, customer } = honest.receipt;
        expect(await oracle.store.head(1, device, customer)).to.deep.equal(honest);
        expect(await Array.fromAsync(oracle.store.vouchers())).to.deep.equal([voucher]);
        // All of it once more is nothing new.
        expect(await replicateFrom(oracle, url)).to.deep.equal({ receipts: 0, vouchers: 0 });
      });
    });

    it("ends with a peer that sends the same page again, or a cursor that is none", async () => {
      const page = packSignedReceipt(world.sign({}));
      const again = await peer((_, response) => {
        response.setHeader("link-cursor", "here").end(Buffer.from(page));
      });
      const endless = await peer((_, response) => {
        response.setHeader("link-cursor", "x".repeat(129)).end(Buffer.from(page));
      });
      const gone = await peer((_, response) => response.writeHead(410).end("{}"));
      await onOracle([again, endless, gone], async (oracle, logged) => {
        await replicateFromAll(oracle, oracle.peers.urls);
        expect(logged.join("\n"))
          .to.contain("it sends the same page of receipts again")
          .and.contain("its answer has no cursor")
          .and.contain("it has no beginning of its receipts");
      });
    });

    it("ends a round with a peer whose pages have no end, and goes on from there in the next", async () => {
      const page = packSignedReceipt(world.sign({}));
      const asked: (string | null)[] = [];
      const url = await peer((request, response) => {
        const after = new URL(request.url ?? "", "http://peer").searchParams.get("after");
        asked.push(after);
        response.setHeader("link-cursor", String(Number(after ?? 0) + 1)).end(Buffer.from(page));
      });
      await onOracle([url], async (oracle) => {
        expect(await replicateFrom(oracle, url, 500)).to.deep.equal({ receipts: 1, vouchers: 0 });
        const reached = await oracle.store.peerCursor(url, "receipts");
        expect(Number(reached)).to.equal(asked.length);
        await replicateFrom(oracle, url, 100);
        expect(asked).to.include(reached as string);
      });
    });

    it("refuses more than a page, and what was cut off", async () => {
      const much = await peer((_, response) => {
        const piece = Buffer.alloc(64 * 1024);
        response.setHeader("link-cursor", "c");
        const pour = () => {
          while (!response.destroyed && response.write(piece));
        };
        response.on("drain", pour);
        pour();
      });
      const cut = await peer((_, response) => {
        response.setHeader("link-cursor", "c").end(Buffer.alloc(SIGNED_RECEIPT_BYTES + 1));
      });
      await onOracle([much, cut], async (oracle, logged) => {
        await replicateFromAll(oracle, oracle.peers.urls);
        expect(logged.join("\n"))
          .to.contain("it answers with more than")
          .and.contain("a receipt was cut off");
      });
    });

    it("waits for no peer that drips, in its introduction, its headers or its body, and for all of them at once", async () => {
      const honest = world.sign({ egressBytes: 3n });
      const url = await peer(pagesOf({ receipts: [packSignedReceipt(honest)] }));
      let open = 0;
      let most = 0;
      const dripping =
        (part: "headers" | "body"): Answering =>
        (_, response) => {
          most = Math.max(most, ++open);
          response.on("close", () => open--);
          drip(response, part);
        };
      const introducing = await startLiar(dripping("body"));
      liars.push(introducing);
      const urls = [
        introducing.url,
        await peer(dripping("headers")),
        await peer(dripping("body")),
        url,
      ];
      await onOracle(urls, async (oracle, logged) => {
        await replicateFromAll(oracle, urls);
        expect(most).to.equal(3);
        const { device, customer } = honest.receipt;
        expect(await oracle.store.head(1, device, customer)).to.deep.equal(honest);
        const cannot = logged.filter((line) => line.includes("cannot be read"));
        expect(cannot).to.have.lengthOf(3);
        expect(cannot.join("\n"))
          .to.contain("bytes a second came")
          .and.contain("no answer within 10 seconds");
      });
    });
  });
});
