import type { Manifest } from "@link-rewards/core/epoch/manifest";
import { useEffect, useState } from "preact/hooks";
import { bytes } from "../format.ts";
import { useText } from "../language.ts";
import { Card } from "../parts/pieces.tsx";
import { fromMirrors } from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";

const BESIDE = ["refusals.ndjson", "equivocations.ndjson"] as const;

/** Every file, what stands beside them, and the command that repeats the check. */
export function Files(props: {
  chain: Chain;
  epoch: number;
  manifest: Manifest | string | undefined;
}) {
  const { t, locale } = useText();
  const { chain, epoch, manifest } = props;
  const { rpcUrls, bundles, deployment } = chain.config;
  const base = new URL(bundles[0] ?? "", document.baseURI).href.replace(/\/$/, "");
  const known = typeof manifest === "object" ? Object.entries(manifest.files) : [];
  const command = `npm run oracle -- audit ${epoch} --rpc ${rpcUrls.join(" --rpc ")} --deployment deployments/${deployment.chainId}.json --bundles ${base}`;
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
