import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { localTime, shortHex } from "../format.ts";
import { useText } from "../language.ts";
import { AddressForm } from "../parts/address-form.tsx";
import { Card, Notice } from "../parts/pieces.tsx";
import type { WalletState } from "../parts/use-wallet.ts";
import type { Chain } from "../sources/chain.ts";
import { INTERFACES } from "../sources/contracts.ts";
import { type CheckedConsent, type ConsentProblem, readConsent } from "./bind-consent.ts";
import type { Position } from "./position.ts";
import { canScan, Scanner } from "./scanner.tsx";
import { SendingNotice } from "./sending-notice.tsx";
import { useSending } from "./use-sending.ts";

type CardProps = {
  readonly chain: Chain;
  readonly wallet: WalletState;
  readonly position: Position;
  readonly refresh: () => Promise<void>;
};

/** Where rewards go. */
export function PayeeCard({ chain, wallet, position, refresh }: CardProps) {
  const { t } = useText();
  const { sending, busy, start, stop } = useSending(chain, refresh);
  const { connection } = wallet;
  const { account, payee } = position;
  const save = (next: Address) => {
    if (next === payee) return t("payee.same");
    if (connection === undefined) return undefined;
    void start(connection, {
      call: {
        to: chain.config.deployment.contracts.RewardDistributor.address,
        data: INTERFACES.RewardDistributor.encodeFunctionData("setPayee", [next]) as Hex,
      },
      isDone: async () =>
        lowercaseHex(await chain.read<string>("RewardDistributor", "payeeOf", account)) === next,
    });
    return undefined;
  };
  return (
    <Card title={t("payee.title")}>
      <p>{t("payee.text", { payee: payee === account ? t("payee.self") : shortHex(payee) })}</p>
      <OwnWallet chain={chain} wallet={wallet} position={position}>
        <AddressForm
          id="payee"
          label={t("payee.label")}
          action={t("payee.action")}
          disabled={busy}
          onAddress={save}
        />
      </OwnWallet>
      <SendingNotice sending={sending} config={chain.config} doneKey="send.doneOther" stop={stop} />
    </Card>
  );
}

/** A device's consent, pasted or scanned, sent to the registry. */
export function BindCard({ chain, wallet, position, refresh }: CardProps) {
  const { t, locale } = useText();
  const [text, setText] = useState("");
  const [scanning, setScanning] = useState(false);
  const [read, setRead] = useState<Awaited<ReturnType<typeof readConsent>>>();
  const { sending, busy, start, stop } = useSending(chain, refresh);
  const { connection } = wallet;
  const { account, head } = position;
  const take = async (next: string) => {
    setText(next);
    setScanning(false);
    setRead(
      next.trim() === "" ? undefined : await readConsent(chain, next, account, head.timestamp),
    );
  };
  const consent = read !== undefined && !("problem" in read) ? read : undefined;
  const bind = ({ device, nonce, call }: CheckedConsent) => {
    if (connection === undefined) return undefined;
    const isDone = async () => {
      const used = await chain.read<bigint>("DeviceRegistry", "nonceOf", device);
      const found = await chain.read<{ account: string }>("DeviceRegistry", "deviceOf", device);
      return used === BigInt(nonce) && lowercaseHex(found.account) === account;
    };
    return start(connection, { call, isDone });
  };
  return (
    <Card title={t("bind.title")}>
      <p>{t(canScan() ? "bind.text" : "bind.textPaste")}</p>
      <OwnWallet chain={chain} wallet={wallet} position={position}>
        <label for="consent">{t("bind.label")}</label>
        <textarea
          id="consent"
          class="hex"
          rows={3}
          value={text}
          onInput={(event) => take(event.currentTarget.value)}
          autocomplete="off"
          spellcheck={false}
        />
        {scanning && <Scanner onText={take} />}
        {read !== undefined && "problem" in read && (
          <p class="problem" role="alert">
            {t(`bind.${read.problem as ConsentProblem}`, {
              account: read.account === undefined ? "" : shortHex(read.account),
            })}
          </p>
        )}
        {consent !== undefined && (
          <Notice tone="quiet" state="consent">
            {t("bind.ready", {
              device: shortHex(consent.device),
              account: shortHex(consent.account),
              time: localTime(consent.deadline, locale),
            })}
          </Notice>
        )}
        <p class="actions">
          <button
            type="button"
            disabled={consent === undefined || busy}
            onClick={() => consent && bind(consent)}
          >
            {t("bind.action")}
          </button>
          {canScan() && (
            <button type="button" class="plain" onClick={() => setScanning(!scanning)}>
              {scanning ? t("action.cancel") : t("bind.scan")}
            </button>
          )}
        </p>
      </OwnWallet>
      <SendingNotice sending={sending} config={chain.config} doneKey="send.doneOther" stop={stop} />
    </Card>
  );
}

/** Only the account itself may do these things. */
function OwnWallet(props: Omit<CardProps, "refresh"> & { children: ComponentChildren }) {
  const { t } = useText();
  const { chain, wallet, position, children } = props;
  const { connection } = wallet;
  if (connection?.account !== position.account) {
    return <p class="quiet-text">{t("more.needWallet")}</p>;
  }
  if (connection.chainId !== chain.config.deployment.chainId) {
    return <p class="quiet-text">{t("more.otherChain", { to: chain.config.chain.name })}</p>;
  }
  return <>{children}</>;
}
