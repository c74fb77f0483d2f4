import { readFile } from "node:fs/promises";
import { Argument } from "@commander-js/extra-typings";
import { isHexOf } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { parseSignedReport } from "@link-rewards/core/signed/report";
import type { Chain } from "@link-rewards/host/chain/chain";
import { reasonOf } from "@link-rewards/host/chain/errors";
import { EXIT, misuse } from "@link-rewards/host/program";
import type { Sender } from "@link-rewards/host/transactions";
import { type Equivocation, findEquivocations } from "../outsider/equivocation.ts";
import { type ShownReport, signedReportIn } from "../outsider/signed-report.ts";
import { chainCommand, jsonOption, withChain } from "./options.ts";
import { checksummed, print } from "./print.ts";
import { openSenderIfKey, senderOptions } from "./sender.ts";

const WHAT =
  "a file {report, signatures: [{member, signature}]}, or the hash of a transaction that proposed, or tried to";

export function equivocationCommand() {
  const sends = senderOptions();
  return chainCommand("equivocation")
    .summary("prove that a member signed two reports about one epoch and attempt")
    .description(
      "Looks who signed both of two different reports about one epoch and attempt. Whoever did loses its bond and its seat, and a tenth of the bond goes to whoever proves it. Signatures are looked at, names are not believed. Without a key it only says what it would prove.\n\nExit codes: 0 proven, or would be; 1 the two prove nothing, or nothing more; 2 not available or not sent, 3 usage: also when a file holds no signed report.",
    )
    .addArgument(new Argument("<one>", WHAT))
    .addArgument(new Argument("<other>", "another one"))
    .addOption(sends.keystore)
    .addOption(sends.passwordFile)
    .addOption(sends.keyFile)
    .addOption(sends.journal)
    .addOption(sends.maxFee)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nTo send a proof with another tool, give `to` and `calldata` of --json to any wallet, or to cast:\n  cast send $TO $CALLDATA --rpc-url $LINK_RPC",
    )
    .action(async (one, other, options) => {
      const opened = await openSenderIfKey(options);
      const files = [await readIfFile(one), await readIfFile(other)];
      await withChain(options, async (chain) => {
        const sender = opened?.connect(chain);
        await sender?.finish();
        const a = files[0] ?? (await readProposal(chain, one));
        const b = files[1] ?? (await readProposal(chain, other));
        const { epoch, attempt } = a.report;
        const found = await findEquivocations(chain, a, b);
        if ("nothing" in found) {
          print(options.json, { equivocations: [], nothing: found.nothing }, () => found.nothing);
          process.exitCode = EXIT.differs;
          return;
        }
        const equivocations: Proven[] = [];
        for (const each of found)
          equivocations.push(await prove(each, `equivocation/${epoch}/${attempt}`, sender));
        print(options.json, { epoch, attempt, equivocations }, () =>
          equivocations.map((each) => render(epoch, attempt, each)).join("\n"),
        );
        process.exitCode = exitCodeOf(equivocations);
      });
    });
}

/** Undefined for a transaction's hash. */
async function readIfFile(name: string): Promise<ShownReport | undefined> {
  if (isHexOf(name, 32)) return undefined;
  const signed = parseSignedReport(await readFile(name, "utf8"));
  if (isRefused(signed)) throw misuse(`${name} cannot be used: ${signed.message}`);
  return { ...signed, signatures: signed.signatures.map(({ signature }) => signature) };
}

async function readProposal(chain: Chain, hash: string): Promise<ShownReport> {
  const read = await signedReportIn(chain, hash);
  if ("unread" in read) throw new Error(read.unread);
  return read;
}

type Proven = Equivocation & { readonly transaction?: string; readonly notSent?: string };

async function prove(
  found: Equivocation,
  purpose: string,
  sender: Sender | undefined,
): Promise<Proven> {
  if (found.call === undefined || sender === undefined) return found;
  const { to, calldata } = found.call;
  try {
    const call = { to, data: calldata };
    const { hash, outcome } = await sender.send(`${purpose}/${found.member}`, call);
    if (outcome === "mined") return { ...found, transaction: hash };
    return { ...found, transaction: hash, notSent: `${hash} was reverted` };
  } catch (error) {
    // Somebody was faster, or the node is down.
    return { ...found, notSent: reasonOf(error) };
  }
}

function exitCodeOf(equivocations: readonly Proven[]): number {
  if (equivocations.some(({ notSent }) => notSent !== undefined)) return EXIT.unavailable;
  return equivocations.some(({ call }) => call !== undefined) ? EXIT.ok : EXIT.differs;
}

function render(
  epoch: number,
  attempt: number,
  { member, slot, call, refusal, transaction, notSent }: Proven,
): string {
  const what = `member ${checksummed(member)} in slot ${slot} signed both reports of epoch ${epoch}, attempt ${attempt}`;
  if (call === undefined) return `${what}; the contract takes no proof of it: ${refusal}`;
  if (notSent !== undefined) return `${what}; not sent: ${notSent}`;
  return transaction === undefined
    ? `${what} (not sent: give a key)`
    : `${what}: proven, its bond is gone (${transaction})`;
}
