import { useCallback, useEffect, useLayoutEffect, useState } from "preact/hooks";
import { forget, keep, readKept } from "../language.ts";
import {
  type Connection,
  connectWallet,
  followWallet,
  isRejection,
  messageOf,
  type Wallet,
  watchWallets,
} from "../sources/wallet.ts";

export type WalletState = {
  readonly wallets: readonly Wallet[];
  readonly connection: Connection | undefined;
  /** What the wallet said when it did not connect; undefined for a person's "no". */
  readonly problem: string | undefined;
  connect(wallet: Wallet): Promise<void>;
  disconnect(): void;
};

const KEPT = "link-rewards.wallet";

export function useWallet(): WalletState {
  const [wallets, setWallets] = useState<readonly Wallet[]>([]);
  const [connection, setConnection] = useState<Connection>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => watchWallets(setWallets), []);
  // Before the account is seen: a later effect would miss that the wallet went over to another one in between.
  useLayoutEffect(() => {
    if (connection === undefined) return undefined;
    return followWallet(connection, setConnection);
  }, [connection]);

  const connect = useCallback(async (wallet: Wallet) => {
    setProblem(undefined);
    try {
      setConnection(await connectWallet(wallet, true));
      keep(KEPT, wallet.id);
    } catch (error) {
      if (!isRejection(error)) setProblem(messageOf(error));
    }
  }, []);

  // After a reload, the wallet that was used before, if it still lets us see its account.
  const kept = wallets.find(({ id }) => id === readKept(KEPT));
  useEffect(() => {
    if (kept === undefined) return;
    connectWallet(kept, false).then(
      (again) => setConnection((now) => now ?? again),
      (error) => setProblem(messageOf(error)),
    );
  }, [kept]);

  const disconnect = useCallback(() => {
    forget(KEPT);
    setConnection(undefined);
  }, []);
  return { wallets, connection, problem, connect, disconnect };
}
