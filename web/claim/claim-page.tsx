import { useState } from "preact/hooks";
import { type Address, isHexOf } from "../../oracle/core/bytes.ts";
import { useText } from "../language.ts";
import { AddressText, Card, Copyable, Loading, TroubleNotice } from "../parts/pieces.tsx";
import type { WalletState } from "../parts/use-wallet.ts";
import { WalletList } from "../parts/wallet-button.tsx";
import type { Chain } from "../sources/chain.ts";
import { isTrouble } from "../sources/trouble.ts";
import { BindCard, PayeeCard } from "./account-cards.tsx";
import { Earnings } from "./earnings-card.tsx";
import { Hero } from "./hero.tsx";
import { usePosition } from "./use-position.ts";

export function ClaimPage(props: {
  chain: Chain;
  wallet: WalletState;
  lookedUp: Address | undefined;
}) {
  const { chain, wallet, lookedUp } = props;
  const account = lookedUp ?? wallet.connection?.account;
  if (account === undefined) return <Welcome wallet={wallet} />;
  return <AccountView key={account} chain={chain} wallet={wallet} account={account} />;
}

function Welcome({ wallet }: { wallet: WalletState }) {
  const { t } = useText();
  return (
    <div class="welcome">
      <h1>{t("welcome.title")}</h1>
      <p class="lead">{t("welcome.text")}</p>
      <Card>
        <h2>{t("welcome.choose")}</h2>
        <WalletList state={wallet} />
        <p class="or">
          <span>{t("welcome.or")}</span>
        </p>
        <LookUp />
      </Card>
    </div>
  );
}

function LookUp() {
  const { t } = useText();
  const [text, setText] = useState("");
  const [invalid, setInvalid] = useState(false);
  const submit = (event: Event) => {
    event.preventDefault();
    const address = text.trim();
    setInvalid(!isHexOf(address, 20));
    if (isHexOf(address, 20)) location.hash = `#/claim/${address.toLowerCase()}`;
  };
  return (
    <form onSubmit={submit} noValidate>
      <label for="look-up">{t("welcome.address")}</label>
      <div class="field">
        <input
          id="look-up"
          class="hex"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          placeholder="0x…"
          autocomplete="off"
          spellcheck={false}
          aria-invalid={invalid}
          aria-describedby={invalid ? "look-up-problem" : undefined}
        />
        <button type="submit">{t("action.lookup")}</button>
      </div>
      {invalid && (
        <p class="problem" id="look-up-problem" role="alert">
          {t("welcome.invalid")}
        </p>
      )}
    </form>
  );
}

function AccountView(props: { chain: Chain; wallet: WalletState; account: Address }) {
  const { t } = useText();
  const { chain, wallet, account } = props;
  const { position, trouble, refresh } = usePosition(chain, account);
  const mine = wallet.connection?.account;
  return (
    <>
      <div class="account-bar">
        <h1>
          <span class="label">{t("account.label")}</span> <Copyable text={account} />
        </h1>
        {mine !== undefined && mine !== account && (
          <p class="quiet-text">
            {t("account.viewing")}{" "}
            <a href="#/">
              {t("account.mine")} (<AddressText address={mine} />)
            </a>
          </p>
        )}
      </div>
      {trouble !== undefined && <TroubleNotice error={trouble} retry={refresh} />}
      {position === undefined && trouble === undefined && <Skeleton />}
      {position !== undefined && (trouble === undefined || isTrouble(trouble, "rpc-down")) && (
        <>
          <Hero chain={chain} wallet={wallet} position={position} refresh={refresh} />
          <Earnings chain={chain} position={position} />
        </>
      )}
      {position !== undefined && (
        <div class="pair">
          <PayeeCard chain={chain} wallet={wallet} position={position} refresh={refresh} />
          <BindCard chain={chain} wallet={wallet} position={position} refresh={refresh} />
        </div>
      )}
    </>
  );
}

function Skeleton() {
  const { t } = useText();
  return (
    <div class="hero" aria-busy="true">
      <Card class="main">
        <Loading text={t("state.loading")} />
        <span class="bone large" />
        <span class="bone" />
      </Card>
      <Card class="side">
        <span class="bone" />
        <span class="bone" />
      </Card>
    </div>
  );
}
