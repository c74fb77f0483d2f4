import type { Manifest } from "@link-rewards/core/epoch/manifest";
import { decodeContributions } from "@link-rewards/core/epoch/records";
import { valueAtTariff } from "@link-rewards/core/epoch/value";
import { fund } from "@link-rewards/core/law/law";
import { RESOURCES } from "@link-rewards/core/signed/receipt";
import { tokens } from "../format.ts";
import { useText } from "../language.ts";
import { BarChart, Legend, LineChart } from "../parts/charts.tsx";
import { Card } from "../parts/pieces.tsx";
import { useEach } from "../parts/use-each.ts";
import { fromMirrors } from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";
import type { History } from "./history.ts";
import type { Audit } from "./use-audit.ts";

/** The charts look back no further: a picture, not the record. */
const EPOCHS_SHOWN = 48;
/** The split by resource needs every contribution; a larger file is not fetched for a picture. */
const MAX_CHART_BYTES = 512 * 1024;

export function AuditCharts(props: { chain: Chain; audit: Audit; history: History }) {
  const { t, locale, symbol } = useText();
  const { chain, audit, history } = props;
  const { law, claims } = history;
  const finals = [...law.finals.values()].filter(({ epoch }) => epoch > 0).slice(-EPOCHS_SHOWN);
  const values = useValues(
    chain,
    audit,
    finals.map(({ epoch }) => epoch),
  );
  if (finals.length === 0) return null;
  const labels = finals.map(({ epoch }) => String(epoch));
  const claimedUpTo = (last: number) =>
    claims.reduce((sum, { epoch, amount }) => (epoch <= last ? sum + amount : sum), 0n);
  const resources = [t("earnings.bandwidth"), t("earnings.storage"), t("earnings.compute")];
  const payments = [t("audit.legend.earned"), t("audit.col.fee"), t("epoch.refundable")];
  const stacked = (epoch: number, parts: readonly bigint[], names: readonly string[]) => {
    const spoken = parts.map((wei, i) => `${names[i]} ${tokens(wei, locale)} ${symbol}`);
    return {
      label: String(epoch),
      parts: parts.map(toNumber),
      title: `${t("earnings.epoch", { epoch })}: ${spoken.join(", ")}`,
    };
  };
  return (
    <div class="charts">
      <Card title={t("audit.chart.released")}>
        <LineChart
          label={t("audit.chart.released")}
          unit={symbol}
          labels={labels}
          lines={[
            {
              name: t("audit.legend.released"),
              values: finals.map(({ total }) => toNumber(total)),
            },
            {
              name: t("audit.legend.claimed"),
              values: finals.map(({ epoch }) => toNumber(claimedUpTo(epoch))),
            },
          ]}
        />
        <Legend line names={[t("audit.legend.released"), t("audit.legend.claimed")]} />
      </Card>
      <Card title={t("audit.chart.value")}>
        <BarChart
          label={t("audit.chart.value")}
          unit={symbol}
          bars={finals.map(({ epoch }) => stacked(epoch, values.get(epoch) ?? [], resources))}
        />
        <Legend names={resources} />
      </Card>
      <Card title={t("audit.chart.contributions")}>
        <BarChart
          label={t("audit.chart.contributions")}
          bars={finals.map(({ epoch, proposal }) => {
            const count = proposal?.report.contributions ?? 0;
            const title = `${t("earnings.epoch", { epoch })}: ${count.toLocaleString(locale)}`;
            return { label: String(epoch), parts: [count], title };
          })}
        />
      </Card>
      <Card title={t("audit.chart.payments")}>
        <BarChart
          label={t("audit.chart.payments")}
          unit={symbol}
          bars={finals.map(({ epoch, delta, fee }) => {
            const parts = [delta, fee, fund(law, epoch) - delta - fee];
            return stacked(epoch, parts, payments);
          })}
        />
        <Legend names={payments} />
      </Card>
    </div>
  );
}

/** Each epoch's value by resource, in the order of RESOURCES; nothing where it is not known. */
function useValues(
  chain: Chain,
  { manifests }: Audit,
  epochs: readonly number[],
): ReadonlyMap<number, readonly bigint[]> {
  const known = epochs.filter((epoch) => typeof manifests.get(epoch) === "object");
  const load = (epoch: number) =>
    // A picture with a gap; the table says that the files are missing.
    valuesOf(chain, manifests.get(epoch) as Manifest).catch(() => []);
  return useEach(known, load, chain);
}

async function valuesOf(
  chain: Chain,
  { epoch, tariff, files }: Manifest,
): Promise<readonly bigint[]> {
  if (files["contributions.bin"].bytes > MAX_CHART_BYTES) return [];
  const bytes = await fromMirrors(chain.config, epoch, (mirror) =>
    mirror.read("contributions.bin"),
  );
  const contributions = decodeContributions(bytes);
  const nothing = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };
  return RESOURCES.map((resource) =>
    contributions.reduce(
      (sum, { receipt }) =>
        sum + valueAtTariff({ ...nothing, [resource]: receipt[resource] }, tariff),
      0n,
    ),
  );
}

function toNumber(wei: bigint): number {
  return Number(wei) / 1e18;
}
