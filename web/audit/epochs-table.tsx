import { accountsAt, fund } from "@link-rewards/core/law/law";
import { getAddress } from "ethers";
import type { ComponentChildren } from "preact";
import { tokens } from "../format.ts";
import { useText } from "../language.ts";
import { Card, Copyable, Moment, Notice, TransactionLink } from "../parts/pieces.tsx";
import type { Chain } from "../sources/chain.ts";
import { isTrouble } from "../sources/trouble.ts";
import { type History, membersOf } from "./history.ts";
import type { Audit, ManifestState, Verifying } from "./use-audit.ts";

/** Two lines an epoch: what came of it, and under each figure what it can be checked by. */
const LINES = [
  [
    "epoch.fund",
    "audit.col.released",
    "audit.col.fee",
    "audit.col.value",
    "audit.col.contributions",
    "audit.col.accounts",
    "audit.col.verdict",
  ],
  [
    "epoch.root",
    "epoch.contributionRoot",
    "epoch.invoiceRoot",
    "epoch.bundleHash",
    "epoch.proposedIn",
    "epoch.signers",
    "epoch.window",
  ],
] as const;

type Column = (typeof LINES)[number][number];
type EpochsProps = { readonly chain: Chain; readonly audit: Audit; readonly history: History };

/** Every epoch on chain, the newest first. */
export function EpochsTable(props: EpochsProps) {
  const { t } = useText();
  const epochs = [...props.history.reports.keys()].sort((a, b) => b - a);
  if (epochs.length === 0) return <Notice tone="quiet">{t("audit.noEpochs")}</Notice>;
  return (
    <Card title={t("audit.epochs")}>
      <table class="rows paired">
        <thead>
          {LINES.map((columns, line) => (
            <tr key={line}>
              {line === 0 && (
                <th scope="col" rowSpan={LINES.length}>
                  {t("audit.col.epoch")}
                </th>
              )}
              {columns.map((column) => (
                <th key={column} id={column} scope="col">
                  {t(column)}
                </th>
              ))}
            </tr>
          ))}
        </thead>
        {epochs.map((epoch) => (
          <EpochLines key={epoch} {...props} epoch={epoch} />
        ))}
      </table>
    </Card>
  );
}

function EpochLines(props: EpochsProps & { epoch: number }) {
  const { t } = useText();
  const { history, epoch } = props;
  const cells = useCells(props);
  const heading = `epoch-${epoch}`;
  return (
    <tbody data-epoch={epoch}>
      {LINES.map((columns, line) => (
        <tr key={line}>
          {line === 0 && (
            <th id={heading} scope="rowgroup" rowSpan={LINES.length}>
              <a href={`#/audit/${epoch}`}>{t("earnings.epoch", { epoch })}</a>
              <span class="quiet-text">
                {t(history.law.finals.has(epoch) ? "audit.final" : "audit.pending")}
              </span>
            </th>
          )}
          {columns.map((column) => (
            <td key={column} headers={`${heading} ${column}`} data-label={t(column)}>
              {cells?.[column] ?? "—"}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}

function useCells(
  props: EpochsProps & { epoch: number },
): Readonly<Record<Column, ComponentChildren>> | undefined {
  const { locale, symbol } = useText();
  const { chain, audit, history, epoch } = props;
  const entry = history.reports.get(epoch);
  if (entry === undefined) return undefined;
  const { report, finalizableAt, proposedIn } = entry;
  const final = history.law.finals.get(epoch);
  const manifest = audit.manifests.get(epoch);
  const known = typeof manifest === "object" ? manifest : undefined;
  const signers = membersOf(history, entry);
  const money = (wei: bigint) => `${tokens(wei, locale)} ${symbol}`;
  return {
    "epoch.fund": money(fund(history.law, epoch)),
    "audit.col.released": final && money(final.delta),
    "audit.col.fee": final && money(final.fee),
    "audit.col.value": known && money(known.value),
    "audit.col.contributions": report.contributions.toLocaleString(locale),
    "audit.col.accounts": accountsAt(history.law, epoch).toLocaleString(locale),
    "audit.col.verdict": <VerdictBadge verifying={audit.verdicts.get(epoch)} manifest={manifest} />,
    "epoch.root": <Copyable text={report.root} />,
    "epoch.contributionRoot": <Copyable text={report.contributionRoot} />,
    "epoch.invoiceRoot": <Copyable text={report.invoiceRoot} />,
    "epoch.signers": (
      <span title={signers.map((member) => getAddress(member)).join("\n")}>
        {signers.length.toLocaleString(locale)}
      </span>
    ),
    "epoch.window": <Moment seconds={finalizableAt} />,
    "epoch.proposedIn": <TransactionLink hash={proposedIn} config={chain.config} />,
    "epoch.bundleHash": <Copyable text={report.bundleHash} />,
  };
}

function VerdictBadge(props: { verifying: Verifying | undefined; manifest: ManifestState }) {
  const { t } = useText();
  const { verifying, manifest } = props;
  if (verifying?.verdict === "agrees" || verifying?.verdict === "differs") {
    const { verdict } = verifying;
    return (
      <span class={`badge ${verdict === "agrees" ? "holds" : "broken"}`}>
        {t(`audit.verdict.${verdict}`)}
      </span>
    );
  }
  const isOther = verifying?.verdict === "failed" && isTrouble(verifying.error, "another-copy");
  const files = isOther ? "another-copy" : manifest;
  if (files === "missing" || files === "another-copy") {
    return <span class="badge broken">{t(`audit.files.${files}`)}</span>;
  }
  return <span class="badge unknown">{t("audit.verdict.none")}</span>;
}
