import { useText } from "../language.ts";
import { Card, Notice, TroubleNotice } from "../parts/pieces.tsx";
import type { Verifying } from "./use-audit.ts";

/** The one button, how far it is, and what it found. */
export function VerifyCard(props: { verifying: Verifying | undefined; verify: () => void }) {
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
