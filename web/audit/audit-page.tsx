import { accountCount } from "@link-rewards/core/law/law";
import { useEffect, useState } from "preact/hooks";
import { useText } from "../language.ts";
import { Amount, Card, Copyable, Loading, TroubleNotice } from "../parts/pieces.tsx";
import type { Chain } from "../sources/chain.ts";
import { isTrouble } from "../sources/trouble.ts";
import { AuditCharts } from "./audit-charts.tsx";
import { EpochPage } from "./epoch-page.tsx";
import { EpochsTable } from "./epochs-table.tsx";
import { type Checked, type CodeCheck, checkCode, type History, INVARIANTS } from "./history.ts";
import { type Audit, useAudit } from "./use-audit.ts";

export function AuditPage({ chain, epoch }: { chain: Chain; epoch: number | undefined }) {
  const { t } = useText();
  const audit = useAudit(chain);
  const { history, trouble } = audit;
  if (history === undefined) {
    return trouble === undefined ? (
      <Loading text={t("state.loading")} />
    ) : (
      <TroubleNotice error={trouble} retry={audit.reload} />
    );
  }
  return (
    <>
      {isTrouble(trouble) && <TroubleNotice error={trouble} retry={audit.reload} />}
      {epoch === undefined ? (
        <Overview chain={chain} audit={audit} history={history} />
      ) : (
        <EpochPage key={epoch} chain={chain} audit={audit} history={history} epoch={epoch} />
      )}
    </>
  );
}

function Overview(props: { chain: Chain; audit: Audit; history: History }) {
  const { t, locale } = useText();
  const { chain, audit, history } = props;
  const { released, claimed, law } = history;
  return (
    <>
      <h1>{t("audit.title")}</h1>
      <p class="lead">{t("audit.text")}</p>
      <div class="figures">
        <Figure label={t("audit.released")} wei={released} />
        <Figure label={t("audit.paidOut")} wei={claimed} />
        <Figure label={t("audit.owed")} wei={released - claimed} />
        <Card>
          <p class="label">{t("audit.accounts")}</p>
          <p class="number">{accountCount(law).toLocaleString(locale)}</p>
        </Card>
      </div>
      <Invariants checked={audit.checked} />
      <EpochsTable chain={chain} audit={audit} history={history} />
      <AuditCharts chain={chain} audit={audit} history={history} />
      <Contracts chain={chain} />
    </>
  );
}

function Figure({ label, wei }: { label: string; wei: bigint }) {
  return (
    <Card>
      <p class="label">{label}</p>
      <Amount wei={wei} />
    </Card>
  );
}

function Invariants({ checked }: { checked: Checked | undefined }) {
  const { t } = useText();
  return (
    <Card title={t("audit.invariants")}>
      <ul class="invariants">
        {INVARIANTS.map((name) => {
          const holds = checked?.[name];
          const word = holds === undefined ? "unknown" : holds ? "holds" : "broken";
          return (
            <li key={name} data-invariant={name} data-state={word}>
              <span>{t(`audit.inv.${name}`)}</span>
              <span class={`badge ${word}`}>{t(`audit.${word}`)}</span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

function Contracts({ chain }: { chain: Chain }) {
  const { t } = useText();
  const [codes, setCodes] = useState<readonly CodeCheck[]>([]);
  useEffect(() => {
    // A node that is down is told of above; the badges stay at "checking".
    checkCode(chain).then(setCodes, () => setCodes([]));
  }, [chain]);
  const { contracts } = chain.config.deployment;
  return (
    <Card title={t("audit.contracts")}>
      <ul class="contracts">
        {Object.entries(contracts).map(([name, { address, bytecodeHash }]) => {
          const same = codes.find((code) => code.name === name)?.same;
          const word = same === undefined ? "checking" : same ? "same" : "other";
          return (
            <li key={name} data-contract={name} data-state={word}>
              <strong>{name}</strong>
              <span>
                <Copyable text={address} /> <span class="quiet-text">code</span>{" "}
                <Copyable text={bytecodeHash} />
              </span>
              <span class={`badge ${same === undefined ? "unknown" : same ? "holds" : "broken"}`}>
                {t(`audit.contract.${word}`)}
              </span>
            </li>
          );
        })}
      </ul>
    </Card>
  );
}
