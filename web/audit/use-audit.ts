import type { Manifest } from "@link-rewards/core/epoch/manifest";
import type { Report } from "@link-rewards/core/signed/report";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { useEach } from "../parts/use-each.ts";
import { fromMirrors, readManifest } from "../sources/bundles.ts";
import type { Chain } from "../sources/chain.ts";
import { isTrouble } from "../sources/trouble.ts";
import { type Checked, checkInvariants, type History, readHistory } from "./history.ts";
import { type Progress, type Verdict, verifyEpoch } from "./verify.ts";

export type ManifestState = Manifest | "missing" | "another-copy" | undefined;

export type Verifying =
  | Verdict
  | { readonly verdict: "running"; readonly progress: Progress | undefined }
  | { readonly verdict: "failed"; readonly error: unknown };

export type Audit = {
  readonly history: History | undefined;
  readonly trouble: unknown;
  readonly manifests: ReadonlyMap<number, ManifestState>;
  readonly checked: Checked | undefined;
  readonly verdicts: ReadonlyMap<number, Verifying>;
  reload(): void;
  verify(epoch: number): void;
};

const REFRESH_MS = 8_000;

/** The history, read again when the chain has a new block; what was verified here stays verified. */
export function useAudit(chain: Chain): Audit {
  const [history, setHistory] = useState<History>();
  const [trouble, setTrouble] = useState<unknown>();
  const [run, setRun] = useState(0);
  const [checked, setChecked] = useState<Checked>();
  const [verdicts, setVerdicts] = useState<ReadonlyMap<number, Verifying>>(new Map());
  const head = useRef<string | undefined>(undefined);
  const stop = useRef(new AbortController());

  const read = useCallback(async () => {
    try {
      const block = await chain.block("latest");
      if (block !== undefined && block.hash !== head.current) {
        const next = await readHistory(chain);
        head.current = block.hash;
        setHistory(next);
        setChecked(await checkInvariants(chain, next));
      }
      setTrouble(undefined);
    } catch (error) {
      if (isTrouble(error, "rpc-incomplete")) await chain.forgetLogs();
      setTrouble(error);
    }
  }, [chain]);

  useEffect(() => {
    let stopped = false;
    const controller = new AbortController();
    stop.current = controller;
    const loop = async () => {
      while (!stopped) {
        await read();
        await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
      }
    };
    loop();
    return () => {
      stopped = true;
      controller.abort(new Error("the page was left"));
    };
  }, [read]);

  const reports = new Map(
    [...(history?.reports.values() ?? [])].map(({ report }) => [
      `${report.epoch} ${report.bundleHash}`,
      report,
    ]),
  );
  const loaded = useEach(
    reports.keys(),
    (key) => manifestOf(chain, reports.get(key) as Report),
    run,
  );
  const manifests = new Map([...reports].map(([key, { epoch }]) => [epoch, loaded.get(key)]));

  const verify = (epoch: number) => {
    if (history === undefined) return;
    const set = (state: Verifying) => setVerdicts((have) => new Map(have).set(epoch, state));
    set({ verdict: "running", progress: undefined });
    verifyEpoch(
      chain,
      history,
      epoch,
      (progress) => set({ verdict: "running", progress }),
      stop.current.signal,
    ).then(set, (error) => set({ verdict: "failed", error }));
  };
  const reload = () => {
    head.current = undefined;
    setRun(run + 1);
    read();
  };
  return { history, trouble, manifests, checked, verdicts, reload, verify };
}

async function manifestOf(
  chain: Chain,
  { epoch, bundleHash }: Report,
): Promise<Exclude<ManifestState, undefined>> {
  try {
    return await fromMirrors(chain.config, epoch, (mirror) => readManifest(mirror, bundleHash));
  } catch (error) {
    return isTrouble(error, "another-copy") ? "another-copy" : "missing";
  }
}
