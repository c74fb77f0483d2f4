import { useText } from "../language.ts";
import { Notice, type Tone, TransactionLink } from "../parts/pieces.tsx";
import type { PageConfig } from "../sources/config.ts";
import type { Sending } from "../sources/send.ts";
import { EN, type StringKey } from "../strings/en.ts";

const TONES: Readonly<Record<Sending["state"], Tone>> = {
  idle: "quiet",
  checking: "quiet",
  signing: "quiet",
  sent: "quiet",
  "other-owners": "quiet",
  done: "good",
  rejected: "warning",
  "out-of-gas-money": "warning",
  refused: "bad",
  failed: "bad",
};

/** Nobody knows how long these last. */
const OPEN_ENDED: readonly Sending["state"][] = ["signing", "sent", "other-owners"];

/** Where it stands, in words. */
export function SendingNotice(props: {
  sending: Sending;
  config: PageConfig;
  doneKey: StringKey;
  stop: () => void;
}) {
  const { t } = useText();
  const { sending, config, doneKey, stop } = props;
  if (sending.state === "idle") return null;
  const hash = "hash" in sending ? sending.hash : undefined;
  return (
    <Notice tone={TONES[sending.state]} state={sending.state}>
      <p>
        {sending.state === "refused" && t("send.refused", { reason: reasonOf(sending.error, t) })}
        {sending.state === "failed" && t("send.failed", { message: sending.message })}
        {sending.state === "done" && t(doneKey)}
        {sending.state === "out-of-gas-money" &&
          t("send.out-of-gas-money", { currency: config.chain.currency })}
        {!["refused", "failed", "done", "out-of-gas-money"].includes(sending.state) &&
          t(`send.${sending.state}` as StringKey)}
      </p>
      {hash !== undefined && <TransactionLink hash={hash} config={config} />}
      {OPEN_ENDED.includes(sending.state) && (
        <p>
          <button type="button" class="plain" onClick={stop}>
            {t("action.stop")}
          </button>
        </p>
      )}
    </Notice>
  );
}

function reasonOf(name: string, t: ReturnType<typeof useText>["t"]): string {
  const key = `error.${name}`;
  return key in EN ? t(key as StringKey) : t("error.other", { name });
}
