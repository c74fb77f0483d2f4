import { createHash } from "node:crypto";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { bundleHashOf, parseManifest } from "@link-rewards/core/epoch/manifest";
import { decodeContributions, decodeRewards } from "@link-rewards/core/epoch/records";
import { Transaction } from "ethers";
import { runOracle } from "../local/oracle-process.ts";
import { auditArgs, claimArgs } from "./commands.ts";
import type { Fault } from "./draw.ts";
import { payoutsOf } from "./payouts.ts";
import type { Played, Players } from "./play.ts";
import type { Stage } from "./stage.ts";
import { name } from "./words.ts";

/** What must hold when all is over; each that does not, in a sentence. */
export async function brokenInvariants(
  { plan, stage, traffic, mischief }: Players,
  played: Played,
): Promise<readonly string[]> {
  const { suite } = stage.world.devnet;
  const last = Number((await suite.ledger.lastFinal()).epoch);
  const broken: string[] = [];
  const goneFrom = (member: number) => {
    const gone = [...mischief.struck].find(
      (fault: Fault) => fault.kind === "gone" && fault.member === member,
    );
    return gone?.epoch ?? Number.POSITIVE_INFINITY;
  };
  const epochs: Epoch[] = [];
  for (let epoch = 1; epoch <= last; epoch++) {
    const { served, problems } = await readServed(stage, epoch);
    broken.push(...problems);
    if (served !== undefined) epochs.push(served);
  }

  for (const { epoch, rows } of epochs) {
    for (const word of traffic.acknowledged) {
      if (word.epoch !== epoch || !("receipt" in word) || goneFrom(word.member) <= epoch) continue;
      const { device, customer, sequence } = word.receipt;
      const counts = rows.find(
        ({ receipt }) => receipt.device === device && receipt.customer === customer,
      );
      if (counts !== undefined && counts.receipt.sequence >= sequence) continue;
      const instead = counts === undefined ? "nothing" : `sequence ${counts.receipt.sequence}`;
      broken.push(
        `epoch ${epoch}: ${name(word.member)} acknowledged sequence ${sequence} of ${device} for ${customer}, the final bundle has ${instead}`,
      );
    }
  }
  broken.push(...(await brokenProposals(stage)));
  broken.push(...(await brokenTransactions(stage)));
  broken.push(...(await brokenVouchers(stage, traffic.acknowledged, played, last)));
  broken.push(...(await brokenPayouts(stage, epochs)));
  if (last < plan.epochs && played.broken.length === 0)
    broken.push(`only ${last} of ${plan.epochs} epochs are final`);
  return [...new Set(broken)];
}

type Epoch = {
  readonly epoch: number;
  readonly rows: ReturnType<typeof decodeContributions>;
  readonly rewards: ReturnType<typeof decodeRewards>;
};

/** What the members serve of a final epoch: the same bytes, of which the chain has the hash. */
async function readServed(stage: Stage, epoch: number) {
  const { ledger } = stage.world.devnet.suite;
  const problems: string[] = [];
  const proposals = await ledger.queryFilter(ledger.filters.RootProposed(epoch));
  const bundleHash = proposals.at(-1)?.args.report.bundleHash;
  let first: { readonly member: number; readonly hashes: string } | undefined;
  let served: Epoch | undefined;
  for (const member of stage.present()) {
    const url = member.url();
    const read = async (file: string) => {
      const response = await fetch(new URL(`/bundles/${epoch}/${file}`, url));
      if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    };
    try {
      const bytes = await read("manifest.json");
      if (bundleHashOf(bytes) !== bundleHash) {
        problems.push(
          `epoch ${epoch}: ${name(member.index)} serves bundle ${bundleHashOf(bytes)}, final is ${bundleHash}`,
        );
        continue;
      }
      const manifest = parseManifest(bytes);
      if (isRefused(manifest)) throw new Error(manifest.message);
      const files = Object.keys(manifest.files).sort();
      const contents = new Map(
        await Promise.all(files.map(async (file) => [file, await read(file)] as const)),
      );
      const hashes = files.map((file) => `${file} ${sha256(contents.get(file))}`).join("\n");
      first ??= { member: member.index, hashes };
      if (first.hashes !== hashes)
        problems.push(
          `epoch ${epoch}: ${name(member.index)} serves other bytes than ${name(first.member)}`,
        );
      served ??= {
        epoch,
        rows: decodeContributions(contents.get("contributions.bin") ?? new Uint8Array()),
        rewards: decodeRewards(contents.get("rewards.bin") ?? new Uint8Array()),
      };
    } catch (error) {
      problems.push(
        `epoch ${epoch}: ${name(member.index)} does not serve the final bundle: ${(error as Error).message}`,
      );
    }
  }
  return { served, problems };
}

