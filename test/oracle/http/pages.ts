import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type Served, serve } from "./served.ts";

describe("GET /pages", () => {
  let folder: string;
  let served: Served;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-pages-"));
    const pages = join(folder, "pages");
    await mkdir(join(pages, "assets"), { recursive: true });
    await writeFile(join(pages, "index.html"), "<!doctype html><title>pages</title>");
    await writeFile(join(pages, "config.json"), "{}");
    await writeFile(join(pages, "assets", "index-abc.js"), "export {};");
    await writeFile(join(pages, ".hidden"), "secret");
    await writeFile(join(folder, "oracle.sqlite"), "secret");
    served = await serve({ pages });
  });
  after(async () => {
    await served.close();
    await rm(folder, { recursive: true, force: true });
  });

  const get = (path: string) => fetch(`${served.url}${path}`);

  it("gives the page under a policy of its own, and lets nobody frame it", async () => {
    const response = await get("/pages/");
    expect(response.status).to.equal(200);
    expect(response.headers.get("content-type")).to.match(/^text\/html/);
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).to.match(/default-src 'none'; script-src 'self'/);
    expect(policy).to.match(/frame-ancestors 'none'/);
    expect(policy).to.not.match(/unsafe/);
  });

  it("lets browsers keep what is named by its content, and nothing else", async () => {
    const cacheOf = async (path: string) => (await get(path)).headers.get("cache-control");
    expect(await cacheOf("/pages/assets/index-abc.js")).to.match(/immutable/);
    expect(await cacheOf("/pages/index.html")).to.equal("no-cache");
    expect(await cacheOf("/pages/config.json")).to.equal("no-cache");
  });

  it("keeps hidden files and everything outside the folder to itself", async () => {
    for (const path of [
      "/pages/.hidden",
      "/pages/..%2foracle.sqlite",
      "/pages/%2e%2e/oracle.sqlite",
    ])
      expect((await get(path)).status, path).to.be.oneOf([400, 403, 404]);
  });

  it("leaves the strict policy on everything else", async () => {
    const policy = (await get("/livez")).headers.get("content-security-policy");
    expect(policy).to.equal("default-src 'none'; frame-ancestors 'none'");
  });
});
