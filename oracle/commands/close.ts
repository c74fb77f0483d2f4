import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { Option } from "@commander-js/extra-typings";
import { openSigner } from "@link-rewards/host/keys";
import { decimals, feeCeilingOption, wholeNumber } from "@link-rewards/host/options";
import { EXIT } from "@link-rewards/host/program";
import { parseEther } from "ethers";
import type { CloseAction, CloseOutcome } from "../member/close.ts";
import { jsonOption, memberCommand } from "./options.ts";
import { print, tokens } from "./print.ts";
import { memberSender } from "./sender.ts";

const DEFAULT_LEASE_SECONDS = 300;
const DEFAULT_LEAST_SHARE_BPS = 5_000;
/** One account with more than half of what an epoch pays out is worth a line in the log. */
const ACCOUNT_SHARE_BPS = 5_000;
/** In LinkToken. About what the gas of one voucher costs on a cheap chain: `--link-price` compares with the real price. */
const DEFAULT_COLLECT_MINIMUM = "0.001";

export function closeCommand() {
  return memberCommand("close")
    .summary("collect what customers owe and take due epochs to their end")
    .description(
      "Run it from cron at any time, any number of times, two at once: it answers what is demanded of reports whose bundle is published here, brings back what customers paid too much where their balance does not cover their vouchers, collects those of the epoch that has ended, many in one transaction, seals and computes the epoch that is due, publishes its bundle, has it signed, proposes it, and finalizes what is ripe. A dry run says what would be done; --execute does it.\n\nExit codes: 0 done or nothing due, 1 an epoch is held and a person must look, 2 failed and may be repeated, 3 usage.",
    )
    .addOption(
      new Option("--sender-key-file <file>", "key that pays the gas; the member's when not given"),
    )
    .addOption(new Option("--execute", "act, instead of saying what would be done").default(false))
    .addOption(new Option("--release", "pass over the guards: a person has looked").default(false))
    .addOption(
      new Option(
        "--least-share-bps <n>",
        "hold when contributions or devices fall below this part of the last epoch's",
      )
        .default(DEFAULT_LEAST_SHARE_BPS)
        .argParser(wholeNumber),
    )
    .addOption(
      new Option(
        "--collect-minimum <LTK>",
        "leave vouchers, and refunds, that would bring less than this",
      )
        .default(parseEther(DEFAULT_COLLECT_MINIMUM), DEFAULT_COLLECT_MINIMUM)
        .argParser(decimals),
    )
    .addOption(
      new Option(
        "--link-price <coins>",
        "what one LTK is worth in the chain's coin: also leave those that bring less than their share of the gas costs",
      ).argParser(decimals),
    )
    .addOption(
      new Option(
        "--peer-patience <seconds>",
        "how long after the seal a peer that does not answer is waited for: it may have receipts that nobody else has (default: half the proposal timeout)",
      ).argParser(wholeNumber),
    )
    .addOption(
      new Option("--lease-seconds <n>", "how long a killed run keeps others from working")
        .default(DEFAULT_LEASE_SECONDS)
        .argParser(wholeNumber),
    )
    .addOption(feeCeilingOption())
    .addOption(jsonOption())
    .action(async (options) => {
      const { withOracle } = await import("../member/open.ts");
      const { close, plan } = await import("../member/close.ts");
      const outcome = await withOracle(options, async (oracle, signer, log) => {
        const collect = { minimum: options.collectMinimum, linkPrice: options.linkPrice };
        if (!options.execute) return plan(oracle, collect);
        const paying = options.senderKeyFile
          ? await openSigner({ keyFile: options.senderKeyFile })
          : signer;
        const sender = memberSender(oracle, paying, { log, maxFee: options.maxFee });
        return close(oracle, {
          sender,
          collect,
          guards: { leastShareBps: options.leastShareBps, accountShareBps: ACCOUNT_SHARE_BPS },
          peerPatience: options.peerPatience,
          release: options.release,
          holder: `${hostname()}:${process.pid}:${randomUUID()}`,
          leaseSeconds: options.leaseSeconds,
        });
      });
      print(options.json, outcome, () => render(outcome));
      process.exitCode = outcome.held === undefined ? EXIT.ok : EXIT.differs;
    });
}

function render({ executed, actions, epoch, waiting, held }: CloseOutcome): string {
  const lines = actions.map((action) => (executed ? "" : "would ") + describe(action));
  if (held !== undefined) lines.push(`epoch ${epoch} is held: ${held}`);
  if (waiting !== undefined)
    lines.push(`${epoch === undefined ? "" : `epoch ${epoch}: `}${waiting}`);
  if (lines.length === 0) lines.push("nothing is due");
  return lines.join("\n");
}

function describe(action: CloseAction): string {
  switch (action.action) {
    case "answer":
      return `answer the demand of ${action.table} ${action.level === 0 ? `row ${action.position}` : `page ${action.level}/${action.position}`} of epoch ${action.epoch}, attempt ${action.attempt}`;
    case "collect":
      return `collect ${tokens(action.amount)} LTK of ${action.customer} for epoch ${action.epoch}`;
    case "refund":
      return `refund ${tokens(action.amount)} LTK that ${action.customer} paid too much for epoch ${action.epoch}`;
    case "leave":
      return `leave the voucher of ${action.customer} for epoch ${action.epoch}: ${action.reason}`;
    case "advance":
      return `advance epoch ${action.epoch} from ${action.from} to ${action.to}`;
    case "abandon":
      return `abandon attempt ${action.attempt} of epoch ${action.epoch}`;
  }
}
