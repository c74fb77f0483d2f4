import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { type KeptWord, parseKeptWords } from "@link-rewards/core/signed/kept-word";
import type { Envelope } from "@link-rewards/core/signed/submission";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { EXIT } from "@link-rewards/host/program";
import type { Sender } from "@link-rewards/host/transactions";
import { openBundles } from "../edge/bundles.ts";
import { type CheckedWord, checkWords } from "../outsider/omission.ts";
import { bundlesCommand, withChain } from "./options.ts";
import { checksummed, print, table } from "./print.ts";
import { openSenderIfKey, senderOptions } from "./sender.ts";

export function omissionCommand() {
  const sends = senderOptions();
  return bundlesCommand("omission")
    .summary("find receipts that a member acknowledged and left out, and prove it")
    .description(
      "Looks whether the receipts that oracle members acknowledged are in the reports of their epochs, or newer ones in their place. A member that signed a report without one loses its bond, and a tenth of it goes to whoever proves it; the report stands. Without a key it only says what it would prove. What is not reported yet is passed over.\n\nExit codes: 0 nothing is left out, 1 something is, 2 not available or not sent, 3 usage.",
    )
    .requiredOption(
      "--receipts <path...>",
      "files of acknowledgements, or a folder of them, as a device keeps them",
    )
    .addOption(sends.keystore)
    .addOption(sends.passwordFile)
    .addOption(sends.keyFile)
    .addOption(sends.journal)
    .addOption(sends.maxFee)
    .addHelpText(
      "after",
      "\nExample:\n  link-oracle omission --receipts device-state/acknowledgements --bundles https://example.org/bundles\n\nTo send a proof with another tool, give `to` and `calldata` of --json to any wallet, or to cast:\n  cast send $TO $CALLDATA --rpc-url $LINK_RPC",
    )
    .action(async (options) => {
      const opened = await openSenderIfKey(options);
      await withChain(options, async (chain) => {
        const sender = opened?.connect(chain);
        await sender?.finish();
        const { chainId, contracts } = chain.deployment;
        const served = { chainId, registry: contracts.deviceRegistry };
        const words = await readWords(options.receipts, served);
        const checked = await checkWords(chain, options.bundles.map(openBundles), words);
        const proven = await prove(checked, sender);
        print(options.json, { words: proven }, () => render(proven));
        process.exitCode = exitCodeOf(proven);
      });
    });
}

async function readWords(paths: readonly string[], served: Envelope): Promise<readonly KeptWord[]> {
  const words: KeptWord[] = [];
  for (const file of (await Promise.all(paths.map(filesIn))).flat()) {
    const parsed = parseKeptWords(JSON.parse(await readFile(file, "utf8")), served);
    if (isRefused(parsed)) throw new Error(`${file} cannot be used: ${parsed.message}`);
    words.push(...parsed);
  }
  return words;
}

async function filesIn(path: string): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => name.endsWith(".json"));
  return names.sort().map((name) => join(path, name));
}

type Proven = CheckedWord & { readonly transaction?: string; readonly notSent?: string };

/** One proof for each member: with it the whole bond is gone, and every other proof against it would be refused. */
async function prove(
  checked: readonly CheckedWord[],
  sender: Sender | undefined,
): Promise<readonly Proven[]> {
  const slashed = new Set<string>();
  const proven: Proven[] = [];
  for (const word of checked) {
    if (sender === undefined || word.call === undefined || slashed.has(String(word.member))) {
      proven.push(word);
      continue;
    }
    const sent = await send(sender, word, word.call);
    if (sent.notSent === undefined) slashed.add(String(word.member));
    proven.push({ ...word, ...sent });
  }
  return proven;
}

async function send(
  sender: Sender,
  { epoch, member }: CheckedWord,
  { to, calldata }: NonNullable<CheckedWord["call"]>,
): Promise<Pick<Proven, "transaction" | "notSent">> {
  try {
    const call = { to, data: calldata };
    const { hash, outcome } = await sender.send(`omission/${epoch}/${member}`, call);
    if (outcome === "mined") return { transaction: hash };
    return { transaction: hash, notSent: `${hash} was reverted` };
  } catch (error) {
    // Somebody was faster, or the node is down.
    return { notSent: reasonOf(error) };
  }
}

function exitCodeOf(words: readonly Proven[]): number {
  const has = (...verdicts: readonly CheckedWord["verdict"][]) =>
    words.some(({ verdict }) => verdicts.includes(verdict));
  if (words.some(({ notSent }) => notSent !== undefined)) return EXIT.unavailable;
  if (has("omitted", "unsigned")) return EXIT.differs;
  return has("unavailable") ? EXIT.unavailable : EXIT.ok;
}

function render(words: readonly Proven[]): string {
  if (words.length === 0) return "no acknowledgement is in there";
  const lines = words
    .filter(({ verdict }) => verdict !== "kept")
    .map(({ epoch, customer, sequence, member, verdict, message, call, transaction, notSent }) => {
      const by = member === undefined ? "nobody" : `member ${checksummed(member)}`;
      const what = `epoch ${epoch}: ${by} acknowledged receipt ${sequence} of ${checksummed(customer)}`;
      const sent = notSent ?? transaction ?? (call === undefined ? "" : "not sent: give a key");
      return `${what}: ${verdict}: ${message}${sent === "" ? "" : ` (${sent})`}`;
    });
  const counted = new Map<string, number>();
  for (const { verdict } of words) counted.set(verdict, (counted.get(verdict) ?? 0) + 1);
  const rows = [...counted].map(([verdict, count]) => [verdict, String(count)]);
  return [table(["verdict", "acknowledgements"], rows), ...lines].join("\n");
}
