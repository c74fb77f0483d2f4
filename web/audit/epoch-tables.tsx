import { isRefused } from "@link-rewards/core/encoding/refusal";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import type { Manifest } from "@link-rewards/core/epoch/manifest";
import {
  type ContributionRecord,
  decodeContributions,
  decodeInvoices,
  decodeRewards,
  ROW_BYTES,
  type Table,
} from "@link-rewards/core/epoch/records";
import { countedOf } from "@link-rewards/core/epoch/value";
import { verifyReceipt } from "@link-rewards/core/law/verify";
import { useEffect, useState } from "preact/hooks";
import { byteHours, bytes, computeTime, tokens } from "../format.ts";
import { useText } from "../language.ts";
import { AddressText, Card, TroubleNotice } from "../parts/pieces.tsx";
import { fromMirrors, type Mirror } from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";
import type { History } from "./history.ts";

/** Rows of a page: one short range of a file each. */
const ROWS = 10;

/** One page of a file's records. */
function useRecords<T>(
  chain: Chain,
  epoch: number,
  table: Table,
  count: number,
  decode: (bytes: Uint8Array) => readonly T[],
) {
  const [page, setPage] = useState(0);
  const [records, setRecords] = useState<readonly T[]>([]);
  const [trouble, setTrouble] = useState<unknown>();
  const from = page * ROWS;
  const length = Math.max(0, Math.min(ROWS, count - from));
  const recordBytes = ROW_BYTES[table];
  useEffect(() => {
    let stopped = false;
    fromMirrors(chain.config, epoch, (mirror: Mirror) =>
      mirror.range(`${table}.bin`, from * recordBytes, length * recordBytes),
    ).then((read) => stopped || setRecords(decode(read)), setTrouble);
    return () => {
      stopped = true;
    };
  }, [chain, epoch, table, from, length]);
  return { records, from, trouble, page, pages: Math.ceil(count / ROWS), setPage };
}

function Pager(props: {
  page: number;
  pages: number;
  setPage: (page: number) => void;
  label: string;
}) {
  const { page, pages, setPage, label } = props;
  if (pages < 2) return null;
  return (
    <nav class="pager" aria-label={label}>
      <button type="button" class="plain" disabled={page === 0} onClick={() => setPage(page - 1)}>
        ←
      </button>
      <span>
        {page + 1} / {pages}
      </span>
      <button
        type="button"
        class="plain"
        disabled={page + 1 >= pages}
        onClick={() => setPage(page + 1)}
      >
        →
      </button>
    </nav>
  );
}

