import { reasonOf, revertReason } from "@link-rewards/host/chain/errors";
import { NodeProvider } from "@link-rewards/host/chain/node-provider";
import { expect } from "chai";
import { ZeroHash } from "ethers";
import { type Devnet, startDevnet } from "../../scripts/local/devnet.ts";
import { callByCall, type RpcProxy, startRpcProxy, truly } from "../../scripts/local/rpc-proxy.ts";

describe("what a contract said, of a transaction that a node runs when it is sent", () => {
  let devnet: Devnet;
  let proxy: RpcProxy;
  let provider: NodeProvider;

  before(async () => {
    devnet = await startDevnet();
    proxy = await startRpcProxy(devnet.rpcUrl);
    provider = new NodeProvider([proxy.url], 31337);
  });
  after(async () => {
    provider.destroy();
    await proxy.close();
    await devnet.close();
  });
  afterEach(() => proxy.handle(truly));

  /** There is nothing to veto. */
  async function failure(): Promise<unknown> {
    const wallet = devnet.role("guardian").connect(provider);
    const { ledger } = devnet.suite;
    const raw = await wallet.signTransaction(
      await wallet.populateTransaction({
        to: await ledger.getAddress(),
        data: ledger.interface.encodeFunctionData("veto", [ZeroHash]),
        gasLimit: 200_000,
      }),
    );
    return provider.send("eth_sendRawTransaction", [raw]).then(
      () => expect.fail("it was taken"),
      (error: unknown) => error,
    );
  }

  it("is read from Hardhat's answer, which mines it all the same", async () => {
    expect(revertReason(await failure())).to.match(/^NotPendingReport\(0x0+, 0x0+\)$/);
  });

  const selector = () => devnet.suite.ledger.interface.getError("NoProposal")?.selector;
  for (const [whose, error, reason] of [
    [
      "geth's",
      () => ({ code: 3, message: "execution reverted", data: selector() }),
      "NoProposal()",
    ],
    [
      "one that tells no data",
      () => ({ code: -32000, message: "execution reverted: paused" }),
      "execution reverted: paused",
    ],
    ["one about something else", () => ({ code: -32000, message: "no peers" }), undefined],
  ] as const)
    it(`is read from ${whose}`, async () => {
      proxy.handle(
        callByCall(async (call, ask) =>
          call.method === "eth_sendRawTransaction" ? { error: error() } : ask(call),
        ),
      );
      const failed = await failure();
      expect(revertReason(failed)).to.equal(reason);
      expect(reasonOf(failed)).to.equal(reason ?? "no peers");
    });
});
