import { readFileSync } from "node:fs";
import { JsonRpcProvider, type Wallet } from "ethers";
import type { BrowserContext, Page } from "playwright-core";

/** What the person at the wallet does with the next transaction. */
export type Habit =
  | "approve"
  | "reject"
  /** Leaves the wallet's window open. */
  | "hold"
  /** A contract wallet: a hash comes back that never appears on the chain. */
  | "collect-signatures";

/** A wallet whose key stays in the test's process; the page sees an EIP-1193 provider, announced by EIP-6963. */
export type TestWallet = {
  readonly name: string;
  readonly asked: string[];
  habit: Habit;
  chainId: number;
  /** Chains it can switch to. */
  readonly known: Set<number>;
  /** Goes over to another account or chain, as when the person does it in the wallet's own window. */
  switchAccount(page: Page, wallet: Wallet): Promise<void>;
  switchChain(page: Page, chainId: number): Promise<void>;
};

export type WalletOptions = {
  readonly name: string;
  readonly signer: Wallet | { readonly address: string };
  readonly rpcUrl: string;
  readonly chainId?: number;
  readonly habit?: Habit;
  readonly known?: readonly number[];
  /** Put into `window.ethereum` and not announced, as wallets did before EIP-6963. */
  readonly legacy?: boolean;
};

/** Plain script, not a function of this file: a compiler on the way would leave its own helpers in it. */
// Not by the name of a module: the test runner would load it, and it is for the page.
const IN_PAGE = readFileSync(new URL("./wallet-in-page.js.txt", import.meta.url), "utf8").replace(
  /^\/\/.*\n/,
  "",
);
const NEVER_MINED = `0x${"5afe".repeat(16)}`;
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='%23c65d21'/%3E%3C/svg%3E";

type Answer = { result: unknown } | { error: { code: number; message: string } };

export async function installWallet(
  context: BrowserContext,
  options: WalletOptions,
): Promise<TestWallet> {
  const { name, rpcUrl, legacy = false } = options;
  const provider = new JsonRpcProvider(rpcUrl, undefined, { cacheTimeout: -1 });
  let signer = options.signer;
  let connected = false;
  const binding = `wallet_${name.replace(/\W/g, "_")}`;
  const refuse = (code: number, message: string): Answer => ({ error: { code, message } });
  const emit = (page: Page, event: string, value: unknown) =>
    page.evaluate(`window.${binding}_emit(${JSON.stringify(event)}, ${JSON.stringify(value)})`);
  const wallet: TestWallet = {
    name,
    asked: [],
    habit: options.habit ?? "approve",
    chainId: options.chainId ?? 31337,
    known: new Set(options.known ?? [31337]),
    async switchAccount(page, next) {
      signer = next;
      await emit(page, "accountsChanged", [next.address]);
    },
    async switchChain(page, chainId) {
      wallet.chainId = chainId;
      await emit(page, "chainChanged", `0x${chainId.toString(16)}`);
    },
  };

  const sendTransaction = async (call: Record<string, string>): Promise<Answer> => {
    if (wallet.habit === "reject") return refuse(4001, "User rejected the request.");
    if (wallet.habit === "hold") return new Promise(() => undefined);
    if (wallet.habit === "collect-signatures") return { result: NEVER_MINED };
    const { to = "", data = "" } = call;
    const sent = await (signer as Wallet).connect(provider).sendTransaction({ to, data });
    return { result: sent.hash };
  };

  const answer = async (page: Page, method: string, params: readonly unknown[]) => {
    wallet.asked.push(method);
    if (method === "eth_requestAccounts") {
      connected = true;
      return { result: [signer.address] };
    }
    if (method === "eth_accounts") return { result: connected ? [signer.address] : [] };
    if (method === "eth_chainId") return { result: `0x${wallet.chainId.toString(16)}` };
    if (method === "eth_sendTransaction") {
      return sendTransaction(params[0] as Record<string, string>);
    }
    if (method === "wallet_switchEthereumChain" || method === "wallet_addEthereumChain") {
      const chainId = Number((params[0] as { chainId: string }).chainId);
      if (method === "wallet_addEthereumChain") wallet.known.add(chainId);
      if (!wallet.known.has(chainId)) return refuse(4902, "Unrecognized chain ID.");
      await wallet.switchChain(page, chainId);
      return { result: null };
    }
    if (method === "wallet_watchAsset") return { result: true };
    return refuse(4200, `the test wallet has no ${method}`);
  };

  await context.exposeBinding(binding, async ({ page }, method: string, params: unknown[]) => {
    try {
      return await answer(page, method, params);
    } catch (error) {
      return refuse(-32603, (error as Error).message);
    }
  });
  const settings = JSON.stringify({ binding, name, icon: ICON, legacy });
  await context.addInitScript({ content: IN_PAGE.replace("WALLET", settings) });
  context.on("close", () => provider.destroy());
  return wallet;
}
