import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Chain } from "./chain.ts";
import { decodeRevert } from "./contracts.ts";
import { isRpcError, revertBytes } from "./rpc.ts";
import { isNodesTrouble } from "./trouble.ts";
import { type Call, type Connection, isRejection, messageOf, sendUnchecked } from "./wallet.ts";

/** Where something that was asked of a wallet stands. */
export type Sending =
  | { readonly state: "idle" | "checking" | "signing" | "rejected" | "out-of-gas-money" }
  /** Handed over; `hash` may never appear where a contract wallet collects signatures first. */
  | { readonly state: "sent"; readonly hash: Hex }
  | { readonly state: "other-owners"; readonly hash: Hex }
  | { readonly state: "done"; readonly hash: Hex | undefined }
  | { readonly state: "refused"; readonly error: string; readonly args: readonly string[] }
  | { readonly state: "failed"; readonly message: string };

export type SendOptions = {
  readonly chain: Chain;
  readonly connection: Connection;
  readonly call: Call;
  /** Whether the chain shows what was asked for; a hash or a receipt proves nothing. */
  readonly isDone: () => Promise<boolean>;
  readonly tell: (sending: Sending) => void;
  readonly signal: AbortSignal;
};

const POLL_MS = 1_500;
/** An EOA that runs a contract's code (EIP-7702) still signs alone. */
const DELEGATION_PREFIX = "0xef0100";

/** Simulates, lets the wallet sign and send, and waits until the chain shows it. Every end is told, none is thrown. */
export async function send(options: SendOptions): Promise<void> {
  const { chain, connection, call, tell } = options;
  tell({ state: "checking" });
  const refusal = await simulate(chain, connection.account, call);
  if (refusal !== undefined) return tell(refusal);
  tell({ state: "signing" });
  let hash: Hex;
  try {
    hash = await sendUnchecked(connection, call);
  } catch (error) {
    return tell(sendingError(error));
  }
  await waitFor({ ...options, from: connection.account }, hash);
}

/** Also after a reload: nothing but the hash and the account is needed to go on waiting. */
export async function waitFor(
  {
    chain,
    isDone,
    tell,
    signal,
    from,
  }: Omit<SendOptions, "connection" | "call"> & {
    readonly from: Address;
  },
  hash: Hex,
): Promise<void> {
  tell({ state: "sent", hash });
  let shared: boolean | undefined;
  while (!signal.aborted) {
    try {
      shared ??= await needsOtherOwners(chain, from);
      if (await isDone()) return tell({ state: "done", hash });
      const failed = await hasFailed(chain, hash);
      if (failed) return tell({ state: "failed", message: hash });
      const seen = (await chain.request("eth_getTransactionByHash", [hash])) !== null;
      tell({ state: shared && !seen ? "other-owners" : "sent", hash });
    } catch (error) {
      // The node may be back with the next look; what was sent is sent.
      if (!isNodesTrouble(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function hasFailed(chain: Chain, hash: Hex): Promise<boolean> {
  const receipt = await chain.request<{ status: Hex } | null>("eth_getTransactionReceipt", [hash]);
  return receipt !== null && Number(receipt.status) === 0;
}

/** A Safe or another contract wallet: the transaction comes when enough owners have signed. */
async function needsOtherOwners(chain: Chain, from: Address): Promise<boolean> {
  const code = await chain.request<Hex>("eth_getCode", [from, "latest"]);
  return code !== "0x" && !lowercaseHex(code).startsWith(DELEGATION_PREFIX);
}

/** What would go wrong, in the chain's own words, before anybody is asked to sign. */
async function simulate(chain: Chain, from: Address, call: Call): Promise<Sending | undefined> {
  try {
    const [gas, price, balance, shared] = await Promise.all([
      chain.request<Hex>("eth_estimateGas", [{ from, ...call }]),
      chain.request<Hex>("eth_gasPrice"),
      chain.request<Hex>("eth_getBalance", [from, "latest"]),
      needsOtherOwners(chain, from),
    ]);
    const short = BigInt(balance) < BigInt(gas) * BigInt(price);
    return short && !shared ? { state: "out-of-gas-money" } : undefined;
  } catch (error) {
    return sendingError(error);
  }
}

function sendingError(error: unknown): Sending {
  if (isRejection(error)) return { state: "rejected" };
  const message = messageOf(error);
  if (/insufficient funds|doesn't have enough funds|exceeds (the )?balance/i.test(message)) {
    return { state: "out-of-gas-money" };
  }
  const revert = isRpcError(error) ? revertBytes(error) : undefined;
  const decoded = revert === undefined ? undefined : decodeRevert(revert);
  if (decoded === undefined) return { state: "failed", message };
  return { state: "refused", error: decoded.name, args: [...decoded.args].map(String) };
}