function sha256(bytes: Uint8Array | undefined): string {
  return createHash("sha256")
    .update(bytes ?? new Uint8Array())
    .digest("hex");
}

/** One for each attempt; none undone, nobody punished. */
async function brokenProposals({ world }: Stage): Promise<readonly string[]> {
  const { ledger, quorum } = world.devnet.suite;
  const [proposed, vetoed, revoked, slashed] = await Promise.all([
    ledger.queryFilter(ledger.filters.RootProposed()),
    ledger.queryFilter(ledger.filters.RootVetoed()),
    ledger.queryFilter(ledger.filters.RootRevoked()),
    quorum.queryFilter(quorum.filters.MemberSlashed()),
  ]);
  const attempts = Map.groupBy(proposed, ({ args }) => `${args.epoch}`);
  return [
    ...[...attempts]
      .filter(([, events]) => events.length > 1)
      .map(([epoch, events]) => `epoch ${epoch} was proposed ${events.length} times`),
    ...vetoed.map(({ args }) => `the report of epoch ${args.epoch} was vetoed`),
    ...revoked.map(({ args }) => `the report of epoch ${args.epoch} was revoked`),
    ...slashed.map(({ args }) => `the bond of ${args[0]} was slashed`),
  ];
}

/** Of all that members sent and the chain has: nothing did the same as another. */
async function brokenTransactions({ world, members }: Stage): Promise<readonly string[]> {
  const { provider, suite } = world.devnet;
  const broken: string[] = [];
  for (const { index, node } of members) {
    const hashes = new Set(node.sent.map((raw) => Transaction.from(raw).hash as string));
    const receipts = await Promise.all(
      [...hashes].map((hash) => provider.getTransactionReceipt(hash)),
    );
    const done = receipts.filter((receipt) => receipt?.status === 1);
    const calls = await Promise.all(
      done.map(async (receipt) => provider.getTransaction(receipt?.hash ?? "")),
    );
    const same = Map.groupBy(calls, (call) => `${call?.to} ${call?.data}`);
    for (const [call, times] of same) {
      const [data = ""] = call.split(" ").slice(1);
      const { escrow, ledger } = suite;
      const what =
        ledger.interface.parseTransaction({ data }) ?? escrow.interface.parseTransaction({ data });
      if (times.length === 1 || what?.name === "abandon") continue;
      broken.push(
        `${name(index)} had the same ${what?.name ?? data.slice(0, 10)} mined ${times.length} times`,
      );
    }
  }
  return broken;
}

