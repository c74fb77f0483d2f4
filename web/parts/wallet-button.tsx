import { getAddress } from "ethers";
import { useRef } from "preact/hooks";
import { shortHex } from "../format.ts";
import { useText } from "../language.ts";
import type { WalletState } from "./use-wallet.ts";

/** In the header: connect, or who is connected. */
export function WalletButton({ state }: { state: WalletState }) {
  const { t } = useText();
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => menu.current?.removeAttribute("open");
  const { connection } = state;
  return (
    <details class="wallet" ref={menu}>
      <summary>
        {connection === undefined ? t("action.connect") : shortHex(getAddress(connection.account))}
      </summary>
      <div class="menu">
        {connection === undefined ? (
          <WalletList state={state} then={close} />
        ) : (
          <>
            <p class="who">
              {connection.wallet.icon && (
                <img src={connection.wallet.icon} alt="" width="20" height="20" />
              )}
              {connection.wallet.name || t("welcome.legacy")}
            </p>
            <p class="hex whole">{getAddress(connection.account)}</p>
            <button
              type="button"
              class="plain"
              onClick={() => {
                state.disconnect();
                close();
              }}
            >
              {t("action.disconnect")}
            </button>
          </>
        )}
      </div>
    </details>
  );
}

export function WalletList({ state, then }: { state: WalletState; then?: () => void }) {
  const { t } = useText();
  if (state.wallets.length === 0) {
    return (
      <p class="quiet-text" data-state="no-wallet">
        {t("welcome.none")}
      </p>
    );
  }
  return (
    <>
      <ul class="wallets" aria-label={t("welcome.choose")}>
        {state.wallets.map((wallet) => (
          <li key={`${wallet.id} ${wallet.name}`}>
            <button type="button" onClick={() => state.connect(wallet).then(then)}>
              {wallet.icon && <img src={wallet.icon} alt="" width="28" height="28" />}
              <span>{wallet.name || t("welcome.legacy")}</span>
            </button>
          </li>
        ))}
      </ul>
      {state.problem !== undefined && <p role="alert">{state.problem}</p>}
    </>
  );
}
