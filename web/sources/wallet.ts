import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { PageConfig } from "./config.ts";
import { rpcError } from "./rpc.ts";

/** EIP-1193, as wallets put it into pages. */
export type Provider = {
  request(call: { method: string; params?: readonly unknown[] | object }): Promise<unknown>;
  on?(event: string, listener: (value: never) => void): void;
  removeListener?(event: string, listener: (value: never) => void): void;
};

/** A wallet that announced itself (EIP-6963), or the one that old wallets leave in `window.ethereum`. */
export type Wallet = {
  readonly id: string;
  readonly name: string;
  /** A data URI. */
  readonly icon: string | undefined;
  readonly provider: Provider;
};

export type Connection = {
  readonly wallet: Wallet;
  readonly account: Address;
  readonly chainId: number;
};

type Announcement = CustomEvent<{
  info: { uuid: string; name: string; icon: string; rdns: string };
  provider: Provider;
}>;

/** EIP-1193 and EIP-3326: the person said no; the wallet does not know the chain. */
const REJECTED = 4001;
const CHAIN_UNKNOWN = 4902;

/** Tells every wallet there is, whenever one announces itself. Returns how to stop. */
export function watchWallets(tell: (wallets: readonly Wallet[]) => void): () => void {
  const announced = new Map<string, Wallet>();
  const listen = (event: Event) => {
    const { info, provider } = (event as Announcement).detail;
    announced.set(info.uuid, { id: info.rdns, name: info.name, icon: info.icon, provider });
    tell([...announced.values()]);
  };
  window.addEventListener("eip6963:announceProvider", listen);
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  const legacy = (window as { ethereum?: Provider }).ethereum;
  if (announced.size === 0 && legacy !== undefined) {
    tell([{ id: "legacy", name: "", icon: undefined, provider: legacy }]);
  }
  return () => window.removeEventListener("eip6963:announceProvider", listen);
}

/** `ask` lets the wallet open its window; otherwise only what was granted before counts. */
export async function connectWallet(wallet: Wallet, ask: boolean): Promise<Connection | undefined> {
  const method = ask ? "eth_requestAccounts" : "eth_accounts";
  const accounts = (await wallet.provider.request({ method })) as readonly string[];
  const chainId = Number(await wallet.provider.request({ method: "eth_chainId" }));
  const [account] = accounts;
  return account === undefined ? undefined : { wallet, account: lowercaseHex(account), chainId };
}

/** Follows the wallet's account and chain. Returns how to stop. */
export function followWallet(
  { wallet, account, chainId }: Connection,
  tell: (connection: Connection | undefined) => void,
): () => void {
  const { provider } = wallet;
  const onAccounts = ([next]: readonly string[]) =>
    tell(next === undefined ? undefined : { wallet, account: lowercaseHex(next), chainId });
  const onChain = (next: string) => tell({ wallet, account, chainId: Number(next) });
  const onDisconnect = () => tell(undefined);
  provider.on?.("accountsChanged", onAccounts as (value: never) => void);
  provider.on?.("chainChanged", onChain as (value: never) => void);
  provider.on?.("disconnect", onDisconnect);
  return () => {
    provider.removeListener?.("accountsChanged", onAccounts as (value: never) => void);
    provider.removeListener?.("chainChanged", onChain as (value: never) => void);
    provider.removeListener?.("disconnect", onDisconnect);
  };
}

/** Asks the wallet to go to the page's chain, and tells it about the chain when it does not know it. */
export async function switchChain({ provider }: Wallet, config: PageConfig): Promise<void> {
  const chainId = `0x${config.deployment.chainId.toString(16)}`;
  try {
    await provider.request({ method: "wallet_switchEthereumChain", params: [{ chainId }] });
  } catch (error) {
    if (codeOf(error) !== CHAIN_UNKNOWN) throw error;
    const { name, currency, explorer } = config.chain;
    const chain = {
      chainId,
      chainName: name,
      nativeCurrency: { name: currency, symbol: currency, decimals: 18 },
      rpcUrls: config.rpcUrls,
      ...(explorer !== undefined && { blockExplorerUrls: [explorer] }),
    };
    await provider.request({ method: "wallet_addEthereumChain", params: [chain] });
  }
}

export type Call = { readonly to: Address; readonly data: Hex };

/** Only hands it over: a contract wallet's hash may never appear on the chain. */
export async function sendUnchecked(
  { wallet, account: from }: Connection,
  call: Call,
): Promise<Hex> {
  const params = [{ from, ...call }];
  return (await wallet.provider.request({ method: "eth_sendTransaction", params })) as Hex;
}

export async function addToken(wallet: Wallet, address: Address, symbol: string): Promise<void> {
  const image = new URL("logo.svg", document.baseURI).href;
  const options = { address, symbol, decimals: 18, image };
  await wallet.provider.request({
    method: "wallet_watchAsset",
    params: { type: "ERC20", options },
  });
}

export function isRejection(error: unknown): boolean {
  return codeOf(error) === REJECTED;
}

/** Wallets throw plain objects as often as errors, and wrap them in one another. */
function codeOf(error: unknown): number | undefined {
  const { code, data } = Object(error) as {
    code?: number;
    data?: { originalError?: { code?: number } };
  };
  return data?.originalError?.code ?? code;
}

export function messageOf(error: unknown): string {
  return rpcError(Object(error) as { message?: string }).message;
}
