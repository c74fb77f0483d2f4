import { getAddress } from "ethers";
import { useEffect, useState } from "preact/hooks";
import { type Address, isHexOf, lowercaseHex } from "../../oracle/core/bytes.ts";
import type { Manifest } from "../../oracle/core/manifest.ts";
import {
  CONTRIBUTION_BYTES,
  type ContributionRecord,
  decodeContributions,
  decodeRewards,
  REWARD_BYTES,
  type RewardLeaf,
} from "../../oracle/core/records.ts";
import { isRefused } from "../../oracle/core/refusal.ts";
import { domainSeparator } from "../../oracle/core/typed.ts";
import { verifyReceipt } from "../../oracle/core/verify.ts";
import { byteHours, bytes, computeTime, tokens } from "../format.ts";
import { useText } from "../language.ts";
import {
  AddressText,
  Amount,
  Card,
  Copyable,
  Moment,
  Notice,
  TransactionLink,
  TroubleNotice,
} from "../parts/pieces.tsx";
import { fromMirrors, type Mirror, type ProvenLeaf, proveLeaf } from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";
import type { ChainReport } from "../sources/reports.ts";
import { type History, signersOf } from "./history.ts";
import type { Audit, Verifying } from "./use-audit.ts";

type EpochProps = {
  readonly chain: Chain;
  readonly audit: Audit;
  readonly history: History;
  readonly epoch: number;
};

const ROWS = 10;

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
              <Contributions chain={chain} history={history} manifest={manifest} />
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

function VerifyCard(props: { verifying: Verifying | undefined; verify: () => void }) {
  const { t, locale } = useText();
  const { verifying, verify } = props;
  const running = verifying?.verdict === "running";
  const progress = running ? verifying.progress : undefined;
  return (
    <Card class="verify">
      <p>{t("epoch.verify.text")}</p>
      <button type="button" class="primary" disabled={running} onClick={verify}>
        {running && <span class="spinner" aria-hidden="true" />}
        {t("epoch.verify")}
      </button>
      {running && (
        <div role="status" data-state="verifying">
          <progress
            aria-label={t("epoch.verify")}
            max={progress?.total ?? 1}
            value={progress?.done ?? 0}
          />
          <p class="quiet-text">
            {progress === undefined ? t("epoch.preparing") : t("epoch.verifying", progress)}
          </p>
        </div>
      )}
      {verifying?.verdict === "agrees" && (
        <Notice tone="good" state="agrees">
          {t("epoch.agrees", {
            contributions: verifying.contributions.toLocaleString(locale),
            seconds: verifying.seconds.toFixed(1),
          })}
        </Notice>
      )}
      {verifying?.verdict === "differs" && (
        <Notice tone="bad" state="differs">
          <strong>
            {t("epoch.differs", { file: verifying.divergence.file })}
            {verifying.divergence.record !== undefined &&
              `, ${t("epoch.record", { record: verifying.divergence.record })}`}
          </strong>
          <p>{verifying.divergence.message}</p>
          {verifying.divergence.expected !== undefined && (
            <dl class="facts">
              <div>
                <dt>{t("epoch.expected")}</dt>
                <dd class="hex whole">{verifying.divergence.expected}</dd>
              </div>
              <div>
                <dt>{t("epoch.found")}</dt>
                <dd class="hex whole">{verifying.divergence.found}</dd>
              </div>
            </dl>
          )}
        </Notice>
      )}
      {verifying?.verdict === "failed" && <TroubleNotice error={verifying.error} />}
    </Card>
  );
}

