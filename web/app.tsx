import { useEffect, useMemo, useState } from "preact/hooks";
import { AuditPage } from "./audit/audit-page.tsx";
import { ClaimPage } from "./claim/claim-page.tsx";
import {
  keepLanguage,
  LANGUAGES,
  type Language,
  loadStrings,
  preferredLanguage,
  TextContext,
  textIn,
  useText,
} from "./language.ts";
import { Loading, TroubleNotice } from "./parts/pieces.tsx";
import { type Route, useRoute } from "./parts/route.ts";
import { useWallet, type WalletState } from "./parts/use-wallet.ts";
import { WalletButton } from "./parts/wallet-button.tsx";
import { type Chain, connectChain } from "./sources/chain.ts";
import { loadConfig, symbolOf } from "./sources/config.ts";
import { EN, type Strings } from "./strings/en.ts";

export function App() {
  const [language, setLanguage] = useState(preferredLanguage);
  const [strings, setStrings] = useState<{ language: Language; strings: Strings }>();
  useEffect(() => {
    loadStrings(language).then((loaded) => setStrings({ language, strings: loaded }));
    document.documentElement.lang = language;
  }, [language]);
  const text = useMemo(
    () => (strings ? textIn(strings.strings, strings.language) : textIn(EN, "en")),
    [strings],
  );
  if (strings === undefined) return null;
  return (
    <TextContext.Provider value={text}>
      <Frame
        language={language}
        strings={strings.strings}
        choose={(chosen) => {
          keepLanguage(chosen);
          setLanguage(chosen);
        }}
      />
    </TextContext.Provider>
  );
}

function Frame(props: {
  language: Language;
  strings: Strings;
  choose: (language: Language) => void;
}) {
  const text = useText();
  const { t } = text;
  const route = useRoute();
  const wallet = useWallet();
  const [chain, setChain] = useState<Chain>();
  const [failure, setFailure] = useState<unknown>();
  const load = () => {
    setFailure(undefined);
    loadConfig().then((config) => setChain(connectChain(config)), setFailure);
  };
  useEffect(load, []);
  const { strings } = props;
  const named = useMemo(
    () => (chain ? textIn(strings, text.locale, symbolOf(chain.config)) : text),
    [strings, text, chain],
  );
  return (
    <>
      <button type="button" class="skip" onClick={focusMain}>
        {t("app.skip")}
      </button>
      <Header route={route} wallet={wallet} />
      <main id="main" tabIndex={-1}>
        {failure !== undefined && <TroubleNotice error={failure} retry={load} />}
        {failure === undefined && chain === undefined && <Loading text={t("state.loading")} />}
        {chain !== undefined && (
          <TextContext.Provider value={named}>
            {route.page === "claim" && (
              <ClaimPage chain={chain} wallet={wallet} lookedUp={route.account} />
            )}
            {route.page === "audit" && <AuditPage chain={chain} epoch={route.epoch} />}
          </TextContext.Provider>
        )}
      </main>
      <footer>
        <p>{t("footer.trust")}</p>
        <label>
          <span>{t("footer.language")}</span>{" "}
          <select
            value={props.language}
            onChange={(event) => props.choose(event.currentTarget.value as Language)}
          >
            {Object.entries(LANGUAGES).map(([code, name]) => (
              <option key={code} value={code}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </footer>
    </>
  );
}

function Header({ route, wallet }: { route: Route; wallet: WalletState }) {
  const { t } = useText();
  const current = (page: Route["page"]) => (route.page === page ? "page" : undefined);
  return (
    <header>
      <div class="bar">
        <a class="brand" href="#/">
          <img src="./logo.svg" alt="" width="32" height="32" />
          <span>{t("app.name")}</span>
        </a>
        <nav aria-label={t("nav.main")}>
          <a href="#/" aria-current={current("claim")}>
            {t("nav.claim")}
          </a>
          <a href="#/audit" aria-current={current("audit")}>
            {t("nav.audit")}
          </a>
        </nav>
        <WalletButton state={wallet} />
      </div>
    </header>
  );
}

/** The hash is the route, so a link to #main would lead to another page. */
function focusMain() {
  document.getElementById("main")?.focus();
}
