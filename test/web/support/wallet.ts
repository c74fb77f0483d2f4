import { readFileSync } from "node:fs";
import type { BaseWallet } from "ethers";
import type { BrowserContext, Page } from "playwright-core";
import { plainWallet } from "./wallet-plain.ts";

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
  switchAccount(page: Page, signer: BaseWallet): Promise<void>;
  switchChain(page: Page, chainId: number): Promise<void>;
};

export type WalletOptions = {
  readonly name: string;
  readonly signer: BaseWallet;
  readonly rpcUrl: string;
  /** What it is made of. */
  readonly make?: MakeWallet;
  readonly chainId?: number;
  readonly habit?: Habit;
  readonly known?: readonly number[];
  /** Put into `window.ethereum` and not announced, as wallets did before EIP-6963. */
  readonly legacy?: boolean;
};

type Params = readonly unknown[];

/** What any wallet needs: a node, its person, and the methods that concern the person alone. */
export type WalletMatter = {
  readonly rpcUrl: string;
  chainId(): number;
  /** What the page may see. */
  accounts(): readonly string[];
  signer(): BaseWallet;
  /** Asks the person; `send` signs, sends and gives the hash. */
  confirm(send: () => Promise<string>): Promise<string>;
  /** Connecting, chains and tokens: `page` is whose request it is. */
  readonly own: Readonly<Record<string, (page: Page, params: Params) => unknown>>;
};

/** Answers a page's requests, or throws an object with EIP-1193's `code` and `message`. */
export type WalletCore = {
  request(page: Page, method: string, params: Params): Promise<unknown>;
  close(): void;
};

export type MakeWallet = (matter: WalletMatter) => WalletCore;

const REJECTED = { code: 4001, message: "User rejected the request." } as const;
const CHAIN_UNKNOWN = { code: 4902, message: "Unrecognized chain ID." } as const;
const INTERNAL_ERROR = -32603;
const LOCAL_CHAIN_ID = 31337;
const NEVER_MINED = `0x${"5afe".repeat(16)}`;
/** A square of the colour it is named after. */
const iconOf = (name: string) =>
  `data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='${name.toLowerCase()}'/%3E%3C/svg%3E`;

/** Plain script, not a function of this file: a compiler on the way would leave its own helpers in it. */
// Not by the name of a module: the test runner would load it, and it is for the page.
const IN_PAGE = readFileSync(new URL("./wallet-in-page.js.txt", import.meta.url), "utf8").replace(
  /^\/\/.*\n/,
  "",
);

export async function installWallet(
  context: BrowserContext,
  options: WalletOptions,
): Promise<TestWallet> {
  const { name, rpcUrl, make = plainWallet, legacy = false } = options;
  let { signer } = options;
  let connected = false;
  const binding = `wallet_${name.replace(/\W/g, "_")}`;
  const emit = (page: Page, event: string, value: unknown) =>
    page.evaluate(`window.${binding}_emit(${JSON.stringify(event)}, ${JSON.stringify(value)})`);
  const wallet: TestWallet = {
    name,
    asked: [],
    habit: options.habit ?? "approve",
    chainId: options.chainId ?? LOCAL_CHAIN_ID,
    known: new Set(options.known ?? [LOCAL_CHAIN_ID]),
    async switchAccount(page, next) {
      signer = next;
      await emit(page, "accountsChanged", [next.address]);
    },
    async switchChain(page, chainId) {
      wallet.chainId = chainId;
      await emit(page, "chainChanged", hexOf(chainId));
    },
  };
  const accounts = () => (connected ? [signer.address] : []);
  const goTo = async (page: Page, chainId: number) => {
    if (!wallet.known.has(chainId)) throw CHAIN_UNKNOWN;
    await wallet.switchChain(page, chainId);
    return null;
  };
  const core = make({
    rpcUrl,
    accounts,
    chainId: () => wallet.chainId,
    signer: () => signer,
    async confirm(send) {
      if (wallet.habit === "reject") throw REJECTED;
      if (wallet.habit === "hold") return new Promise(() => undefined);
      return wallet.habit === "collect-signatures" ? NEVER_MINED : send();
    },
    own: {
      eth_requestAccounts() {
        connected = true;
        return accounts();
      },
      eth_chainId: () => hexOf(wallet.chainId),
      wallet_switchEthereumChain: (page, params) => goTo(page, chainIdIn(params)),
      wallet_addEthereumChain(page, params) {
        wallet.known.add(chainIdIn(params));
        return goTo(page, chainIdIn(params));
      },
      wallet_watchAsset: () => true,
    },
  });

  await context.exposeBinding(binding, async ({ page }, method: string, params: Params) => {
    wallet.asked.push(method);
    try {
      return { result: await core.request(page, method, params) };
    } catch (error) {
      const { code = INTERNAL_ERROR, message, data } = error as Refusal;
      return { error: { code, message, data } };
    }
  });
  const settings = JSON.stringify({ binding, name, icon: iconOf(name), legacy });
  await context.addInitScript({ content: IN_PAGE.replace("WALLET", settings) });
  context.on("close", () => core.close());
  return wallet;
}

type Refusal = { readonly code?: number; readonly message: string; readonly data?: unknown };

function chainIdIn([chain]: Params): number {
  return Number((chain as { readonly chainId: string }).chainId);
}

function hexOf(chainId: number): string {
  return `0x${chainId.toString(16)}`;
}