/** What was promised and taken in by who collected is paid, once. */
async function brokenVouchers(
  { world }: Stage,
  acknowledged: Players["traffic"]["acknowledged"],
  { collectors }: Played,
  last: number,
): Promise<readonly string[]> {
  const { escrow } = world.devnet.suite;
  const broken: string[] = [];
  const collected = await escrow.queryFilter(escrow.filters.VoucherCollected());
  for (let epoch = 1; epoch <= last; epoch++) {
    for (const customer of world.customers.map(({ address }) => lowercaseHex(address))) {
      const words = acknowledged.filter((word) => word.epoch === epoch && "voucher" in word);
      const own = words.flatMap((word) =>
        "voucher" in word && word.voucher.customer === customer
          ? [{ member: word.member, amount: word.voucher.amount }]
          : [],
      );
      const promised = own.reduce((most, { amount }) => (amount > most ? amount : most), 0n);
      const due = own
        .filter(({ member }) => collectors[epoch - 1]?.has(member))
        .reduce((most, { amount }) => (amount > most ? amount : most), 0n);
      const paid = await escrow.paid(customer, epoch);
      if (paid < due)
        broken.push(
          `epoch ${epoch}: ${customer} promised ${due} wei to who collected, paid are ${paid}`,
        );
      const taken = collected
        .filter(
          ({ args }) => Number(args.epoch) === epoch && lowercaseHex(args.customer) === customer,
        )
        .reduce((sum, { args }) => sum + args.amount, 0n);
      if (taken !== paid || (promised > 0n && paid > promised))
        broken.push(`epoch ${epoch}: ${customer} promised ${promised} wei, ${taken} were taken`);
    }
  }
  return broken;
}

/** What was paid for each epoch is what a second computation says, in the files, on chain and in owners' hands. */
async function brokenPayouts(stage: Stage, epochs: readonly Epoch[]): Promise<readonly string[]> {
  const { world, mirror } = stage;
  const { devnet } = world;
  const { ledger, escrow, distributor, token } = devnet.suite;
  const broken: string[] = [];
  const totals = new Map<string, bigint>();
  for (const { epoch, rows, rewards } of epochs) {
    const customers = [...new Set(rows.map(({ receipt }) => receipt.customer))];
    const paid = new Map(
      await Promise.all(
        customers.map(async (customer) => [customer, await escrow.paid(customer, epoch)] as const),
      ),
    );
    const { byAccount, delta, fee } = payoutsOf(rows, devnet.parameters, paid);
    for (const [account, earned] of byAccount)
      totals.set(account, (totals.get(account) ?? 0n) + earned);
    for (const { account, cumulative } of rewards) {
      const expected = totals.get(account) ?? 0n;
      if (cumulative !== expected)
        broken.push(
          `epoch ${epoch}: ${account} has ${cumulative} wei in the bundle, not ${expected}`,
        );
    }
    const [final] = await ledger.queryFilter(ledger.filters.RootFinalized(epoch));
    if (final?.args.delta !== delta || final.args.fee !== fee)
      broken.push(
        `epoch ${epoch}: released ${final?.args.delta} and ${final?.args.fee} wei of fee, not ${delta} and ${fee}`,
      );
  }
  if (epochs.length === 0) return broken;
  const place = {
    rpcUrl: devnet.rpcUrl,
    deploymentFile: devnet.deploymentFile,
    keyFile: await devnet.keyFile("bystander", devnet.role("bystander")),
  };
  const audit = await runOracle(auditArgs(place, mirror.url), stage.watcher);
  if (audit.code !== 0)
    broken.push(`the audit ended with ${audit.code}: ${lastLine(audit.stderr)}`);
  const accounts = [...totals].filter(([, total]) => total > 0n).map(([account]) => account);
  if (accounts.length === 0) return broken;
  const claim = await runOracle(claimArgs(place, mirror.url, accounts), stage.watcher);
  if (claim.code !== 0)
    broken.push(`the claim ended with ${claim.code}: ${lastLine(claim.stderr)}`);
  for (const account of accounts) {
    const has = await token.balanceOf(account);
    if (has !== totals.get(account))
      broken.push(`${account} has ${has} wei after its claim, earned are ${totals.get(account)}`);
  }
  const left = await token.balanceOf(distributor);
  if (left !== 0n) broken.push(`${left} wei are left in the distributor after all claims`);
  return broken;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
}
