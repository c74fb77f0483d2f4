import type {
  ExplainedCustomer,
  ExplainedDevice,
  ExplainedLine,
  RevokedDevice,
} from "@link-rewards/client/why";
import { endOf } from "@link-rewards/core/law/clock";
import { useEffect, useState } from "preact/hooks";
import { byteHours, bytes, computeTime, csv, tokens } from "../format.ts";
import { useText } from "../language.ts";
import { BarChart } from "../parts/charts.tsx";
import { AddressText, Amount, Card, Download, Loading, Moment, Notice } from "../parts/pieces.tsx";
import type { Chain } from "../sources/chain.ts";
import { type EpochEarnings, readEarnings } from "./earnings.ts";
import type { Past, Position } from "./position.ts";

/** Read at once; more on demand. */
const EPOCHS_AT_A_TIME = 8;

type Row = { readonly epoch: number; readonly earnings: EpochEarnings | undefined };

/** What every device earned, from whom and for what, newest epoch first. */
export function Earnings(props: { chain: Chain; position: Position; past: Past }) {
  const { t, locale, symbol } = useText();
  const { chain, position, past } = props;
  const [wanted, setWanted] = useState(EPOCHS_AT_A_TIME);
  const [rows, setRows] = useState<readonly Row[]>([]);
  const oldest = Math.max(1, position.epoch - wanted + 1);
  useEffect(() => {
    let stopped = false;
    const read = async () => {
      for (let epoch = position.epoch; epoch >= oldest && !stopped; epoch--) {
        // A bundle that cannot be used condemns its own row only.
        const earnings = await readEarnings(chain, position, past, epoch).catch(() => undefined);
        if (!stopped)
          setRows((have) => [...have.filter((row) => row.epoch !== epoch), { epoch, earnings }]);
      }
    };
    read();
    return () => {
      stopped = true;
    };
  }, [chain, past, oldest]);
  if (position.index === undefined || position.epoch === 0) return null;

  const sorted = [...rows].sort((a, b) => b.epoch - a.epoch);
  const bars = sorted.toReversed().map(({ epoch, earnings }) => {
    const earned = earnings?.earned ?? 0n;
    return {
      label: String(epoch),
      parts: [Number(earned) / 1e18],
      title: `${t("earnings.epoch", { epoch })}: ${tokens(earned, locale)} ${symbol}`,
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
  const { t, locale, symbol } = useText();
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
        <span class="figure">
          {tokens(earnings.earned, locale)} {symbol}
        </span>
      </summary>
      {earnings.devices.length === 0 && <p class="quiet-text">{t("earnings.none")}</p>}
      {earnings.devices.map((device) => (
        <DeviceRow key={device.device} explained={device} customers={earnings.customers} />
      ))}
      {earnings.revoked.map((revoked) => (
        <RevokedRow key={revoked.device} revoked={revoked} />
      ))}
    </details>
  );
}

/** What was served → its value → the part that was paid → less the fee → earned; each column adds up to the wei. */
function DeviceRow(props: { explained: ExplainedDevice; customers: EpochEarnings["customers"] }) {
  const { t } = useText();
  const { device, lines, ...sums } = props.explained;
  return (
    <article class="device" data-device={device}>
      <div class="device-head">
        <p>
          <span class="label">{t("earnings.device")}</span> <AddressText address={device} />
        </p>
        <Amount wei={sums.earned} />
      </div>
      {lines.map((line) => (
        <Line key={line.customer} line={line} customer={props.customers.get(line.customer)} />
      ))}
      {lines.length > 1 && (
        <div class="line">
          <p class="label">{t("earnings.all")}</p>
          <dl class="served">
            <Money {...sums} />
          </dl>
        </div>
      )}
    </article>
  );
}

function Line(props: { line: ExplainedLine; customer: ExplainedCustomer | undefined }) {
  const { t, locale } = useText();
  const { line, customer } = props;
  const inFull = line.counted === line.value;
  return (
    <div class="line">
      <dl class="served">
        <div>
          <dt>{t("earnings.customer")}</dt>
          <dd>
            <AddressText address={line.customer} />
          </dd>
        </div>
        <div>
          <dt>{t("earnings.bandwidth")}</dt>
          <dd>{bytes(line.egressBytes, locale)}</dd>
        </div>
        <div>
          <dt>{t("earnings.storage")}</dt>
          <dd>{byteHours(line.storageByteSeconds, locale)}</dd>
        </div>
        <div>
          <dt>{t("earnings.compute")}</dt>
          <dd>{computeTime(line.computeMilliseconds, locale)}</dd>
        </div>
      </dl>
      <dl class="served">
        <Money {...line} />
      </dl>
      {inFull ? (
        <p class="reason">{t("earnings.full")}</p>
      ) : (
        <p class="reason short">{customer && <Shortfall customer={customer} />}</p>
      )}
    </div>
  );
}

function Money(props: Pick<ExplainedLine, "value" | "counted" | "fee" | "earned">) {
  const { t } = useText();
  const steps = [
    [t("earnings.value"), props.value],
    [t("earnings.covered"), props.counted],
    [t("earnings.fee"), props.fee],
    [t("earnings.earned"), props.earned],
  ] as const;
  return (
    <>
      {steps.map(([name, wei]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <Amount wei={wei} />
          </dd>
        </div>
      ))}
    </>
  );
}

/** Which part of its bills a customer paid, and what that covers of any one. */
function Shortfall({ customer: { owed, paid, ceiling } }: { customer: ExplainedCustomer }) {
  const { t, locale } = useText();
  const amounts = {
    paid: tokens(paid, locale),
    owed: owed === undefined ? undefined : tokens(owed, locale),
    ceiling: tokens(ceiling, locale),
  };
  return <>{t(owed === undefined ? "earnings.partOf" : "earnings.part", amounts)}</>;
}

function RevokedRow({ revoked: { device, fromEpoch, reason } }: { revoked: RevokedDevice }) {
  const { t } = useText();
  return (
    <article class="device" data-state="revoked" data-device={device}>
      <p>
        <span class="label">{t("earnings.device")}</span> <AddressText address={device} />
      </p>
      <p class="reason short">
        {t("earnings.revoked", { epoch: fromEpoch, reason: reason || t("earnings.noReason") })}
      </p>
    </article>
  );
}

const CSV_HEAD = [
  ...["epoch", "device", "customer", "egressBytes", "storageByteSeconds", "computeMilliseconds"],
  ...["valueWei", "customerOwedWei", "customerPaidWei", "ceilingWei", "countedWei", "feeWei"],
  "earnedWei",
];

function earningsCsv(rows: readonly Row[]): string {
  const lines = rows.flatMap(({ epoch, earnings }) =>
    (earnings?.devices ?? []).flatMap(({ device, lines }) =>
      lines.map((line) => {
        const { owed, paid } = earnings?.customers.get(line.customer) ?? {};
        return [
          ...[epoch, device, line.customer, line.egressBytes, line.storageByteSeconds],
          ...[line.computeMilliseconds, line.value, owed ?? "", paid ?? "", line.ceiling],
          ...[line.counted, line.fee, line.earned],
        ];
      }),
    ),
  );
  return csv([CSV_HEAD, ...lines]);
}
