import { setTimeout as sleep } from "node:timers/promises";
import { Option } from "@commander-js/extra-typings";
import { auditInput } from "../audit.ts";
import { loadSigner } from "../compose.ts";
import { revertReason } from "../edge/chain.ts";
import { proofCall, type Watched, watchPending } from "../watch.ts";
import { bundlesCommand, EXIT, keyOptions, wholeNumber, withChain } from "./options.ts";
import { print, utc, verdictText } from "./print.ts";

const DEFAULT_INTERVAL_SECONDS = 30;

export function watchCommand() {
  const key = keyOptions();
  return bundlesCommand("watch")
    .summary("verify every proposal while it can still be undone")
    .description(
      "Follows the chain and verifies each pending proposal from scratch, as an audit does. Needs no key. Ends with exit code 1 at the first proposal that differs, or 2 when its bundle cannot be had, so that a supervisor raises the alarm. With --defend and a funded key it sends the fraud proof, where the ledger has one, and goes on watching.",
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
      // Before anything is at stake: a watcher that finds a fraud and then lacks its key is no defence.
      const signer = options.defend ? await loadSigner(options) : undefined;
      process.exitCode = await withChain(options, async (chain) => {
        const agreed = new Set<string>();
        for (;;) {
          const input = await auditInput(chain, options.bundles);
          const watched = await watchPending(input);
          if (watched !== undefined && !agreed.has(watched.digest)) {
            report(options.json, watched);
            if (watched.verdict.verdict === "agrees") agreed.add(watched.digest);
            else if (signer === undefined || watched.proof === undefined)
              return exitCodeOf(watched);
            else {
              const call = await proofCall(input, { report: watched.report, proof: watched.proof });
              try {
                const sent = await signer.wallet(chain.provider).sendTransaction(call);
                await sent.wait();
                print(
                  options.json,
                  { defended: watched.proof.name, transaction: sent.hash },
                  () => `defended with ${watched.proof?.name}: ${sent.hash}`,
                );
              } catch (error) {
                const reason = revertReason(error);
                if (reason === undefined) throw error;
                // Somebody was faster, or the guardian vetoed: what counts is that it is gone, and the next look tells.
                process.stderr.write(`the proof was not needed or not accepted: ${reason}\n`);
              }
              if (options.once) return EXIT.differs;
            }
          }
          if (options.once) {
            if (watched === undefined)
              print(options.json, { pending: null }, () => "no proposal is pending");
            return EXIT.ok;
          }
          await sleep(options.interval * 1000);
        }
      });
    });
}

function exitCodeOf({ verdict }: Watched): number {
  return verdict.verdict === "differs" ? EXIT.differs : EXIT.unavailable;
}

function report(json: boolean, { report: _, verdict, proof, ...watched }: Watched): void {
  const { rewards: _rewards, computed: _computed, ...facts } = verdict;
  print(json, { ...watched, verdict: facts, proof: proof?.name ?? null }, () => {
    const lines = [
      `epoch ${watched.epoch} attempt ${watched.attempt}: ${verdictText(facts.verdict)} (final from ${utc(watched.finalizableAt)} on)`,
    ];
    if (facts.divergence) lines.push(`${facts.divergence.file}: ${facts.divergence.message}`);
    if (facts.message) lines.push(facts.message);
    if (facts.verdict !== "agrees") {
      lines.push(
        proof === undefined
          ? "no fraud proof exists for this: ask the guardian to veto it"
          : `the ledger convicts for this: ${proof.name} (send it with --defend)`,
      );
    }
    return lines.join("\n");
  });
}
