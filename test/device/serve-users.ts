import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect } from "chai";
import { CHUNK_BYTES } from "../../device/content.ts";
import { serveUsers, type Users } from "../../device/gateway/serve-users.ts";
import type { RunningGateway } from "../../device/gateway/start.ts";
import { customer, type Service, type ServiceNode, startService } from "./support/service.ts";
import { settled } from "./support/settled.ts";

const NO_WORK = { ranges: 0, chunksPerRange: 0, challenges: 0, jobPercent: 0, checkPercent: 0 };
const SIZE = 3 * CHUNK_BYTES + 100;

describe("users", () => {
  let service: Service;
  let node: ServiceNode;
  let gateway: RunningGateway;
  let users: Users;
  let bytes: Buffer;

  async function start(size: number): Promise<void> {
    service = await startService();
    node = await service.node();
    const path = await service.file("a film.mp4", size);
    bytes = await readFile(path);
    gateway = await service.gateway({ jobs: [], files: [path], work: NO_WORK });
    await gateway.serveRound();
    users = await serveUsers({ host: "127.0.0.1", port: 0, ...gateway });
  }

  afterEach(async () => {
    await users.close();
    await service.close();
  });

  const rootOf = () => String(gateway.files[0]?.contentTree.root);
  const ask = (path: string, headers: Record<string, string> = {}, method = "GET") =>
    fetch(`http://127.0.0.1:${users.port}/${path}`, { method, headers });
  const bodyOf = async (answer: Response) => Buffer.from(await answer.arrayBuffer());
  const egress = () => Number(gateway.tallies()[0]?.verified.egressBytes ?? 0n);

  describe("of a small file", () => {
    beforeEach(() => start(SIZE));

    it("get it by its name and by its root, from a device", async () => {
      for (const name of ["a%20film.mp4", rootOf(), rootOf().toUpperCase().replace("X", "x")]) {
        const answer = await ask(name);
        expect(answer.status).to.equal(200);
        expect(answer.headers.get("etag")).to.equal(`"${rootOf()}"`);
        expect(answer.headers.get("accept-ranges")).to.equal("bytes");
        expect((await bodyOf(answer)).equals(bytes), name).to.equal(true);
      }
      await gateway.close();
      expect(egress()).to.equal(3 * SIZE);
      expect(Number(node.metered(1, customer).egressBytes)).to.equal(3 * SIZE);
    });

    it("get what HEAD promises, for which no device is asked", async () => {
      const answer = await ask("a%20film.mp4", {}, "HEAD");
      expect(answer.status).to.equal(200);
      expect(answer.headers.get("content-length")).to.equal(String(SIZE));
      const part = await ask("a%20film.mp4", { range: "bytes=5-9" }, "HEAD");
      expect([part.status, part.headers.get("content-length")]).to.deep.equal([206, "5"]);
      await gateway.close();
      expect(egress()).to.equal(0);
    });

    it("get ranges", async () => {
      const ranges = [
        ["bytes=0-0", 0, 0],
        ["bytes=10-", 10, SIZE - 1],
        ["bytes=-7", SIZE - 7, SIZE - 1],
        [`bytes=-${SIZE + 1}`, 0, SIZE - 1],
        [`bytes=5-${SIZE + 5}`, 5, SIZE - 1],
        [`bytes=${CHUNK_BYTES - 1}-${CHUNK_BYTES}`, CHUNK_BYTES - 1, CHUNK_BYTES],
      ] as const;
      for (const [range, first, last] of ranges) {
        const answer = await ask("a%20film.mp4", { range });
        const { headers } = answer;
        const shown = [answer.status, headers.get("content-range"), headers.get("content-length")];
        expect(shown, range).to.deep.equal([
          206,
          `bytes ${first}-${last}/${SIZE}`,
          String(last - first + 1),
        ]);
        expect((await bodyOf(answer)).equals(bytes.subarray(first, last + 1)), range).to.equal(
          true,
        );
      }
    });

    it("are told when a range is outside, and get all where it is not one range", async () => {
      for (const range of [`bytes=${SIZE}-`, `bytes=${SIZE}-${SIZE + 1}`, "bytes=-0"]) {
        const answer = await ask("a%20film.mp4", { range });
        expect(answer.status, range).to.equal(416);
        expect(answer.headers.get("content-range")).to.equal(`bytes */${SIZE}`);
        expect(await answer.json()).to.deep.include({ refusal: "range-invalid" });
      }
      for (const range of ["bytes=5-2", "bytes=0-1,4-5", "bytes=-", "lines=1-2", "bytes=a-b"]) {
        const answer = await ask("a%20film.mp4", { range });
        expect([answer.status, (await bodyOf(answer)).length], range).to.deep.equal([200, SIZE]);
      }
    });

    it("get a part only of the version that they have the other part of", async () => {
      const range = "bytes=0-1";
      const same = await ask("a%20film.mp4", { range, "if-range": `"${rootOf()}"` });
      expect(same.status).to.equal(206);
      const other = await ask("a%20film.mp4", { range, "if-range": '"another"' });
      expect([other.status, (await bodyOf(other)).length]).to.deep.equal([200, SIZE]);
      const known = await ask("a%20film.mp4", { "if-none-match": `"x", "${rootOf()}"` });
      expect([known.status, (await bodyOf(known)).length]).to.deep.equal([304, 0]);
    });

    it("are told what is not there, and may do nothing but read", async () => {
      for (const path of ["", "A%20film.mp4", "film", "..%2fgateway%2fledger.json", "a/b"]) {
        const answer = await ask(path);
        expect(answer.status, path).to.equal(404);
        expect(await answer.json()).to.deep.include({ refusal: "content-unknown" });
      }
      for (const method of ["PUT", "POST", "DELETE"])
        expect((await ask("a%20film.mp4", {}, method)).status).to.equal(404);
    });

    it("are told when nobody can deliver: that no device is there, or that all failed", async () => {
      await rm(join(service.folder, "a film.mp4"));
      await rm(join(service.folder, "node", "contents"), { recursive: true });
      const failed = await ask("a%20film.mp4");
      expect(failed.status).to.equal(504);
      expect(failed.headers.get("etag")).to.equal(null);
      expect(await failed.json()).to.deep.include({ refusal: "timeout" });
      await node.close();
      const alone = await ask("a%20film.mp4", { range: "bytes=0-1" });
      expect(alone.status).to.equal(503);
      expect(alone.headers.get("retry-after")).to.equal("1");
      const { refusal, message } = (await alone.json()) as Record<string, string>;
      expect(refusal).to.equal("busy");
      expect(message).to.match(/^no device that keeps it is connected; .* not what it was/);
    });

    it("do not find two files under one name", async () => {
      const other = { ...gateway.files[0], contentTree: { root: "0x1" } } as never;
      const files = [...gateway.files, other];
      const failure = await serveUsers({
        ...{ host: "127.0.0.1", port: 0, files },
        deliver: gateway.deliver,
      }).catch(String);
      expect(failure).to.match(/would have one name: rename one of them/);
    });
  });

  describe("of a large file", () => {
    beforeEach(() => start(64 * 1024 * 1024));

    it("fill no memory by taking nothing, and end the transfer by hanging up", async () => {
      const socket = connect(users.port, "127.0.0.1");
      socket.write("GET /a%20film.mp4 HTTP/1.1\r\nhost: x\r\n\r\n");
      await once(socket, "readable");
      socket.pause();
      // Nothing more is asked for: what is under way ends.
      let before = -1;
      while (egress() !== before) {
        before = egress();
        await gateway.close();
      }
      expect(egress()).to.be.greaterThan(0);
      expect(egress()).to.be.lessThan(bytes.length / 2);
      socket.destroy();
      await gateway.close();
      expect(egress()).to.be.lessThan(bytes.length / 2);
      expect(Number(node.metered(1, customer).egressBytes)).to.equal(egress());
    });

    it("get it whole, and the connection is free for the next", async () => {
      const answer = await ask("a%20film.mp4");
      expect((await bodyOf(answer)).equals(bytes)).to.equal(true);
      await settled(() => egress() === bytes.length || undefined);
      expect((await gateway.settle()).failures).to.deep.equal([]);
    });
  });
});
