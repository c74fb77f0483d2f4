import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import type { Answer } from "../../../core/signed/answers.ts";
import { type RpcProxy, startRpcProxy } from "../../../scripts/local/rpc-proxy.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { memberOracle, type Serving } from "../support/member-oracle.ts";

const UNLIMITED = (2n ** 96n - 1n).toString();

describe("what an oracle says of customers", () => {
  let world: MemberWorld;
  let serving: Serving;
  let proxy: RpcProxy;
  let payer: `0x${string}`;
  let debtor: `0x${string}`;

  before(async () => {
    world = await startMemberWorld({ customers: 2 });
    proxy = await startRpcProxy(world.devnet.rpcUrl);
    const [first, second] = world.customers;
    payer = first?.address.toLowerCase() as `0x${string}`;
    debtor = second?.address.toLowerCase() as `0x${string}`;
    const { escrow } = world.devnet.suite;
    if (first) await escrow.connect(first).setEndpoint("https://gateway.example:8443");
    serving = await world.oracle.serve();
    await world.submit(serving.url, [{}, {}, { customer: debtor }]);
    await world.owe(serving.url, 1, 2n * LTK, 0);
    await world.owe(serving.url, 1, LTK / 2n, 1);
  });
  after(async () => {
    await serving.stop();
    await world.stop();
    await proxy.close();
  });

  const ask = async (path: string, url = serving.url) => {
    const response = await fetch(`${url}/v1/customers${path}`);
    return { status: response.status, body: await response.json() };
  };
  const standing = async (customer: string) =>
    (await ask(`/${customer}`)).body as Answer<"Standing">;

  it("lists those that say where their gateways are, with keys, caps and balances", async () => {
    const { status, body } = await ask("");
    expect(status).to.equal(200);
    expect(body.epoch).to.equal(1);
    expect(body.customers).to.have.length(1);
    const [{ keys, ...customer }] = body.customers;
    expect(customer).to.deep.equal({
      customer: payer,
      endpoint: "https://gateway.example:8443",
      inspector: false,
      balance: (1_000n * LTK).toString(),
      thawing: "0",
    });
    expect(keys).to.have.length(1);
    expect(BigInt(keys[0].cap) > 0n).to.equal(true);
  });

  it("tells of one how it stands, also without an endpoint, and what of its balance thaws", async () => {
    const { escrow } = world.devnet.suite;
    const wallet = world.customers[1];
    if (wallet) await escrow.connect(wallet).thaw(7n);
    const found = await standing(debtor);
    expect(found).to.include({ epoch: 1, customer: debtor, endpoint: "", thawing: "7" });
    expect(found.settled).to.deep.equal([]);
  });

  it("names no more keys of one than all devices can read", async () => {
    const { escrow } = world.devnet.suite;
    const wallet = world.customers[1];
    const key = (i: number) => `0x${(i + 1).toString(16).padStart(40, "0")}`;
    for (let i = 0; i < 40; i++) if (wallet) await escrow.connect(wallet).setKey(key(i), 1n);
    await world.endEpoch(1);
    // In force with the next epoch, and known as soon as the oracle has read the chain so far.
    let keys: readonly { readonly key: string }[] = [];
    while (keys.length < 2) {
      await sleep(200);
      ({ keys } = await standing(debtor));
    }
    expect(keys.map((each) => each.key)).to.deep.equal(
      Array.from({ length: 32 }, (_, i) => key(i + 8)),
    );
  });

  it("knows nothing of who is no customer, and says what an address is", async () => {
    const stranger = `0x${"11".repeat(20)}`;
    expect((await ask(`/${stranger}`)).status).to.equal(404);
    expect((await ask("/0x12")).body).to.include({ refusal: "malformed" });
  });

  it("shows how the last final epochs were paid: in full, or up to which line", async () => {
    expect((await world.oracle.close()).code).to.equal(0);
    await world.sealEpoch(1);
    await world.oracle.close();
    await world.passWindow();
    await world.oracle.close();
    await serving.stop();
    serving = await world.oracle.serve();
    expect((await standing(payer)).settled).to.deep.equal([
      { epoch: 1, paid: (2n * LTK).toString(), counted: (2n * LTK).toString(), ceiling: UNLIMITED },
    ]);
    const half = (LTK / 2n).toString();
    expect((await standing(debtor)).settled).to.deep.equal([
      { epoch: 1, paid: half, counted: half, ceiling: half },
    ]);
  });

  it("is busy while its node does not answer, and does not keep that", async () => {
    await serving.stop();
    const { devnet, oracle } = world;
    const { wallet, data } = oracle;
    const behind = await memberOracle({ devnet, name: "m", wallet, data, rpcUrl: proxy.url });
    serving = await behind.serve();
    proxy.handle(async () => {
      throw new Error("cut");
    });
    const busy = await ask("");
    expect([busy.status, busy.body.refusal]).to.deep.equal([503, "busy"]);
    proxy.handle((_, forward) => forward());
    expect((await ask("")).status).to.equal(200);
  });
});
