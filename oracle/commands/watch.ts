import { setTimeout as sleep } from "node:timers/promises";
import { Option } from "@commander-js/extra-typings";
import type { Signer } from "@link-rewards/host/keys";
import { openSigner } from "@link-rewards/host/keys";
import { keyOptions, wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import { reasonOf } from "../edge/chain.ts";
import { type AuditInput, auditInput } from "../outsider/audit.ts";
import {
  proofCall,
  type Vetoed,
  type Watched,
  watchPending,
  watchVetoed,
} from "../outsider/watch.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { print, utc, verdictText, warnOfSlowness } from "./print.ts";

const DEFAULT_INTERVAL_SECONDS = 30;

export function watchCommand() {
  const key = keyOptions();
  return bundlesCommand("watch")
    .summary("verify every proposal while it can still be undone")
    .description(
      "Follows the chain and verifies each pending proposal from scratch, as an audit does. Needs no key. Ends with exit code 1 at the first proposal that differs, or 2 when its bundle cannot be had, so that a supervisor raises the alarm. With --defend and a funded key it sends the fraud proof, where the ledger has one, against one that was vetoed too, and goes on watching.",
    )
    .addOption(new Option("--once", "look at what is pending now, and end").default(false))
    .addOption(
      new Option("--interval <seconds>", "time between two looks")
        .default(DEFAULT_INTERVAL_SECONDS)
        .argParser(wholeNumber),
    )
    .addOption(new Option("--defend", "send the fraud proof where one exists").default(false))
    .addOption(key.keystore)
    .addOption(key.passwordFile)
    .addOption(key.keyFile)
    .action(async (options) => {
      // Before anything is at stake: a watcher that finds a fraud and then lacks its key defends nothing.
      const signer = options.defend ? await openSigner(options) : undefined;
      process.exitCode = await withChain(options, async (chain) => {
        const agreed = new Set<string>();
        for (;;) {
          const input = await auditInput(chain, options.bundles, {
            onSlow: warnOfSlowness,
          });
          const watched = await watchPending(input);
          const isNew = watched !== undefined && !agreed.has(watched.digest);
          const defence = isNew && signer ? await defend(input, watched, signer) : undefined;
          const vetoed = signer === undefined ? [] : await defendAgainstVetoed(input, signer);
          if (options.once || isNew || vetoed.length > 0)
            report(options.json, watched, defence, vetoed);
          if (watched?.verdict.verdict === "agrees") agreed.add(watched.digest);
          else if (watched && (defence === undefined || options.once)) return exitCodeOf(watched);
          if (options.once) return vetoed.length === 0 ? EXIT.ok : EXIT.differs;
          await sleep(options.interval * 1000);
        }
      });
    });
}

/** What became of the fraud proof. A watcher goes on: whether the proposal is gone, its next look tells. */
type Defence = { readonly transaction: string } | { readonly notSent: string };

async function defend(
  input: AuditInput,
  { report, proof }: Pick<Watched, "report" | "proof">,
  signer: Signer,
): Promise<Defence | undefined> {
  if (proof === undefined) return undefined;
  const { provider } = input.chain;
  try {
    const call = await proofCall(input, { report, proof });
    const sent = await signer.wallet(provider).sendTransaction(call);
    await sent.wait();
    return { transaction: sent.hash };
  } catch (error) {
    // Somebody was faster, or the node is down. A veto in between saves nobody: the proof holds all the same.
    return { notSent: reasonOf(error) };
  }
}

type DefendedVetoed = Omit<Vetoed, "report"> & { readonly defence: Defence | undefined };

async function defendAgainstVetoed(
  input: AuditInput,
  signer: Signer,
): Promise<readonly DefendedVetoed[]> {
  const defended: DefendedVetoed[] = [];
  for (const { report, ...vetoed } of await watchVetoed(input)) {
    const defence = await defend(input, { report, proof: vetoed.proof }, signer);
    defended.push({ ...vetoed, defence });
  }
  return defended;
}

function exitCodeOf({ verdict }: Watched): number {
  return verdict.verdict === "differs" ? EXIT.differs : EXIT.unavailable;
}

/** One document for each look. */
function report(
  json: boolean,
  watched: Watched | undefined,
  defence: Defence | undefined,
  vetoed: readonly DefendedVetoed[],
): void {
  const pending = watched ? pendingFacts(watched, defence) : { pending: null };
  const convicted = vetoed.map((one) => ({ ...one, proof: one.proof.name }));
  const found = convicted.length === 0 ? pending : { ...pending, vetoed: convicted };
  print(json, found, () =>
    [
      ...(watched ? pendingLines(watched, defence) : ["no proposal is pending"]),
      ...vetoed.flatMap(({ epoch, attempt, proof, defence: sent }) => [
        `epoch ${epoch} attempt ${attempt}: was vetoed, and is a fraud`,
        adviceFor(proof.name, sent),
      ]),
    ].join("\n"),
  );
}

function pendingFacts(watched: Watched, defence: Defence | undefined) {
  const { report: _, verdict, proof, ...pending } = watched;
  const { rewards: _rewards, computed: _computed, ...facts } = verdict;
  return { ...pending, verdict: facts, proof: proof?.name ?? null, defence };
}

function pendingLines(
  { epoch, attempt, finalizableAt, verdict, proof }: Watched,
  defence: Defence | undefined,
): readonly string[] {
  const lines = [
    `epoch ${epoch} attempt ${attempt}: ${verdictText(verdict.verdict)} (final from ${utc(finalizableAt)} on)`,
  ];
  if (verdict.divergence) lines.push(`${verdict.divergence.file}: ${verdict.divergence.message}`);
  if (verdict.message) lines.push(verdict.message);
  if (verdict.verdict !== "agrees") lines.push(adviceFor(proof?.name, defence));
  return lines;
}

function adviceFor(proof: string | undefined, defence: Defence | undefined): string {
  if (proof === undefined) return "no fraud proof exists for this: ask the guardian to veto it";
  if (defence === undefined)
    return `the ledger convicts for this: ${proof} (send it with --defend)`;
  return "transaction" in defence
    ? `defended with ${proof}: ${defence.transaction}`
    : `${proof} was not sent or not accepted: ${defence.notSent}`;
}
