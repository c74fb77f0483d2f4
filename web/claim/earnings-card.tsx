import { endOf } from "@link-rewards/core/law/clock";
import { useEffect, useState } from "preact/hooks";
import { byteHours, bytes, computeTime, csv, exactTokens, tokens } from "../format.ts";
import { useText } from "../language.ts";
import { BarChart } from "../parts/charts.tsx";
import { AddressText, Amount, Card, Download, Loading, Moment, Notice } from "../parts/pieces.tsx";
import type { Chain } from "../sources/chain.ts";
import type { StringKey } from "../strings/en.ts";
import { type DeviceEarnings, type EpochEarnings, readEarnings } from "./earnings.ts";
import type { Position } from "./position.ts";

/** Read at once; more on demand. */
const EPOCHS_AT_A_TIME = 8;

type Row = { readonly epoch: number; readonly earnings: EpochEarnings | undefined };

/** What every device earned, from whom and for what, newest epoch first. */
export function Earnings({ chain, position }: { chain: Chain; position: Position }) {
  const { t, locale } = useText();
  const [wanted, setWanted] = useState(EPOCHS_AT_A_TIME);
  const [rows, setRows] = useState<readonly Row[]>([]);
  const oldest = Math.max(1, position.epoch - wanted + 1);
  useEffect(() => {
    let stopped = false;
    const read = async () => {
      for (let epoch = position.epoch; epoch >= oldest && !stopped; epoch--) {
        // A bundle that cannot be used condemns its own row only.
        const earnings = await readEarnings(chain, position, epoch).catch(() => undefined);
        if (!stopped)
          setRows((have) => [...have.filter((row) => row.epoch !== epoch), { epoch, earnings }]);
      }
    };
    read();
    return () => {
      stopped = true;
    };
  }, [chain, position.state, oldest]);
  if (position.index === undefined || position.epoch === 0) return null;

  const sorted = [...rows].sort((a, b) => b.epoch - a.epoch);
  const bars = sorted.toReversed().map(({ epoch, earnings }) => {
    const earned = earnings?.earned ?? 0n;
    return {
      label: String(epoch),
      parts: [Number(earned) / 1e18],
      title: `${t("earnings.epoch", { epoch })}: ${tokens(earned, locale)} LTK`,
    };
  });
  const complete = sorted.length >= position.epoch - oldest + 1;
  return (
    <Card title={t("earnings.title")} class="earnings">
      {sorted.length > 0 && (
        <>
          <p class="label">{t("earnings.chart")}</p>
          <BarChart bars={bars} label={t("earnings.chart")} />
        </>
      )}
      <div class="epochs">
        {sorted.map((row, i) => (
          <EpochRow key={row.epoch} row={row} chain={chain} open={i === 0} />
        ))}
      </div>
      {!complete && <Loading text={t("earnings.loading")} />}
      {complete && (
        <p class="actions">
          <Download name="earnings.csv" make={() => earningsCsv(sorted)}>
            {t("action.csv")}
          </Download>
          {oldest > 1 && (
            <button
              type="button"
              class="plain"
              onClick={() => setWanted(wanted + EPOCHS_AT_A_TIME)}
            >
              {t("action.more")}
            </button>
          )}
        </p>
      )}
    </Card>
  );
}

function EpochRow({ row, chain, open }: { row: Row; chain: Chain; open: boolean }) {
  const { t, locale } = useText();
  const { epoch, earnings } = row;
  if (earnings === undefined) {
    return (
      <Notice tone="warning" state="earnings-unavailable">
        {t("earnings.unavailable", { epoch })}
      </Notice>
    );
  }
  return (
    <details open={open} data-epoch={epoch}>
      <summary>
        <span>
          <strong>{t("earnings.epoch", { epoch })}</strong>{" "}
          <span class="quiet-text">
            <Moment seconds={endOf(chain.config.deployment, epoch)} />
          </span>
        </span>
        <span class="figure">{tokens(earnings.earned, locale)} LTK</span>
      </summary>
      {earnings.devices.length === 0 && <p class="quiet-text">{t("earnings.none")}</p>}
      {earnings.devices.map((device) => (
        <DeviceRow key={device.device} device={device} />
      ))}
    </details>
  );
}

function DeviceRow({ device }: { device: DeviceEarnings }) {
  const { t, locale } = useText();
  return (
    <article class="device">
      <div class="device-head">
        <p>
          <span class="label">{t("earnings.device")}</span> <AddressText address={device.device} />
        </p>
        <Amount wei={device.reward} />
      </div>
      {device.served.map((served) => (
        <dl key={served.customer} class="served">
          <div>
            <dt>{t("earnings.customer")}</dt>
            <dd>
              <AddressText address={served.customer} />
            </dd>
          </div>
          <div>
            <dt>{t("earnings.bandwidth")}</dt>
            <dd>{bytes(served.egressBytes, locale)}</dd>
          </div>
          <div>
            <dt>{t("earnings.storage")}</dt>
            <dd>{byteHours(served.storageByteSeconds, locale)}</dd>
          </div>
          <div>
            <dt>{t("earnings.compute")}</dt>
            <dd>{computeTime(served.computeMilliseconds, locale)}</dd>
          </div>
          <div>
            <dt>{t("earnings.value")}</dt>
            <dd title={`${exactTokens(served.value, locale)} LTK`}>
              {tokens(served.value, locale)} LTK
            </dd>
          </div>
        </dl>
      ))}
      <p class={device.reason === 0 ? "reason" : "reason short"}>
        {t(`earnings.reason.${device.reason & 3}` as StringKey)}
      </p>
    </article>
  );
}

const CSV_HEAD = [
  ...["epoch", "device", "customer", "egressBytes", "storageByteSeconds", "computeMilliseconds"],
  ...["valueWei", "deviceCountedWei", "deviceRewardWei", "reason"],
];

function earningsCsv(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ epoch, earnings }) =>
    (earnings?.devices ?? []).flatMap(({ device, served, counted, reward, reason }) =>
      served.map((row) => [
        ...[epoch, device, row.customer, row.egressBytes, row.storageByteSeconds],
        ...[row.computeMilliseconds, row.value, counted, reward, reason],
      ]),
    ),
  );
  return csv([CSV_HEAD, ...lines]);
}