export function ContributionsTable(props: { chain: Chain; history: History; manifest: Manifest }) {
  const { t, locale, symbol } = useText();
  const { chain, history, manifest } = props;
  const { records, trouble, from, ...pager } = useRecords(
    chain,
    manifest.epoch,
    "contributions",
    manifest.contributions,
    decodeContributions,
  );
  if (manifest.contributions === 0) return null;
  return (
    <Card title={t("epoch.contributions")}>
      {trouble !== undefined && <TroubleNotice error={trouble} />}
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">{t("earnings.device")}</th>
            <th scope="col">{t("earnings.customer")}</th>
            <th scope="col">{t("earnings.bandwidth")}</th>
            <th scope="col">{t("earnings.storage")}</th>
            <th scope="col">{t("earnings.compute")}</th>
            <th scope="col">{t("earnings.earned")}</th>
            <th scope="col">{t("epoch.bothSigned")}</th>
          </tr>
        </thead>
        <tbody>
          {records.map((record, i) => (
            <tr key={`${from + i} ${record.receipt.device}`}>
              <th scope="row">
                <AddressText address={record.receipt.device} />
              </th>
              <td data-label={t("earnings.customer")}>
                <AddressText address={record.receipt.customer} />
              </td>
              <td data-label={t("earnings.bandwidth")}>
                {bytes(record.receipt.egressBytes, locale)}
              </td>
              <td data-label={t("earnings.storage")}>
                {byteHours(record.receipt.storageByteSeconds, locale)}
              </td>
              <td data-label={t("earnings.compute")}>
                {computeTime(record.receipt.computeMilliseconds, locale)}
              </td>
              <td data-label={t("earnings.earned")}>
                {tokens(record.earned, locale)} {symbol}
              </td>
              <td data-label={t("epoch.bothSigned")}>
                <SignatureBadge history={history} record={record} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pager {...pager} label={t("epoch.contributions")} />
    </Card>
  );
}

/** Both signatures and the right to sign, checked here for the rows that are seen. */
function SignatureBadge({ history, record }: { history: History; record: ContributionRecord }) {
  const { t } = useText();
  const { chainId, contracts } = history.deployment;
  const domain = domainSeparator(chainId, contracts.deviceRegistry);
  const outcome = verifyReceipt(record, { law: history.law, domain });
  if (isRefused(outcome)) {
    return (
      <span class="badge broken" title={outcome.message}>
        {t("epoch.badSignature")}
      </span>
    );
  }
  return <span class="badge holds">✓</span>;
}

/** What each customer owes for each contribution, and how much of that its payment covers. */
export function InvoicesTable({ chain, manifest }: { chain: Chain; manifest: Manifest }) {
  const { t, locale, symbol } = useText();
  const { records, trouble, from, ...pager } = useRecords(
    chain,
    manifest.epoch,
    "invoices",
    manifest.contributions,
    decodeInvoices,
  );
  if (manifest.contributions === 0) return null;
  return (
    <Card title={t("epoch.invoices")}>
      {trouble !== undefined && <TroubleNotice error={trouble} />}
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">{t("earnings.customer")}</th>
            <th scope="col">{t("earnings.device")}</th>
            <th scope="col">{t("epoch.contribution")}</th>
            <th scope="col">{t("earnings.value")}</th>
            <th scope="col">{t("earnings.covered")}</th>
            <th scope="col">{t("epoch.subtotal")}</th>
          </tr>
        </thead>
        <tbody>
          {records.map(({ customer, device, contribution, value, ceiling, subtotal }, i) => (
            <tr key={`${from + i} ${device}`}>
              <th scope="row">
                <AddressText address={customer} />
              </th>
              <td data-label={t("earnings.device")}>
                <AddressText address={device} />
              </td>
              <td data-label={t("epoch.contribution")}>{contribution.toLocaleString(locale)}</td>
              <td data-label={t("earnings.value")}>
                {tokens(value, locale)} {symbol}
              </td>
              <td data-label={t("earnings.covered")}>
                {tokens(countedOf(value, ceiling), locale)} {symbol}
              </td>
              <td data-label={t("epoch.subtotal")}>
                {tokens(subtotal, locale)} {symbol}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pager {...pager} label={t("epoch.invoices")} />
    </Card>
  );
}

export function Leaves({ chain, manifest }: { chain: Chain; manifest: Manifest }) {
  const { t, locale, symbol } = useText();
  const { records, trouble, from, ...pager } = useRecords(
    chain,
    manifest.epoch,
    "rewards",
    manifest.leaves,
    decodeRewards,
  );
  if (manifest.leaves === 0) return null;
  return (
    <Card title={t("epoch.leaves")}>
      {trouble !== undefined && <TroubleNotice error={trouble} />}
      <table class="rows">
        <thead>
          <tr>
            <th scope="col">{t("account.label")}</th>
            <th scope="col">{t("epoch.index")}</th>
            <th scope="col">{t("epoch.cumulative")}</th>
          </tr>
        </thead>
        <tbody>
          {records.map(({ account, cumulative }, i) => (
            <tr key={account}>
              <th scope="row">
                <a href={`#/claim/${account}`}>
                  <AddressText address={account} />
                </a>
              </th>
              <td data-label={t("epoch.index")}>{(from + i).toLocaleString(locale)}</td>
              <td data-label={t("epoch.cumulative")}>
                {tokens(cumulative, locale)} {symbol}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pager {...pager} label={t("epoch.leaves")} />
    </Card>
  );
}