function Facts(props: {
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
      signersOf(history, signers).map((member) => <Copyable key={member} text={member} />),
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

/** `rows` records from `from` on of a file, as one range. */
function useRecords<T>(
  chain: Chain,
  epoch: number,
  file: string,
  recordBytes: number,
  count: number,
  decode: (bytes: Uint8Array) => readonly T[],
) {
  const [page, setPage] = useState(0);
  const [records, setRecords] = useState<readonly T[]>([]);
  const [trouble, setTrouble] = useState<unknown>();
  const from = page * ROWS;
  const length = Math.max(0, Math.min(ROWS, count - from));
  useEffect(() => {
    let stopped = false;
    fromMirrors(chain.config, epoch, (mirror: Mirror) =>
      mirror.range(file, from * recordBytes, length * recordBytes),
    ).then((read) => stopped || setRecords(decode(read)), setTrouble);
    return () => {
      stopped = true;
    };
  }, [chain, epoch, file, from, length]);
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

function Contributions(props: { chain: Chain; history: History; manifest: Manifest }) {
  const { t, locale } = useText();
  const { chain, history, manifest } = props;
  const { records, trouble, from, ...pager } = useRecords(
    chain,
    manifest.epoch,
    "contributions.bin",
    CONTRIBUTION_BYTES,
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

function Leaves({ chain, manifest }: { chain: Chain; manifest: Manifest }) {
  const { t, locale } = useText();
  const { records, trouble, from, ...pager } = useRecords<RewardLeaf>(
    chain,
    manifest.epoch,
    "rewards.bin",
    REWARD_BYTES,
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
              <td data-label={t("epoch.cumulative")}>{tokens(cumulative, locale)} LTK</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pager {...pager} label={t("epoch.leaves")} />
    </Card>
  );
}

function ProofChecker(props: { chain: Chain; history: History; entry: ChainReport }) {
  const { t, locale } = useText();
  const { chain, history, entry } = props;
  const [text, setText] = useState("");
  const [outcome, setOutcome] = useState<ProvenLeaf | "none" | "invalid" | { error: unknown }>();
  const check = async (event: Event) => {
    event.preventDefault();
    const account = text.trim();
    if (!isHexOf(account, 20)) return setOutcome("invalid");
    const index = history.law.accountIndex.get(lowercaseHex(account) as Address);
    if (index === undefined || index >= entry.report.leaves) return setOutcome("none");
    try {
      setOutcome(await proveLeaf(chain.config, entry.report, index, lowercaseHex(account)));
    } catch (error) {
      setOutcome({ error });
    }
  };
  const leaf = typeof outcome === "object" && "proof" in outcome ? outcome : undefined;
  return (
    <Card title={t("epoch.proof")}>
      <form onSubmit={check} noValidate>
        <label for="proof-account">{t("welcome.address")}</label>
        <div class="field">
          <input
            id="proof-account"
            class="hex"
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            placeholder="0x…"
            autocomplete="off"
            spellcheck={false}
          />
          <button type="submit">{t("epoch.proof.action")}</button>
        </div>
      </form>
      {outcome === "invalid" && <p class="problem">{t("welcome.invalid")}</p>}
      {outcome === "none" && <Notice tone="warning">{t("epoch.proof.no")}</Notice>}
      {typeof outcome === "object" && "error" in outcome && <TroubleNotice error={outcome.error} />}
      {leaf !== undefined && (
        <Notice tone="good" state="proven">
          <p>
            {t("epoch.proof.ok", {
              account: getAddress(leaf.account),
              amount: tokens(leaf.cumulative, locale),
              epoch: entry.report.epoch,
            })}
          </p>
          <ol class="proof">
            {leaf.proof.map((node, level) => (
              <li key={`${level} ${node}`} class="hex">
                {node}
              </li>
            ))}
          </ol>
        </Notice>
      )}
    </Card>
  );
}

const BESIDE = ["refusals.ndjson", "equivocations.ndjson"] as const;

function Files(props: { chain: Chain; epoch: number; manifest: Manifest | string | undefined }) {
  const { t, locale } = useText();
  const { chain, epoch, manifest } = props;
  const { rpcUrl, bundles, deployment } = chain.config;
  const base = new URL(bundles[0] ?? "", document.baseURI).href.replace(/\/$/, "");
  const known = typeof manifest === "object" ? Object.entries(manifest.files) : [];
  const command = `npm run oracle -- audit ${epoch} --rpc ${rpcUrl} --deployment deployments/${deployment.chainId}.json --bundles ${base}`;
  return (
    <Card title={t("epoch.files")}>
      <ul class="files">
        <li>
          <a href={`${base}/${epoch}/manifest.json`} download>
            manifest.json
          </a>
        </li>
        {known.map(([name, file]) => (
          <li key={name}>
            <a href={`${base}/${epoch}/${name}`} download>
              {name}
            </a>{" "}
            <span class="quiet-text">{bytes(BigInt(file.bytes), locale)}</span>
          </li>
        ))}
      </ul>
      <h3>{t("epoch.beside")}</h3>
      <Beside chain={chain} epoch={epoch} />
      <h3>{t("epoch.command")}</h3>
      <pre class="command">
        <code>{command}</code>
      </pre>
    </Card>
  );
}

/** What a member publishes beside its bundle. Not part of it: it differs from member to member. */
function Beside({ chain, epoch }: { chain: Chain; epoch: number }) {
  const { t } = useText();
  const [lists, setLists] = useState<readonly (readonly Record<string, unknown>[] | undefined)[]>();
  useEffect(() => {
    const read = (file: string) =>
      fromMirrors(chain.config, epoch, async (mirror) => parseLines(await mirror.read(file))).catch(
        () => undefined,
      );
    Promise.all(BESIDE.map(read)).then(setLists);
  }, [chain, epoch]);
  if (lists === undefined) return null;
  const [refusals, equivocations] = lists;
  if (refusals === undefined && equivocations === undefined) {
    return <p class="quiet-text">{t("epoch.besideNone")}</p>;
  }
  const counts = new Map<string, number>();
  for (const { refusal } of refusals ?? []) {
    counts.set(String(refusal), (counts.get(String(refusal)) ?? 0) + 1);
  }
  const list = [...counts].map(([name, count]) => `${name} ${count}`).join(", ");
  return (
    <>
      <p>{t("epoch.refusals", { list: list || "0" })}</p>
      <p>{t("epoch.equivocations", { count: equivocations?.length ?? 0 })}</p>
    </>
  );
}

function parseLines(bytes: Uint8Array): readonly Record<string, unknown>[] {
  const lines = new TextDecoder().decode(bytes).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line));
}
