import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { generate } from "selfsigned";
import { createClient, type FileStat, type WebDAVClient } from "webdav";
import { createPassword, openPassword } from "../../../device/home/password.ts";
import { type RunningHome, serveHome } from "../../../device/home/serve.ts";
import { programOf, runProgram } from "../support/program.ts";

const QUOTA = 1_000_000;
const BLOCK = 4_096;
const XML = { "content-type": "application/xml" };

describe("a private share", () => {
  let folder: string;
  let home: string;
  let share: RunningHome;
  let client: WebDAVClient;
  const password = "correct horse";

  async function open(quotaBytes = QUOTA): Promise<void> {
    share = await serveHome({
      ...{ folder: home, quotaBytes, host: "127.0.0.1", port: 0, log: () => undefined },
      isPassword: async (given) => given === password,
    });
    client = createClient(`http://127.0.0.1:${share.port}`, { username: "me", password });
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-home-"));
    home = join(folder, "home");
    await mkdir(home);
    await open();
  });

  afterEach(async () => {
    await share.close();
    await rm(folder, { recursive: true, force: true });
  });

  const inHome = async () => (await readdir(home)).filter((name) => !name.startsWith("."));
  const statusOf = (failed: unknown) => Object(failed).status as number | undefined;

  type Raw = {
    readonly method?: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string | Buffer;
    readonly as?: string;
  };

  /** As no client asks: the path as it is given. */
  async function ask({ method = "GET", path, headers = {}, body, as = password }: Raw) {
    const authorization = `Basic ${Buffer.from(`me:${as}`).toString("base64")}`;
    const asked = request({
      ...{ host: "127.0.0.1", port: share.port, method, path, agent: false },
      headers: { authorization, ...headers },
    });
    asked.end(body);
    const [response] = await once(asked, "response");
    return { status: response.statusCode, body: await text(response), headers: response.headers };
  }

  async function quota(): Promise<{ used: number; available: number }> {
    const names = ["quota-used-bytes", "quota-available-bytes"];
    const { body } = await ask({
      ...{ method: "PROPFIND", path: "/", headers: { ...XML, depth: "0" } },
      body: `<propfind xmlns="DAV:"><prop>${names.map((each) => `<${each}/>`).join("")}</prop></propfind>`,
    });
    const [used, available] = names.map((each) =>
      Number(new RegExp(`${each}[^>]*>(\\d+)<`).exec(body)?.[1]),
    ) as [number, number];
    return { used, available };
  }

  it("keeps files and folders, as a WebDAV client has them", async () => {
    const photo = randomBytes(50_000);
    await client.createDirectory("/photos");
    await client.putFileContents("/photos/summer day.jpg", photo);
    const [found] = (await client.getDirectoryContents("/photos")) as FileStat[];
    expect(found).to.deep.include({ basename: "summer day.jpg", size: 50_000, type: "file" });
    const read = (await client.getFileContents("/photos/summer day.jpg")) as Buffer;
    expect(Buffer.from(read).equals(photo)).to.equal(true);
    expect((await readFile(join(home, "photos", "summer day.jpg"))).equals(photo)).to.equal(true);

    await client.copyFile("/photos", "/album");
    await client.moveFile("/album/summer day.jpg", "/album/winter.jpg");
    await client.deleteFile("/photos");
    expect(await inHome()).to.deep.equal(["album"]);
    expect(await readdir(join(home, "album"))).to.deep.equal(["winter.jpg"]);
    expect((await client.stat("/album/winter.jpg")) as FileStat).to.deep.include({ size: 50_000 });
  });

  it("keeps a file while it is locked by another, and says how much room there is", async () => {
    await client.putFileContents("/note", "one");
    const locked = await ask({ method: "LOCK", path: "/note", headers: XML, body: LOCK });
    expect(statusOf(await client.putFileContents("/note", "two").catch((e) => e))).to.equal(423);
    await client.unlock("/note", String(locked.headers["lock-token"]));
    await client.putFileContents("/note", "two");
    expect(await readFile(join(home, "note"), "utf8")).to.equal("two");
    const { used, available } = await quota();
    expect(used).to.be.within(2 * BLOCK, 4 * BLOCK);
    expect(used + available).to.equal(QUOTA);
  });

  describe("lets nobody out of its folder", () => {
    beforeEach(async () => {
      await writeFile(join(folder, "secret"), "secret");
      await writeFile(join(home, "mine"), "mine");
    });

    it("by a path", async () => {
      for (const path of [
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/x/..%2F..%2Fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/mine%00",
        "/%ff",
        `/${"a".repeat(5_000)}`,
      ])
        for (const method of ["GET", "PUT", "DELETE", "MKCOL"]) {
          const { status, body } = await ask({ method, path });
          expect(status, `${method} ${path}`).to.be.within(400, 499);
          expect(body).not.to.include("secret");
        }
      expect(await readFile(join(folder, "secret"), "utf8")).to.equal("secret");
    });

    it("by a destination", async () => {
      const own = `http://127.0.0.1:${share.port}`;
      for (const destination of [
        "/../stolen",
        "/%2e%2e/stolen",
        "/..%2fstolen",
        `${own}/..%2fstolen`,
        `${own}/../stolen`,
        "http://elsewhere.example/stolen",
      ])
        for (const method of ["COPY", "MOVE"]) {
          const { status } = await ask({ method, path: "/mine", headers: { destination } });
          expect(status, `${method} ${destination}`).to.be.within(400, 502);
        }
      expect(await readdir(folder)).to.have.members(["home", "secret"]);
      expect(await inHome()).to.deep.equal(["mine"]);
    });

    it("by a link, which it neither follows nor shows", async () => {
      await symlink(folder, join(home, "out"));
      await symlink(join(folder, "secret"), join(home, "leak"));
      for (const path of ["/leak", "/out/secret", "/out/new"])
        for (const method of ["GET", "PUT", "DELETE"])
          expect((await ask({ method, path })).status, `${method} ${path}`).to.equal(403);
      const headers = { destination: "/out/copy" };
      expect((await ask({ method: "COPY", path: "/mine", headers })).status).to.equal(403);
      const shown = (await client.getDirectoryContents("/")) as FileStat[];
      expect(shown.map(({ basename }) => basename)).to.deep.equal(["mine"]);
      expect(await readFile(join(folder, "secret"), "utf8")).to.equal("secret");
    });

    it("by what is kept beside its files", async () => {
      for (const path of ["/mine.nephelemeta", "/.LINK-home-uploads", "/x/.nephelemeta"])
        for (const method of ["GET", "PUT", "MKCOL"])
          expect((await ask({ method, path })).status, path).to.equal(403);
    });
  });

  describe("takes no more than its quota", () => {
    const filling = () => 60 * BLOCK;

    it("and says so, for a file of any length", async () => {
      const body = Buffer.alloc(QUOTA);
      const known = await client.putFileContents("/large", body).catch((error) => error);
      expect(statusOf(known)).to.equal(507);
      const chunked = await ask({
        ...{ method: "PUT", path: "/large", body: "x".repeat(QUOTA) },
        headers: { "transfer-encoding": "chunked" },
      }).catch((error) => ({ status: String(error.code) }));
      expect([507, "ECONNRESET", "EPIPE"]).to.include(chunked.status);
      expect(await inHome()).to.deep.equal([]);
      await client.putFileContents("/small", "small");
    });

    it("of many at once either", async () => {
      const names = Array.from({ length: 10 }, (_, i) => `/file-${i}`);
      const body = Buffer.alloc(filling());
      const chunked = { "transfer-encoding": "chunked" };
      const put = (path: string) =>
        ask({ method: "PUT", path, body, headers: chunked }).then(
          ({ status }) => status,
          () => 507,
        );
      const all = await Promise.all(names.map(put));
      const kept = all.filter((status) => status === 201).length;
      expect(kept).to.be.within(1, Math.floor(QUOTA / filling()));
      expect(await inHome()).to.have.length(kept);
      for (const path of names) await ask({ method: "DELETE", path });
      expect(await put("/again")).to.equal(201);
    });

    it("by copies, empty files, folders or properties either", async () => {
      await client.putFileContents("/a", Buffer.alloc(filling()));
      let answer = "";
      for (let i = 0; i < 6; i++) {
        const headers = { destination: `/copy-${i}` };
        answer = (await ask({ method: "COPY", path: "/a", headers })).body;
      }
      expect(answer).to.match(/507 Insufficient Storage/);
      for (const method of ["PUT", "MKCOL"]) {
        let status = 0;
        for (let i = 0; i < QUOTA / BLOCK && status !== 507; i++)
          ({ status } = await ask({ method, path: `/${method}-${i}` }));
        expect(status, method).to.equal(507);
      }
      const { status } = await ask({ method: "LOCK", path: "/a", headers: XML, body: LOCK });
      expect(status).to.equal(507);
    });

    it("and knows after a restart what is there", async () => {
      await client.putFileContents("/a", Buffer.alloc(filling() * 2));
      await share.close();
      await open();
      const more = await client.putFileContents("/b", Buffer.alloc(filling() * 3)).catch((e) => e);
      expect(statusOf(more)).to.equal(507);
    });

    it("and has room again for what was replaced", async () => {
      for (let i = 0; i < 10; i++)
        expect(await client.putFileContents("/a", Buffer.alloc(filling()))).to.equal(true);
    });
  });

  it("leaves what was there when an upload breaks off", async () => {
    await client.putFileContents("/note", "whole");
    const authorization = `Basic ${Buffer.from(`me:${password}`).toString("base64")}`;
    const socket = connect(share.port, "127.0.0.1");
    const head = `PUT /note HTTP/1.1\r\nhost: 127.0.0.1:${share.port}\r\nauthorization: ${authorization}`;
    socket.write(`${head}\r\ncontent-length: 1000\r\n\r\nhalf`);
    const uploads = join(home, ".link-home-uploads");
    while ((await readdir(uploads)).length === 0) await new Promise(setImmediate);
    socket.destroy();
    while ((await readdir(uploads)).length > 0) await new Promise(setImmediate);
    expect(await readFile(join(home, "note"), "utf8")).to.equal("whole");
    expect((await quota()).used).to.be.at.most(3 * BLOCK);
  });

  describe("is its owner's alone", () => {
    it("so it asks for a password, and takes no wrong one", async () => {
      const without = await ask({ path: "/", headers: { authorization: "" } });
      expect(without.status).to.equal(401);
      expect(without.headers["www-authenticate"]).to.match(/^Basic realm=/);
      expect((await ask({ path: "/", as: "wrong" })).status).to.equal(401);
      expect((await ask({ method: "OPTIONS", path: "/", as: "wrong" })).status).to.equal(401);
    });

    it("and who tries many is not answered, while the owner is", async () => {
      await client.putFileContents("/note", "note");
      const statuses = [];
      for (let i = 0; i < 12; i++) statuses.push((await ask({ path: "/", as: `${i}` })).status);
      expect(statuses).to.include(429);
      expect((await ask({ path: "/note" })).status).to.equal(200);
    });
  });

  it("refuses what is costly, or is read in two ways", async () => {
    const body = "x".repeat(70_000);
    const status = async (raw: Raw) => (await ask(raw)).status;
    expect(await status({ method: "PROPFIND", path: "/", body, headers: { depth: "1" } })).to.equal(
      413,
    );
    expect(await status({ method: "PROPFIND", path: "/" })).to.equal(403);
    expect(
      await status({ method: "PUT", path: "/a", headers: { "content-encoding": "gzip" } }),
    ).to.equal(415);
    expect(await status({ method: "GET", path: "/", headers: { host: "a b" } })).to.equal(400);
    const chunked = { depth: "1", "transfer-encoding": "chunked" };
    expect(await status({ method: "PROPFIND", path: "/", headers: chunked, body: "x" })).to.equal(
      411,
    );
  });

  describe("has a password", () => {
    it("that its file can tell, and does not hold", async () => {
      const file = join(folder, "password");
      const made = await createPassword(file);
      expect(await readFile(file, "utf8")).not.to.include(made);
      const isPassword = await openPassword(file);
      expect([await isPassword(made), await isPassword(`${made}x`)]).to.deep.equal([true, false]);
      expect(await createPassword(file).catch((error) => error.code)).to.equal("EEXIST");
      await writeFile(join(folder, "plain"), "my password");
      const plain = await openPassword(join(folder, "plain")).catch(String);
      expect(plain).to.match(/is no password file; make one with link-node home-password/);
      expect(plain).not.to.include("my password");
    });
  });

  describe("is a program of its own", () => {
    let child: ChildProcess | undefined;

    afterEach(async () => {
      if (child?.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    });

    async function start(...more: readonly string[]) {
      const args = ["home", "--home", home, "--password-file", join(folder, "password")];
      const started = spawn(
        process.execPath,
        [programOf("node"), ...args, "--quota", `${QUOTA}`, "--port", "0", "--json", ...more],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      child = started;
      const [line] = await once(createInterface({ input: started.stdout }), "line");
      return { child: started, url: String(JSON.parse(line).url) };
    }

    async function makePassword(): Promise<string> {
      const file = join(folder, "password");
      const { stdout } = await runProgram(
        "node",
        "home-password",
        "--password-file",
        file,
        "--json",
      );
      return JSON.parse(stdout).password;
    }

    it("with TLS when it is given, and ends when it is told to", async () => {
      const made = await makePassword();
      const { private: key, cert } = await generate([{ name: "commonName", value: "home" }], {
        keyType: "ec",
      });
      await writeFile(join(folder, "key.pem"), key);
      await writeFile(join(folder, "cert.pem"), cert);
      const { child: started, url } = await start(
        ...["--tls-cert", join(folder, "cert.pem"), "--tls-key", join(folder, "key.pem")],
      );
      const { Agent } = await import("node:https");
      const httpsAgent = new Agent({ ca: cert, checkServerIdentity: () => undefined });
      const over = createClient(url, { username: "me", password: made, httpsAgent });
      await over.putFileContents("/note", "note");
      expect(await readFile(join(home, "note"), "utf8")).to.equal("note");
      httpsAgent.destroy();
      started.kill("SIGTERM");
      expect(await once(started, "exit")).to.deep.equal([0, null]);
    });

    it("that leaves nothing half-written when it is killed", async () => {
      const made = await makePassword();
      await writeFile(join(home, "note"), "whole");
      const { child: started, url } = await start();
      const { port } = new URL(url);
      const asked = request({
        ...{ host: "127.0.0.1", port, method: "PUT", path: "/note" },
        headers: { authorization: `Basic ${Buffer.from(`me:${made}`).toString("base64")}` },
      });
      asked.on("error", () => undefined);
      asked.write("half");
      const uploads = join(home, ".link-home-uploads");
      while ((await readdir(uploads)).length === 0) await new Promise(setImmediate);
      started.kill("SIGKILL");
      await once(started, "exit");
      expect(await readFile(join(home, "note"), "utf8")).to.equal("whole");
      await start();
      expect(await readdir(uploads)).to.deep.equal([]);
    });

    it("that is not heard beyond this machine without TLS, unless told to", async () => {
      await makePassword();
      const { code, stderr } = await runProgram(
        "node",
        ...["home", "--home", home, "--password-file", join(folder, "password")],
        ...["--quota", "1", "--host", "0.0.0.0"],
      );
      expect([code, stderr]).to.match(/^3,link-node: at 0\.0\.0\.0 the password would go over/);
      const { url } = await start("--host", "0.0.0.0", "--insecure");
      expect(url).to.match(/^http:\/\/0\.0\.0\.0:/);
    });
  });

  const LOCK = `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>
    <D:locktype><D:write/></D:locktype><D:owner><D:href>me</D:href></D:owner></D:lockinfo>`;
});
