import { isHexOf } from "@link-rewards/core/encoding/bytes";
import { getAddress } from "ethers";
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { exactTokens, localTime, shortHex, tokens, utcTime } from "../format.ts";
import { useText } from "../language.ts";
import type { PageConfig } from "../sources/config.ts";
import { isNodesTrouble, isTrouble } from "../sources/trouble.ts";

/** The small pieces that both pages are made of. */

const ADDRESS_BYTES = 20;

export type Tone = "quiet" | "good" | "warning" | "bad";

const TONE_MARKS: Readonly<Record<Tone, string>> = {
  quiet: "i",
  good: "✓",
  warning: "!",
  bad: "×",
};

export function Notice(props: { tone: Tone; state?: string; children: ComponentChildren }) {
  const { tone, state, children } = props;
  return (
    <div class={`notice ${tone}`} data-state={state} role={tone === "bad" ? "alert" : "status"}>
      <span class="mark" aria-hidden="true">
        {TONE_MARKS[tone]}
      </span>
      <div>{children}</div>
    </div>
  );
}

export function Card(props: { title?: string; class?: string; children: ComponentChildren }) {
  return (
    <section class={`card ${props.class ?? ""}`}>
      {props.title !== undefined && <h2>{props.title}</h2>}
      {props.children}
    </section>
  );
}

/** An amount, cut; every digit at a touch. */
export function Amount({ wei, large = false }: { wei: bigint; large?: boolean }) {
  const { t, locale, symbol } = useText();
  const [exact, setExact] = useState(false);
  const text = exact ? exactTokens(wei, locale) : tokens(wei, locale);
  return (
    <button
      type="button"
      class={`amount ${large ? "large" : ""} ${exact ? "exact" : ""}`}
      title={`${exactTokens(wei, locale)} ${symbol}`}
      aria-label={`${text} ${symbol}. ${t(exact ? "action.rounded" : "action.exact")}`}
      onClick={() => setExact(!exact)}
    >
      <span class="digits">{text}</span> <span class="unit">{symbol}</span>
    </button>
  );
}

export function AddressText({ address, full = false }: { address: string; full?: boolean }) {
  const text = getAddress(address);
  return (
    <span class="hex" title={text}>
      {full ? text : shortHex(text)}
    </span>
  );
}

export function Copyable({ text: given }: { text: string }) {
  const { t } = useText();
  const text = isHexOf(given, ADDRESS_BYTES) ? getAddress(given) : given;
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <button
      type="button"
      class="copyable hex"
      title={text}
      aria-label={`${copied ? t("action.copied") : shortHex(text)}, ${t("action.copy")}`}
      onClick={copy}
    >
      {copied ? t("action.copied") : shortHex(text)}
    </button>
  );
}

export function Moment({ seconds }: { seconds: number }) {
  const { locale } = useText();
  return (
    <time dateTime={new Date(seconds * 1000).toISOString()} title={utcTime(seconds)}>
      {localTime(seconds, locale)}
    </time>
  );
}

export function TransactionLink({ hash, config }: { hash: string; config: PageConfig }) {
  const { explorer } = config.chain;
  if (explorer === undefined) return <Copyable text={hash} />;
  return (
    <a class="hex" href={`${explorer}/tx/${hash}`} target="_blank" rel="noreferrer">
      {shortHex(hash)}
    </a>
  );
}

export function TroubleNotice({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useText();
  const kind = isTrouble(error) ? error.trouble : "unexpected";
  return (
    <Notice tone={isNodesTrouble(error) ? "warning" : "bad"} state={kind}>
      <strong>{t(`trouble.${kind}.title`)}</strong>
      <p>{t(`trouble.${kind}.text`)}</p>
      <details>
        <summary>{t("trouble.details")}</summary>
        <code>{(error as Error).message}</code>
      </details>
      {retry && (
        <button type="button" class="plain" onClick={retry}>
          {t("action.retry")}
        </button>
      )}
    </Notice>
  );
}

export function Loading({ text }: { text: string }) {
  return (
    <p class="loading" role="status" data-state="loading">
      <span class="spinner" aria-hidden="true" />
      {text}
    </p>
  );
}

/** Hands a file that was made here to the browser. */
export function Download(props: { name: string; make: () => string; children: ComponentChildren }) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([props.make()], { type: "text/csv" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = props.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return (
    <button type="button" class="plain" onClick={save}>
      {props.children}
    </button>
  );
}

/** Unix seconds of the chain, moving with the clock: a local chain may be hours ahead of it. */
export function useChainNow(head: { readonly timestamp: number }): number {
  const [offset, setOffset] = useState(0);
  const [now, setNow] = useState(head.timestamp);
  useEffect(() => {
    const started = Date.now() / 1000;
    setOffset(head.timestamp - started);
    const timer = setInterval(() => setNow(Date.now() / 1000), 1000);
    setNow(started);
    return () => clearInterval(timer);
  }, [head.timestamp]);
  return Math.max(head.timestamp, now + offset);
}
