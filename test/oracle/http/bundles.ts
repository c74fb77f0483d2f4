import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Served, serve } from "./served.ts";

const REWARDS = Uint8Array.from({ length: 44 * 300 }, (_, i) => i % 251);

describe("GET /bundles", () => {
  let folder: string;
  let served: Served;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-bundles-"));
    const bundles = join(folder, "bundles");
    await mkdir(join(bundles, "1"), { recursive: true });
    await mkdir(join(bundles, ".staged-2-0xabc"));
    await writeFile(join(bundles, "1", "rewards.bin"), REWARDS);
    await writeFile(join(bundles, "1", "manifest.json"), '{"epoch":1}');
    await writeFile(join(bundles, "1", ".hidden"), "secret");
    await writeFile(join(bundles, ".staged-2-0xabc", "manifest.json"), "secret");
    await writeFile(join(folder, "oracle.sqlite"), "secret");
    await symlink("../oracle.sqlite", join(bundles, "3")).catch(() => undefined);
    served = await serve({ bundles });
  });
  after(async () => {
    await served.close();
    await rm(folder, { recursive: true, force: true });
  });

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${served.url}${path}`, { headers });
  const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

  it("gives a file whole", async () => {
    const response = await get("/bundles/1/rewards.bin");
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-type")).to.equal("application/octet-stream");
    expect(response.headers.get("accept-ranges")).to.equal("bytes");
    expect(await bytesOf(response)).to.deep.equal(REWARDS);
  });

  it("gives a range: a page of records is one request", async () => {
    const response = await get("/bundles/1/rewards.bin", { range: "bytes=44-87" });
    expect(response.status).to.equal(206);
    expect(response.headers.get("content-range")).to.equal(`bytes 44-87/${REWARDS.length}`);
    expect(await bytesOf(response)).to.deep.equal(REWARDS.subarray(44, 88));
    const last = await get("/bundles/1/rewards.bin", { range: "bytes=-44" });
    expect(await bytesOf(last)).to.deep.equal(REWARDS.subarray(-44));
  });

  it("refuses a range beyond the file", async () => {
    const answer = await served.request("/bundles/1/rewards.bin", {
      headers: { range: `bytes=${REWARDS.length}-` },
    });
    expect(answer.status).to.equal(416);
    expect(answer.headers.get("content-range")).to.equal(`bytes */${REWARDS.length}`);
  });

  it("lets what the bundle hash fixes be kept for ever, and the rest be asked for again", async () => {
    const fixed = await get("/bundles/1/rewards.bin");
    expect(fixed.headers.get("cache-control")).to.contain("immutable");
    const manifest = await get("/bundles/1/manifest.json");
    expect(manifest.headers.get("cache-control")).to.equal("no-cache");
    const etag = manifest.headers.get("etag") as string;
    const again = await rawRequest(
      served.url,
      "/bundles/1/manifest.json",
      `If-None-Match: ${etag}`,
    );
    expect(again).to.match(/^HTTP\/1\.1 304 /);
  });

  it("tells the size without the file", async () => {
    const response = await fetch(`${served.url}/bundles/1/rewards.bin`, { method: "HEAD" });
    expect(response.headers.get("content-length")).to.equal(String(REWARDS.length));
    expect((await bytesOf(response)).length).to.equal(0);
  });

  it("may be read by pages of any origin, also in ranges", async () => {
    const response = await get("/bundles/1/manifest.json", { origin: "https://claims.example" });
    expect(response.headers.get("access-control-allow-origin")).to.equal("*");
    const preflight = await fetch(`${served.url}/bundles/1/rewards.bin`, { method: "OPTIONS" });
    expect(preflight.status).to.equal(204);
    expect(preflight.headers.get("access-control-allow-headers")).to.contain("range");
  });

  it("answers 404 for what is not published yet, and lets nobody keep that answer", async () => {
    for (const path of ["2/manifest.json", "1/contributions.bin", "4294967296/manifest.json"]) {
      const { status, headers } = await served.request(`/bundles/${path}`);
      expect([status, headers.get("cache-control")], path).to.deep.equal([404, "no-store"]);
    }
  });

  it("shows no folder, no hidden file, and nothing that is staged", async () => {
    const paths = [
      "",
      "1",
      "1/",
      "1/.hidden",
      "1/%2ehidden",
      ".staged-2-0xabc/manifest.json",
      "1/.",
    ];
    for (const path of paths) expect((await get(`/bundles/${path}`)).status, path).to.equal(404);
  });

  it("has no way out of its folder, whatever the spelling", async () => {
    const paths = [
      "/bundles/../oracle.sqlite",
      "/bundles/1/../../oracle.sqlite",
      "/bundles/1/..%2f..%2foracle.sqlite",
      "/bundles/1/%2e%2e%2f%2e%2e%2foracle.sqlite",
      "/bundles/1/..%5c..%5coracle.sqlite",
      "/bundles/1/..\\..\\oracle.sqlite",
      "/bundles/..%2f/oracle.sqlite",
      "/bundles//etc/passwd",
      "/bundles/1//etc/passwd",
      "/bundles/1/%00",
      "/bundles/1/rewards.bin%00.json",
      "/bundles/1/%252e%252e%252foracle.sqlite",
      "/bundles/3/oracle.sqlite",
    ];
    for (const path of paths) {
      const answer = await rawRequest(served.url, path);
      expect(answer, path).to.match(/^HTTP\/1\.1 40[04] /);
      expect(answer, path).to.not.contain("secret").and.not.contain("root:");
    }
  });

  it("is not there without a folder", async () => {
    const without = await serve();
    expect((await without.request("/bundles/1/manifest.json")).status).to.equal(404);
    await without.close();
  });
});

/** `fetch` tidies a path before it sends it, and asks for no 304; an attacker and a browser do otherwise. */
function rawRequest(url: string, path: string, header = "X: x"): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let answer = "";
    socket.on("data", (part) => {
      answer += part;
    });
    socket.on("end", () => resolve(answer));
    socket.on("error", reject);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n${header}\r\nConnection: close\r\n\r\n`,
    );
  });
}
