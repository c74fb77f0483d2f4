import type { Address } from "@link-rewards/core/encoding/bytes";
import { useText } from "../language.ts";
import { AddressForm } from "../parts/address-form.tsx";
import { AddressText, Card, Copyable, Loading, TroubleNotice } from "../parts/pieces.tsx";
import type { WalletState } from "../parts/use-wallet.ts";
import { WalletList } from "../parts/wallet-button.tsx";
import type { Chain } from "../sources/chain.ts";
import { isNodesTrouble } from "../sources/trouble.ts";
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
  const open = (address: Address) => {
    location.hash = `#/claim/${address}`;
    return undefined;
  };
  return (
    <AddressForm
      id="look-up"
      label={t("welcome.address")}
      action={t("action.lookup")}
      onAddress={open}
    />
  );
}

function AccountView(props: { chain: Chain; wallet: WalletState; account: Address }) {
  const { t } = useText();
  const { chain, wallet, account } = props;
  const { position, past, trouble, refresh } = usePosition(chain, account);
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
      {position !== undefined && (trouble === undefined || isNodesTrouble(trouble)) && (
        <>
          <Hero chain={chain} wallet={wallet} position={position} past={past} refresh={refresh} />
          {past !== undefined && <Earnings chain={chain} position={position} past={past} />}
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
