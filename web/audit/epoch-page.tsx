import { useText } from "../language.ts";
import { Notice } from "../parts/pieces.tsx";
import type { Chain } from "../sources/chain.ts";
import { Facts } from "./epoch-facts.tsx";
import { Files } from "./epoch-files.tsx";
import { ContributionsTable, InvoicesTable, Leaves } from "./epoch-tables.tsx";
import type { History } from "./history.ts";
import { ProofChecker } from "./proof-checker.tsx";
import type { Audit } from "./use-audit.ts";
import { VerifyCard } from "./verify-card.tsx";

type EpochProps = {
  readonly chain: Chain;
  readonly audit: Audit;
  readonly history: History;
  readonly epoch: number;
};

/** One epoch, from its report down to every signature. */
export function EpochPage({ chain, audit, history, epoch }: EpochProps) {
  const { t } = useText();
  const entry = history.reports.get(epoch);
  const manifest = audit.manifests.get(epoch);
  return (
    <>
      <p class="crumbs">
        <a href="#/audit">← {t("action.back")}</a>
      </p>
      <h1>{t("epoch.title", { epoch })}</h1>
      {entry === undefined ? (
        <Notice tone="warning">{t("epoch.unknown")}</Notice>
      ) : (
        <>
          <VerifyCard verifying={audit.verdicts.get(epoch)} verify={() => audit.verify(epoch)} />
          <Facts chain={chain} history={history} entry={entry} manifest={manifest} />
          {typeof manifest === "object" && (
            <>
              <ContributionsTable chain={chain} history={history} manifest={manifest} />
              <InvoicesTable chain={chain} manifest={manifest} />
              <Leaves chain={chain} manifest={manifest} />
            </>
          )}
          <ProofChecker chain={chain} history={history} entry={entry} />
          <Files chain={chain} epoch={epoch} manifest={manifest} />
        </>
      )}
    </>
  );
}
