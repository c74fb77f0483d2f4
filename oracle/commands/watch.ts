import { setTimeout as sleep } from "node:timers/promises";
import { Option } from "@commander-js/extra-typings";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import {
  decimals,
  feeCeilingOption,
  journalOption,
  keyOptions,
  wholeNumber,
} from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import { formatEther, parseEther } from "ethers";
import { openBundles } from "../edge/bundles.ts";
import { type Demanded, nameOf, WAITING } from "../edge/demands.ts";
import {
  createDefender,
  type Defence,
  type Defences,
  type Defender,
  type Sent,
} from "../outsider/defend.ts";
import { createWatcher, type Look, type Watched } from "../outsider/watch.ts";
import {
  cacheOption,
  chainCommand,
  jsonOption,
  mirrorsOption,
  snapshotsIn,
  withChain,
} from "./options.ts";
import { print, toJson, utc, verdictText, warnOfSlowness } from "./print.ts";
import { openSender } from "./sender.ts";

const DEFAULT_INTERVAL_SECONDS = 30;
/** In the chain's coin. A walk through hidden tables takes some tens of demands, of which each has a bond. */
const DEFAULT_DEMAND_LIMIT = "1";

export function watchCommand() {
  const key = keyOptions();
  return chainCommand("watch")
    .summary("verify every proposal while it can still be undone")
    .description(
      `Follows the chain and verifies each pending proposal from scratch, as an audit does. Needs no key. Ends with exit code 1 at the first proposal that differs, or 2 when its bundle cannot be had, so that a supervisor raises the alarm.

With --defend and a funded key it goes on and acts: it convicts unlawful rows, of reports that were vetoed too; demands on chain what a report hides, as far as it differs from what an honest mirror's bundle says it should be; has a report revoked whose demands were not answered in time; answers what is demanded of reports that agree; and takes its bonds back. It can be stopped at any time: what it has demanded and seen is on chain.`,
    )
    .addOption(mirrorsOption())
    .addOption(cacheOption())
    .addOption(jsonOption())
    .addOption(new Option("--once", "look at what is pending now, and end").default(false))
    .addOption(
      new Option("--interval <seconds>", "time between two looks")
        .default(DEFAULT_INTERVAL_SECONDS)
        .argParser(wholeNumber),
    )
    .addOption(
      new Option("--defend", "convict, demand, answer; without it nothing is sent").default(false),
    )
    .addOption(
      new Option(
        "--demand-limit <coins>",
        "the most of the chain's coin that may be bonded at once",
      )
        .default(parseEther(DEFAULT_DEMAND_LIMIT), DEFAULT_DEMAND_LIMIT)
        .argParser(decimals),
    )
    .addOption(journalOption())
    .addOption(feeCeilingOption())
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .action(async (options) => {
      // Before anything is at stake: a watcher that finds a fraud and then lacks its key defends nothing.
      const connect = options.defend ? (await openSender(options)).connect : undefined;
      process.exitCode = await withChain(options, async (chain) => {
        const mirrors = options.bundles.map(openBundles);
        const { demandLimit } = options;
        const sender = connect?.(chain);
        const own = sender && lowercaseHex(sender.address);
        const watcher = createWatcher(chain, mirrors, {
          own,
          snapshots: snapshotsIn(options.data, chain),
          onSlow: warnOfSlowness,
        });
        const log = (event: string, details: Record<string, unknown>) =>
          process.stderr.write(`${JSON.stringify({ event, ...details })}\n`);
        const defender = sender && createDefender({ chain, mirrors, sender, demandLimit, log });
        return keepWatching(options, () => watcher.look(), defender);
      });
    });
}

/** Until there is an alarm to raise; the exit code tells which. */
async function keepWatching(
  { once, interval, json }: { once: boolean; interval: number; json: boolean },
  look: () => Promise<Look>,
  defender: Defender | undefined,
): Promise<number> {
  let told = "";
  for (;;) {
    const seen = await look();
    const defences = await defender?.act(seen);
    const reports = defences?.reports ?? seen.reports.map(undefended);
    const document = documentOf(reports, defences);
    // Once for each thing that happens, not once for each look.
    const text = toJson(document);
    const isNews = text !== told && (reports.length > 0 || hasSettled(defences));
    if (once || isNews) print(json, document, () => linesOf(reports, defences).join("\n"));
    told = text;
    const pending = reports.find(({ watched }) => watched.open.isPending);
    const alarm = pending === undefined ? EXIT.ok : exitCodeOf(pending);
    if (once) {
      if (alarm !== EXIT.ok) return alarm;
      const hasConvicted = reports.some(({ conviction }) => conviction !== undefined);
      return hasConvicted ? EXIT.differs : EXIT.ok;
    }
    if (pending && alarm !== EXIT.ok && !isUnderWay(pending)) return alarm;
    await sleep(interval * 1000);
  }
}

function undefended(watched: Watched): Defence {
  return { watched, demands: [], answers: [] };
}

function hasSettled(defences: Defences | undefined): boolean {
  return defences !== undefined && (defences.reclaimed.length > 0 || defences.withdrawn > 0n);
}

/** Whether its end is being worked for, so that the watcher must not leave. */
function isUnderWay({ watched, conviction, silence, demands }: Defence): boolean {
  if (conviction !== undefined || silence !== undefined) return true;
  return watched.waiting.length > 0 || demands.some((demand) => "transaction" in demand);
}

