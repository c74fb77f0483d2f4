import { FeeMarketEIP1559Transaction } from "@ethereumjs/tx";
import { HdKeyring } from "@metamask/eth-hd-keyring";
import { createFetchMiddleware, createWalletMiddleware } from "@metamask/eth-json-rpc-middleware";
import { createAsyncMiddleware, JsonRpcEngine } from "@metamask/json-rpc-engine";
import type { Page } from "playwright-core";
import { MNEMONIC } from "../../../scripts/local/devnet.ts";
import type { MakeWallet } from "./wallet.ts";

/** As many as a local chain funds. */
const ACCOUNTS = 20;
const JSON_RPC = "2.0";
type Hex = `0x${string}`;

let opened: Promise<HdKeyring> | undefined;

/** Deriving accounts takes a while, and everybody here has the same seed phrase. */
function openKeyring(): Promise<HdKeyring> {
  const open = async () => {
    const keyring = new HdKeyring();
    await keyring.deserialize({ mnemonic: MNEMONIC.phrase, numberOfAccounts: ACCOUNTS });
    return keyring;
  };
  opened ??= open();
  return opened;
}

/**
 * Made of MetaMask's published parts: its JSON-RPC engine with the middleware that looks up accounts, checks who sends, and
 * asks the node, and its keyring. What no package holds, its windows and its network list, is the test's.
 */
export const metamaskWallet: MakeWallet = ({ rpcUrl, chainId, accounts, confirm, own }) => {
  const rpcService = {
    async request(request: object) {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify(request);
      return (await fetch(rpcUrl, { method: "POST", headers, body })).json();
    },
  };
  const ask = async (engine: JsonRpcEngine, method: string, params: readonly unknown[]) => {
    const request = { id: 1, jsonrpc: JSON_RPC, method, params: params as never } as const;
    const answer = await engine.handle(request);
    if ("error" in answer) throw answer.error;
    return answer.result;
  };

  const node = new JsonRpcEngine();
  node.push(createFetchMiddleware({ rpcService }));
  const askNode = async <T>(method: string, ...params: readonly unknown[]) =>
    (await ask(node, method, params)) as T;

  const signAndSend = async (call: { from: string; to?: Hex; data?: Hex }) => {
    const { from, to, data } = call;
    const [nonce, gasLimit, tip, block] = await Promise.all([
      askNode<Hex>("eth_getTransactionCount", from, "pending"),
      askNode<Hex>("eth_estimateGas", { from, to, data }),
      askNode<Hex>("eth_maxPriorityFeePerGas"),
      askNode<{ baseFeePerGas: Hex }>("eth_getBlockByNumber", "latest", false),
    ]);
    const transaction = FeeMarketEIP1559Transaction.fromTxData({
      ...{ chainId: chainId(), nonce, gasLimit, to, data, maxPriorityFeePerGas: tip },
      maxFeePerGas: 2n * BigInt(block.baseFeePerGas) + BigInt(tip),
    } as Parameters<typeof FeeMarketEIP1559Transaction.fromTxData>[0]);
    const keyring = await openKeyring();
    const signed = await keyring.signTransaction(from as Hex, transaction);
    const raw = `0x${Buffer.from(signed.serialize()).toString("hex")}`;
    return askNode<string>("eth_sendRawTransaction", raw);
  };

  const engineFor = (page: Page) => {
    const engine = new JsonRpcEngine();
    engine.push(
      createAsyncMiddleware(async (request, response, next) => {
        const answer = own[request.method];
        if (answer === undefined) return next();
        response.result = (await answer(page, request.params as readonly unknown[])) as never;
        return undefined;
      }),
    );
    engine.push(
      createWalletMiddleware({
        getAccounts: async () => [...accounts()],
        processTransaction: (call) => confirm(() => signAndSend(call)),
      }),
    );
    engine.push(node.asMiddleware());
    return engine;
  };
  return {
    request: (page, method, params) => ask(engineFor(page), method, params),
    close: () => node.destroy(),
  };
};
