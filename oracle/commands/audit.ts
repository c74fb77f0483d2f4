import { InvalidArgumentError } from "@commander-js/extra-typings";
import { EXIT } from "@link-rewards/host/program";
import { auditEpochs, auditInput, type EpochVerdict } from "../outsider/audit.ts";
import { bundlesCommand, cacheOption, snapshotsIn, withChain } from "./options.ts";
import {
  endProgress,
  print,
  progress,
  table,
  tokens,
  verdictText,
  warnOfSlowness,
} from "./print.ts";

export function auditCommand() {
  return bundlesCommand("audit")
    .summary("recompute final epochs from the chain and the public files")
    .description(
      "Replays the chain's history, verifies every signature in the bundles, judges every row as the contract would, recomputes values, invoices, rewards and the three trees, and compares each stage with what is published and final. Needs no key and nothing of the oracle's.\n\nExit codes: 0 agrees, 1 differs (the first divergence is named; unlawful: the judge convicts that row), 2 data not available, 3 usage.",
    )
    .addOption(cacheOption())
    .argument("<epoch>", 'an epoch, or "all"', epochOrAll)
    .addHelpText(
      "after",
      "\nExample:\n  link-oracle audit all --bundles https://example.org/bundles",
    )
    .action(async (wanted, options) => {
      process.exitCode = await withChain(options, async (chain) => {
        const input = await auditInput(chain, options.bundles, {
          onProgress(epoch, done, total) {
            if (done % 100 === 0 || done === total)
              progress(`epoch ${epoch}: ${done} of ${total} contributions`);
          },
          onSlow: warnOfSlowness,
          snapshots: snapshotsIn(options.data, chain),
        });
        const last = input.law.lastFinal.epoch;
        if (wanted !== "all" && (wanted < 1 || wanted > last)) {
          throw new Error(`epoch ${wanted} is not final; the last final epoch is ${last}`);
        }
        const epochs = wanted === "all" ? range(1, last) : [wanted];
        const verdicts: EpochVerdict[] = [];
        for await (const verdict of auditEpochs(input, epochs)) {
          verdicts.push(verdict);
        }
        endProgress();
        print(options.json, { agrees: verdicts.every(agrees), epochs: verdicts }, () =>
          render(verdicts),
        );
        return exitCodeOf(verdicts);
      });
    });
}

function agrees({ verdict }: EpochVerdict): boolean {
  return verdict === "agrees";
}

function exitCodeOf(verdicts: readonly EpochVerdict[]): number {
  if (verdicts.some(({ verdict }) => verdict === "differs")) return EXIT.differs;
  return verdicts.every(agrees) ? EXIT.ok : EXIT.unavailable;
}

function render(verdicts: readonly EpochVerdict[]): string {
  const rows = verdicts.map((epoch) => [
    String(epoch.epoch),
    verdictText(epoch.verdict),
    String(epoch.contributions),
    String(epoch.leaves),
    epoch.value === undefined ? "" : tokens(epoch.value),
    epoch.counted === undefined ? "" : tokens(epoch.counted),
    epoch.delta === undefined ? "" : tokens(epoch.delta),
    epoch.fee === undefined ? "" : tokens(epoch.fee),
  ]);
  const notes = verdicts.flatMap(({ epoch, divergence, message }) => {
    if (divergence === undefined)
      return message === undefined ? [] : [`epoch ${epoch}: ${message}`];
    const { kind, file } = divergence;
    const lines = [`epoch ${epoch}: ${kind}: ${file}: ${divergence.message}`];
    if (divergence.expected !== undefined) lines.push(`  expected ${divergence.expected}`);
    if (divergence.found !== undefined) lines.push(`  found    ${divergence.found}`);
    return lines;
  });
  const head = [
    "epoch",
    "verdict",
    "contributions",
    "accounts",
    "value",
    "counted",
    "earned",
    "fee",
  ];
  return [table(head, rows), ...notes].join("\n");
}

function epochOrAll(text: string): number | "all" {
  if (text === "all") return "all";
  if (!/^[0-9]+$/.test(text)) throw new InvalidArgumentError('must be an epoch number or "all"');
  return Number(text);
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
