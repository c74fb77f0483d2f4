import type { Manifest } from "@link-rewards/core/epoch/manifest";
import { accountsAt, fund, tariffAt } from "@link-rewards/core/law/law";
import { percent } from "../format.ts";
import { useText } from "../language.ts";
import { Amount, Card, Copyable, Moment, Notice, TransactionLink } from "../parts/pieces.tsx";
import type { Chain } from "../sources/chain.ts";
import type { ChainReport } from "../sources/reports.ts";
import { type History, membersOf } from "./history.ts";

/** Prices are of 10^12 bytes, byte-seconds or milliseconds; people think in terabytes, months of 30 days and hours. */
const PRICE_UNITS = 10n ** 12n;
const MONTH_SECONDS = 2_592_000n;
const HOUR_MILLISECONDS = 3_600_000n;

/** What the chain and the manifest say about an epoch. */
export function Facts(props: {
  chain: Chain;
  history: History;
  entry: ChainReport;
  manifest: Manifest | string | undefined;
}) {
  const { t, locale } = useText();
  const { chain, history, entry, manifest } = props;
  const { report, finalizableAt, proposedIn, finalIn } = entry;
  const { law } = history;
  const final = law.finals.get(report.epoch);
  const paid = fund(law, report.epoch);
  const tariff = tariffAt(law, report.epoch);
  const known = typeof manifest === "object" ? manifest : undefined;
  const money = (wei: bigint) => <Amount wei={wei} />;
  const facts = [
    [t("epoch.fund"), money(paid)],
    [t("audit.col.value"), known && money(known.value)],
    [t("epoch.counted"), known && money(known.counted)],
    [t("audit.col.released"), final && money(final.delta)],
    [t("audit.col.fee"), final && money(final.fee)],
    [t("epoch.refundable"), final && money(paid - final.delta - final.fee)],
    [t("epoch.egressPrice"), money(tariff.egressPrice)],
    [t("epoch.storagePrice"), money(tariff.storagePrice * MONTH_SECONDS)],
    [t("epoch.computePrice"), money((tariff.computePrice * HOUR_MILLISECONDS) / PRICE_UNITS)],
    [t("epoch.feeBps"), percent(tariff.feeBps, locale)],
    [t("audit.col.contributions"), report.contributions.toLocaleString(locale)],
    [t("audit.col.accounts"), accountsAt(law, report.epoch).toLocaleString(locale)],
    [t("epoch.root"), <Copyable key="root" text={report.root} />],
    [t("epoch.contributionRoot"), <Copyable key="contributions" text={report.contributionRoot} />],
    [t("epoch.invoiceRoot"), <Copyable key="invoices" text={report.invoiceRoot} />],
    [t("epoch.bundleHash"), <Copyable key="bundle" text={report.bundleHash} />],
    [
      t("epoch.signers"),
      membersOf(history, entry).map((member) => <Copyable key={member} text={member} />),
    ],
    [t("epoch.window"), <Moment key="window" seconds={finalizableAt} />],
    [t("epoch.sealBlock"), known?.sealBlock.number.toLocaleString(locale)],
    [t("epoch.proposedIn"), <TransactionLink key="in" hash={proposedIn} config={chain.config} />],
    [
      t("epoch.finalIn"),
      finalIn === undefined ? (
        t("audit.pending")
      ) : (
        <TransactionLink key="final" hash={finalIn} config={chain.config} />
      ),
    ],
  ] as const;
  return (
    <Card title={t("epoch.facts")}>
      {manifest === "missing" && (
        <Notice tone="bad" state="bundle-missing">
          {t("trouble.bundle-missing.title")}
        </Notice>
      )}
      {manifest === "another-copy" && (
        <Notice tone="bad" state="another-copy">
          {t("trouble.another-copy.title")}
        </Notice>
      )}
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value ?? "—"}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}
