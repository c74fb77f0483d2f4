import { duration } from "../format.ts";
import { useText } from "../language.ts";
import { Amount, Card, Loading, Moment, useChainNow } from "../parts/pieces.tsx";
import { type ActionProps, ClaimAction } from "./claim-action.tsx";

/** The amount, the one button, and where things stand. */
export function Hero(props: ActionProps) {
  const { t } = useText();
  const { position, past } = props;
  return (
    <div class="hero">
      <Card class="main">
        <p class="label">{t("hero.claimable")}</p>
        <Amount wei={position.claimable} large />
        <ClaimAction {...props} />
      </Card>
      <Card class="side">
        <PendingStat position={position} past={past} />
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

function PendingStat({ position, past }: Pick<ActionProps, "position" | "past">) {
  const { t } = useText();
  const now = useChainNow(position.head);
  const pending = past?.pending;
  return (
    <div class="stat" data-state={pending === undefined ? undefined : "pending"}>
      <p class="label">{t("stat.pending")}</p>
      {pending === undefined ? (
        past === undefined ? (
          <Loading text={t("earnings.loading")} />
        ) : (
          <p class="quiet-text">{t("stat.pendingNone")}</p>
        )
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
