import type { Hex } from "../../oracle/core/bytes.ts";
import { duration, localTime, tokens } from "../format.ts";
import { useText } from "../language.ts";
import { AddressText, Amount, Card, Moment, Notice, useChainNow } from "../parts/pieces.tsx";
import type { WalletState } from "../parts/use-wallet.ts";
import type { Chain } from "../sources/chain.ts";
import { INTERFACES } from "../sources/contracts.ts";
import { addToken, isRejection, switchChain } from "../sources/wallet.ts";
import type { Position } from "./position.ts";
import { SendingNotice } from "./sending-notice.tsx";
import { useSending } from "./use-sending.ts";

type HeroProps = {
  readonly chain: Chain;
  readonly wallet: WalletState;
  readonly position: Position;
  readonly refresh: () => Promise<void>;
};

/** The amount, the one button, and where things stand. */
export function Hero(props: HeroProps) {
  const { t } = useText();
  const { position } = props;
  return (
    <div class="hero">
      <Card class="main">
        <p class="label">{t("hero.claimable")}</p>
        <Amount wei={position.claimable} large />
        <ClaimAction {...props} />
      </Card>
      <Card class="side">
        <PendingStat position={position} />
        <div class="stat">
          <p class="label">{t("stat.claimed")}</p>
          <Amount wei={position.claimed} />
        </div>
        <div class="stat">
          <p class="label">{t("stat.earned")}</p>
          <Amount wei={position.earned} />
          {position.epoch > 0 && (
            <p class="quiet-text">{t("stat.asOf", { epoch: position.epoch })}</p>
          )}
        </div>
      </Card>
    </div>
  );
}

function PendingStat({ position }: { position: Position }) {
  const { t } = useText();
  const now = useChainNow(position.head);
  const { pending } = position;
  return (
    <div class="stat" data-state={pending === undefined ? undefined : "pending"}>
      <p class="label">{t("stat.pending")}</p>
      {pending === undefined ? (
        <p class="quiet-text">{t("stat.pendingNone")}</p>
      ) : (
        <>
          {pending.amount === undefined ? (
            <p class="quiet-text">{t("stat.pendingUnknown")}</p>
          ) : (
            <Amount wei={pending.amount} />
          )}
          <p class="quiet-text">
            {t("stat.pendingEpoch", { epoch: pending.epoch })} ·{" "}
            {pending.opensAt > now
              ? t("stat.opens", { time: duration(pending.opensAt - now) })
              : t("stat.opensNow")}
            <br />
            <Moment seconds={pending.opensAt} /> ·{" "}
            <span class="nowrap">
              {new Date(pending.opensAt * 1000).toISOString().slice(11, 16)} UTC
            </span>
          </p>
        </>
      )}
    </div>
  );
}

function ClaimAction({ chain, wallet, position, refresh }: HeroProps) {
  const { t, locale } = useText();
  const { account, leaf, epoch, claimable } = position;
  const isClaimed = (cumulative: bigint) => async () =>
    (await chain.read<bigint>("RewardDistributor", "claimed", account)) >= cumulative;
  const { sending, busy, start, stop } = useSending(
    chain,
    refresh,
    `link-rewards.claim.${account}`,
    (kept) => (kept.cumulative === undefined ? undefined : isClaimed(BigInt(kept.cumulative))),
  );
  const { connection } = wallet;
  const now = useChainNow(position.head);
  const notice = (
    <SendingNotice sending={sending} config={chain.config} doneKey="send.done" stop={stop} />
  );
  const done = sending.state === "done" && connection !== undefined && (
    <button
      type="button"
      class="plain"
      onClick={() =>
        addToken(
          connection.wallet,
          chain.config.deployment.contracts.LinkToken.address,
          "LTK",
        ).catch(ignoreRejection)
      }
    >
      {t("send.addToken")}
    </button>
  );
  if (claimable === 0n || leaf === undefined) {
    return (
      <>
        {notice}
        {done}
        {sending.state !== "done" && !busy && <NothingNotice position={position} />}
      </>
    );
  }
  if (position.pausedUntil > now) {
    return (
      <Notice tone="warning" state="paused">
        {t("state.paused", { time: localTime(position.pausedUntil, locale) })}
      </Notice>
    );
  }
  if (connection === undefined) {
    return (
      <>
        {notice}
        <Notice tone="quiet" state="claimable">
          {t("state.connect")}
        </Notice>
      </>
    );
  }
  if (connection.chainId !== chain.config.deployment.chainId) {
    return (
      <>
        {notice}
        <WrongChain chain={chain} wallet={wallet} />
      </>
    );
  }
  const claim = () =>
    start(connection, {
      call: {
        to: chain.config.deployment.contracts.RewardDistributor.address,
        data: INTERFACES.RewardDistributor.encodeFunctionData("claim", [
          [{ epoch, ...leaf }],
        ]) as Hex,
      },
      isDone: isClaimed(leaf.cumulative),
      resume: { cumulative: String(leaf.cumulative) },
    });
  const forOther = connection.account !== account;
  return (
    <>
      <button type="button" class="primary" data-state="claimable" disabled={busy} onClick={claim}>
        {busy && <span class="spinner" aria-hidden="true" />}
        {forOther ? t("claim.actionFor") : t("claim.action", { amount: tokens(claimable, locale) })}
      </button>
      {notice}
      {sending.state === "idle" && (
        <p class="quiet-text">
          {forOther ? (
            t("state.forOther", { payee: position.payee })
          ) : (
            <>
              {t("hero.paidTo", { payee: "" })}
              <AddressText address={position.payee} />
            </>
          )}
        </p>
      )}
    </>
  );
}

function NothingNotice({ position }: { position: Position }) {
  const { t, locale } = useText();
  const { nothing, pending } = position;
  if (pending !== undefined && nothing !== undefined) {
    return (
      <Notice tone="quiet" state="pending">
        {t("state.pending", { time: localTime(pending.opensAt, locale) })}
      </Notice>
    );
  }
  if (nothing !== undefined) {
    return (
      <Notice tone="quiet" state={nothing}>
        {t(`state.${nothing}`)}
      </Notice>
    );
  }
  return (
    <Notice tone="good" state="claimed">
      {t("state.all-claimed")}
    </Notice>
  );
}

const CHAIN_NAMES: Readonly<Record<number, string>> = {
  1: "Ethereum",
  10: "OP Mainnet",
  137: "Polygon",
  8453: "Base",
  42161: "Arbitrum One",
  11155111: "Sepolia",
};

function WrongChain({ chain, wallet }: { chain: Chain; wallet: WalletState }) {
  const { t } = useText();
  const { connection } = wallet;
  if (connection === undefined) return null;
  const { config } = chain;
  const from = CHAIN_NAMES[connection.chainId] ?? `chain ${connection.chainId}`;
  return (
    <Notice tone="warning" state="wrong-chain">
      <p>{t("state.wrong-chain", { from, to: config.chain.name })}</p>
      <button
        type="button"
        class="plain"
        onClick={() => switchChain(connection.wallet, config).catch(ignoreRejection)}
      >
        {t("state.switch", { to: config.chain.name })}
      </button>
    </Notice>
  );
}

function ignoreRejection(error: unknown) {
  if (!isRejection(error)) throw error;
}
