import type { ProvenLeaf } from "@link-rewards/client/leaf";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { accountsAt, indexOf } from "@link-rewards/core/law/law";
import { getAddress } from "ethers";
import { useState } from "preact/hooks";
import { tokens } from "../format.ts";
import { useText } from "../language.ts";
import { AddressForm } from "../parts/address-form.tsx";
import { Card, Notice, TroubleNotice } from "../parts/pieces.tsx";
import { leafFromMirrors } from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";
import type { ChainReport } from "../sources/reports.ts";
import type { History } from "./history.ts";

/** One account's leaf, proven here against the chain's root. */
export function ProofChecker(props: { chain: Chain; history: History; entry: ChainReport }) {
  const { t, locale } = useText();
  const { chain, history, entry } = props;
  const [outcome, setOutcome] = useState<ProvenLeaf | "none" | { error: unknown }>();
  const check = async (account: Address) => {
    const { law } = history;
    const { epoch, root } = entry.report;
    const leaves = accountsAt(law, epoch);
    const index = indexOf(law, account);
    if (index === undefined || index >= leaves) return setOutcome("none");
    try {
      setOutcome(await leafFromMirrors(chain.config, { epoch, root, leaves }, index, account));
    } catch (error) {
      setOutcome({ error });
    }
  };
  const leaf = typeof outcome === "object" && "proof" in outcome ? outcome : undefined;
  return (
    <Card title={t("epoch.proof")}>
      <AddressForm
        id="proof-account"
        label={t("welcome.address")}
        action={t("epoch.proof.action")}
        onAddress={(account) => {
          void check(account);
          return undefined;
        }}
        onInvalid={() => setOutcome(undefined)}
      />
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
