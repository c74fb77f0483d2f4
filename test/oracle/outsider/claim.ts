import { expect } from "chai";
import { type HDNodeWallet, Transaction } from "ethers";
import { chainArgsOf } from "../../../scripts/local/local-chain.ts";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { type RpcProxy, startRpcProxy } from "../../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { checkpoint } from "../support/checkpoint.ts";

type ClaimJson = {
  readonly claims: readonly { readonly paid: string; readonly claimable: string }[];
  readonly transactions: readonly string[];
  readonly leftAccounts: readonly string[];
};

describe("claim from cron", () => {
  let world: MemberWorld;
  let owner: HDNodeWallet;
  let keyFile: string;
  let runs = 0;
  let proxy: RpcProxy;
  let toTheClaim: () => Promise<void>;

  before(async () => {
    world = await startMemberWorld({ owners: 1 });
    const { oracle, devnet } = world;
    owner = world.owners[0] as HDNodeWallet;
    keyFile = await devnet.keyFile("owner", owner);
    proxy = await startRpcProxy(devnet.rpcUrl);
    const serving = await oracle.serve();
    await world.submit(serving.url, [{}]);
    await world.owe(serving.url, 1, 2n * LTK);
    await world.endEpoch(1);
    await oracle.close();
    await world.sealEpoch(1);
    await oracle.close();
    await world.passWindow();
    await oracle.close();
    await serving.stop();
    toTheClaim = await checkpoint(world);
  });
  after(async () => {
    await proxy.close();
    await world.stop();
  });
  beforeEach(async () => {
    runs++;
    proxy.handle((_, forward) => forward());
    await toTheClaim();
  });
  afterEach(() => world.devnet.provider.send("evm_setAutomine", [true]));

  async function claim(...more: readonly string[]) {
    const { code, stdout, stderr } = await runOracle([
      ...["claim", ...chainArgsOf(world.devnet, proxy.url)],
      ...["--bundles", world.oracle.bundles, "--key-file", keyFile, "--json"],
      ...["--journal", `${keyFile}.${runs}.journal`, ...more],
    ]);
    return { code, stderr, ...(JSON.parse(stdout || "{}") as Partial<ClaimJson>) };
  }

  const nonce = (block: "latest" | "pending") =>
    world.devnet.provider.getTransactionCount(owner.address, block);
  const balance = () => world.devnet.suite.token.balanceOf(owner.address);
  const untilSent = async (count: number) => {
    while ((await nonce("pending")) < count) await new Promise((next) => setTimeout(next, 20));
  };

  it("sends one transaction when two runs meet, and both end well", async () => {
    const sent = (await nonce("latest")) + 1;
    const before = await balance();
    await world.devnet.provider.send("evm_setAutomine", [false]);
    const runsAtOnce = Promise.all([claim(), claim()]);
    await untilSent(sent);
    await world.devnet.provider.send("evm_setAutomine", [true]);
    await world.devnet.provider.send("evm_mine", []);
    const ended = await runsAtOnce;
    expect(
      ended.map(({ code }) => code),
      ended.map(({ stderr }) => stderr).join(),
    ).to.deep.equal([0, 0]);
    expect(await nonce("latest")).to.equal(sent);
    expect((await balance()) > before).to.equal(true);
  });

  it("brings to its end what a run has sent that was cut off, and sends no second one (go-livepeer 1568)", async () => {
    const sent = (await nonce("latest")) + 1;
    await world.devnet.provider.send("evm_setAutomine", [false]);
    proxy.handle(async ({ methods }, forward) => {
      const answer = await forward();
      if (methods.includes("eth_sendRawTransaction")) throw new Error("cut off");
      return answer;
    });
    const cut = await claim();
    expect([cut.code, await nonce("pending")]).to.deep.equal([2, sent]);
    proxy.handle((_, forward) => forward());
    await world.devnet.provider.send("evm_setAutomine", [true]);
    const next = claim();
    await world.devnet.provider.send("evm_mine", []);
    const { code, stderr, transactions } = await next;
    expect([code, stderr, transactions]).to.deep.equal([0, "", []]);
    expect(await nonce("latest")).to.equal(sent);
    expect((await balance()) > 0n).to.equal(true);
  });

  it("leaves a claim that is worth less than its gas, and draws it where it is worth more (go-livepeer 1603)", async () => {
    const sent = await nonce("latest");
    const left = await claim("--link-price", "0.000000000000000001");
    expect([left.code, left.transactions]).to.deep.equal([0, []]);
    expect(left.leftAccounts).to.deep.equal([owner.address.toLowerCase()]);
    expect(left.claims?.[0]?.paid).to.equal("0");
    expect(await nonce("latest")).to.equal(sent);
    const drawn = await claim("--link-price", "1");
    expect([drawn.code, drawn.leftAccounts, drawn.transactions?.length]).to.deep.equal([0, [], 1]);
  });

  it("offers no more than it is told", async () => {
    const refused = await claim("--max-fee", "0");
    expect(refused.code).to.equal(3);
    const offered: string[] = [];
    proxy.handle(async ({ methods, body }, forward) => {
      if (methods.includes("eth_sendRawTransaction")) offered.push(JSON.parse(body).params[0]);
      return forward();
    });
    const { code } = await claim("--max-fee", "0.9");
    const fees = offered.map((raw) => Transaction.from(raw).maxFeePerGas);
    expect([code, ...fees]).to.deep.equal([0, 9n * 10n ** 8n]);
  });
});
