import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { encryptKeystoreJson } from "ethers";
import { chainArgsOf } from "../../scripts/local/local-chain.ts";
import { runOracle, startOracle } from "../../scripts/local/oracle-process.ts";
import { type RpcProxy, startRpcProxy } from "../../scripts/local/rpc-proxy.ts";
import { type MemberOracle, memberOracle } from "../oracle/support/member-oracle.ts";
import { type MemberWorld, startMemberWorld } from "../worlds/network.ts";

const RPC_KEY = "rpc-access-9b1f27c4";
const PASSWORD = "correct horse battery staple";
/** The least work scrypt can be given: how long it takes is not what is tested here. */
const FAST = { scrypt: { N: 2, r: 1, p: 1 } };

describe("secrets", () => {
  let world: MemberWorld;
  let proxy: RpcProxy;
  let oracle: MemberOracle;
  let keystoreArgs: readonly string[];
  const printed: string[] = [];

  before(async () => {
    world = await startMemberWorld();
    const { devnet } = world;
    const { wallet } = world.oracle;
    proxy = await startRpcProxy(devnet.rpcUrl, `/v2/${RPC_KEY}`);
    oracle = await memberOracle({ devnet, name: "member-1", wallet, rpcUrl: proxy.url });
    const keystore = join(devnet.folder, "keystore.json");
    const password = join(devnet.folder, "password");
    await writeFile(
      keystore,
      await encryptKeystoreJson(
        { address: wallet.address, privateKey: wallet.privateKey },
        PASSWORD,
        FAST,
      ),
      { mode: 0o600 },
    );
    await writeFile(password, `${PASSWORD}\n`, { mode: 0o600 });
    const node = chainArgsOf(devnet, proxy.url);
    const key = ["--keystore", keystore, "--password-file", password];
    keystoreArgs = [...node, "--data", oracle.data, ...key];
  });
  after(async () => {
    await world.stop();
    await proxy.close();
  });
  afterEach(() => proxy.handle((_, forward) => forward()));

  async function run(...args: readonly string[]) {
    const finished = await runOracle(args);
    printed.push(finished.stdout, finished.stderr);
    return finished;
  }

  it("come from files: a keystore with its password works as the bare key does", async () => {
    const [bare, locked] = await Promise.all([
      run("check", ...oracle.args, "--json"),
      run("check", ...keystoreArgs, "--json"),
    ]);
    const memberIn = (stdout: string) =>
      JSON.parse(stdout).findings.find(({ name }: { name: string }) => name === "member");
    expect(memberIn(bare.stdout).message).to.contain(world.oracle.member);
    expect(memberIn(locked.stdout)).to.deep.equal(memberIn(bare.stdout));
  });

  it("are refused from a file that others can read, with what to do about it", async () => {
    const path = await world.devnet.keyFile("shared", world.oracle.wallet);
    await chmod(path, 0o644);
    const { code, stderr } = await run("close", ...world.chainArgs, "--key-file", path);
    expect(code).to.equal(2);
    expect(stderr)
      .to.match(/^link-oracle: [^\n]+\n$/)
      .and.contain(`chmod 600 ${path}`);
  });

  const troubles: readonly [string, string | { status: number } | Error][] = [
    ["refuses the key", { status: 401 }],
    ["fails", { status: 500 }],
    ["cuts the line", new Error("cut")],
    ["talks nonsense", "<html>you are not welcome</html>"],
    ["answers with an error", '{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no"}}'],
  ];
  for (const [i, [what, answer]] of troubles.entries()) {
    // From the first request on, or once it has begun to work.
    const method = i % 2 === 0 ? "eth_chainId" : "eth_getBlockByNumber";
    it(`do not show when the node ${what}`, async () => {
      proxy.handle(async ({ methods }, forward) => {
        if (!methods.includes(method)) return forward();
        if (answer instanceof Error) throw answer;
        return answer;
      });
      const { code, stderr } = await run("close", ...oracle.args, "--execute");
      expect(code).to.equal(2);
      expect(stderr).to.match(/^link-oracle: [^\n]+\n$/);
    });
  }

  it("do not show when the node fails a service in the middle, which says so and goes on when it can (CheckerNetwork 569: silent outage)", async () => {
    const serving = startOracle([
      ...["serve", ...keystoreArgs],
      ...["--port", "0", "--follow-seconds", "1"],
    ]);
    await serving.line(/^http/);
    proxy.handle(async () => ({ status: 503 }));
    await serving.line(/the chain cannot be followed/);
    proxy.handle((_, forward) => forward());
    await serving.line(/the chain is followed again/);
    serving.child.kill("SIGTERM");
    const { code, stdout, stderr } = await serving.finished;
    expect(code).to.equal(0);
    printed.push(stdout, stderr);
  });

  it("do not show in what a close writes that does its work", async () => {
    await world.sealEpoch(1);
    const { code } = await run("close", ...keystoreArgs, "--execute", "--json");
    expect(code).to.equal(0);
  });

  it("were in nothing that was printed or logged", () => {
    const { privateKey } = world.oracle.wallet;
    const everything = printed.join("\n").toLowerCase();
    expect(everything.length).to.be.above(1000);
    for (const secret of [RPC_KEY, PASSWORD, privateKey.slice(2)]) {
      expect(everything.includes(secret.toLowerCase()), secret).to.equal(false);
    }
    expect(everything).not.to.match(/^\s+at /m);
  });
});
