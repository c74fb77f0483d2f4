import type { Manifest } from "@link-rewards/core/epoch/manifest";
import { useText } from "../language.ts";
import { Amount, Card, Copyable, Moment, Notice, TransactionLink } from "../parts/pieces.tsx";
import type { Chain } from "../sources/chain.ts";
import type { ChainReport } from "../sources/reports.ts";
import { type History, membersOf } from "./history.ts";

/** What the chain and the manifest say about an epoch. */
export function Facts(props: {
  chain: Chain;
  history: History;
  entry: ChainReport;
  manifest: Manifest | string | undefined;
}) {
  const { t, locale } = useText();
  const { chain, history, entry, manifest } = props;
  const { report, signers, finalizableAt, proposedIn, finalIn } = entry;
  const final = history.law.finals.get(report.epoch);
  const known = typeof manifest === "object" ? manifest : undefined;
  const money = (wei: bigint) => <Amount wei={wei} />;
  const facts = [
    [t("audit.col.released"), final === undefined ? "—" : money(final.delta)],
    [t("audit.col.value"), known && money(known.value)],
    [t("epoch.counted"), known && money(known.counted)],
    [t("epoch.pot"), known && money(known.pot)],
    [t("epoch.fund"), known && money(known.fund)],
    [t("epoch.emission"), known && money(known.emission)],
    [t("audit.col.contributions"), report.contributions.toLocaleString(locale)],
    [t("audit.col.devices"), known?.devices.toLocaleString(locale)],
    [t("audit.col.accounts"), report.leaves.toLocaleString(locale)],
    [t("epoch.root"), <Copyable key="root" text={report.root} />],
    [t("epoch.contributionRoot"), <Copyable key="contributions" text={report.contributionRoot} />],
    [t("epoch.bundleHash"), <Copyable key="bundle" text={report.bundleHash} />],
    [
      t("epoch.signers"),
      membersOf(history, signers).map((member) => <Copyable key={member} text={member} />),
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
      {(manifest === "missing" || manifest === "tampered") && (
        <Notice tone="bad" state={`bundle-${manifest}`}>
          {t(`trouble.bundle-${manifest}.title`)}
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