function exitCodeOf({ watched: { verdict } }: Defence): number {
  if (verdict.verdict === "agrees") return EXIT.ok;
  return verdict.verdict === "differs" ? EXIT.differs : EXIT.unavailable;
}

/** One document for each look. */
function documentOf(reports: readonly Defence[], defences: Defences | undefined) {
  const pending = reports.find(({ watched }) => watched.open.isPending);
  const vetoed = reports.filter(({ watched }) => !watched.open.isPending && isTold(watched));
  return {
    ...(pending ? factsOf(pending) : { pending: null }),
    ...(vetoed.length > 0 && { vetoed: vetoed.map(factsOf) }),
    ...(defences && defences.reclaimed.length > 0 && { reclaimed: defences.reclaimed }),
    ...(defences && defences.withdrawn > 0n && { withdrawn: defences.withdrawn }),
  };
}

/** What was vetoed is told of as long as there is something to be done about it. */
function isTold({ unlawful, wanted, waiting }: Watched): boolean {
  return unlawful !== undefined || wanted.length > 0 || waiting.length > 0;
}

function factsOf({ watched, conviction, demands, silence, answers }: Defence) {
  const { open, verdict, unlawful, wanted, waiting, search } = watched;
  const { rewards: _rewards, computed: _computed, ...facts } = verdict;
  const { table = null, row = null, proof = null } = unlawful ?? {};
  return {
    epoch: open.report.epoch,
    attempt: open.report.attempt,
    digest: open.digest,
    /** Null while a demand waits. */
    finalizableAt: open.openUntil === WAITING ? null : open.openUntil,
    verdict: facts,
    table,
    row,
    proof,
    defence: conviction,
    ...(search && { search }),
    ...(wanted.length > 0 && { wanted }),
    ...(waiting.length > 0 && { waiting: waiting.map(factsOfDemand) }),
    ...(demands.length > 0 && { demands }),
    ...(silence && { silence }),
    ...(answers.length > 0 && { answers }),
  };
}

function factsOfDemand({ node, by, due, bond }: Demanded) {
  return { ...node, by, due, bond };
}

function linesOf(reports: readonly Defence[], defences: Defences | undefined): readonly string[] {
  const pending = reports.find(({ watched }) => watched.open.isPending);
  const vetoed = reports.filter(({ watched }) => !watched.open.isPending && isTold(watched));
  const reclaimed = defences?.reclaimed ?? [];
  return [
    ...(pending ? reportLines(pending) : ["no proposal is pending"]),
    ...vetoed.flatMap(reportLines),
    ...reclaimed.map((bond) => `bond of ${nameOf(bond)}: ${sentText("taken back", bond)}`),
    ...(defences && defences.withdrawn > 0n
      ? [`${formatEther(defences.withdrawn)} of the chain's coin withdrawn from the demands`]
      : []),
  ];
}

function reportLines({ watched, conviction, demands, silence, answers }: Defence) {
  const { open, verdict, unlawful, wanted, waiting, search } = watched;
  const { epoch, attempt } = open.report;
  const until =
    open.openUntil === WAITING
      ? "demands wait for their answers"
      : `open until ${utc(open.openUntil)}`;
  const lines = [
    `epoch ${epoch} attempt ${attempt}${open.isPending ? "" : ", vetoed"}: ${verdictText(verdict.verdict)} (${until})`,
  ];
  if (verdict.divergence) lines.push(`${verdict.divergence.file}: ${verdict.divergence.message}`);
  if (verdict.message) lines.push(verdict.message);
  if (unlawful) {
    const what = `record ${unlawful.row} of the ${unlawful.table}, ${unlawful.proof}`;
    lines.push(
      conviction
        ? `${what}: ${sentText("convicted", conviction)}`
        : `the ledger convicts for this: ${what} (send it with --defend)`,
    );
  }
  if (search) lines.push(search.message);
  const isAsking = demands.length === 0 && wanted.length > 0;
  if (isAsking) lines.push(`with --defend would demand ${wanted.map(nameOf).join(", ")}`);
  for (const demand of demands) lines.push(`${nameOf(demand)}: ${sentText("demanded", demand)}`);
  for (const { node, due } of waiting)
    lines.push(`${nameOf(node)}: waits for its answer until ${utc(due)}`);
  if (silence) lines.push(`${nameOf(silence)} was not shown: ${sentText("revoked", silence)}`);
  for (const { node, transaction } of answers)
    lines.push(`${nameOf(node)}: answered ${transaction}`);
  if (verdict.isDamaged)
    lines.push(
      "no mirror has a good copy: name more with --bundles before anybody is asked to act",
    );
  if (isForTheGuardian(watched))
    lines.push("nothing more can be done: ask the guardian to veto it");
  return lines;
}

function isForTheGuardian({ open, verdict, unlawful, search, waiting }: Watched): boolean {
  // A bad copy is no bad report.
  if (!open.isPending || verdict.verdict === "agrees" || verdict.isDamaged || unlawful)
    return false;
  return search?.kind !== "asks" && waiting.length === 0;
}

function sentText(done: string, sent: Sent): string {
  return "transaction" in sent ? `${done} ${sent.transaction}` : `not sent: ${sent.notSent}`;
}
