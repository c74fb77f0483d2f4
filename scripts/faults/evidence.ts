import { createHash } from "node:crypto";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { bundleHashOf, parseManifest } from "@link-rewards/core/epoch/manifest";
import {
  type ContributionRecord,
  decodeContributions,
  decodeRewards,
  type RewardLeaf,
} from "@link-rewards/core/epoch/records";
import { Transaction } from "ethers";
import { runOracle } from "../local/oracle-process.ts";
import { auditArgs, claimArgs } from "./commands.ts";
import type { Fault } from "./draw.ts";
import type { Prices } from "./payouts.ts";
import type { Played, Players } from "./play.ts";
import type { Stage } from "./stage.ts";
import type { Acknowledged } from "./traffic.ts";

/** What a member serves of a final epoch. */
export type Served = {
  readonly member: number;
  readonly bundleHash: string;
  /** Of each file. */
  readonly hashes: ReadonlyMap<string, string>;
};

export type FinalEpoch = {
  readonly epoch: number;
  /** As it was proposed. */
  readonly bundleHash: string | undefined;
  readonly served: readonly Served[];
  /** Who does not serve it, and why. */
  readonly unserved: readonly { readonly member: number; readonly reason: string }[];
  /** From the first bundle that is the final one. */
  readonly rows: readonly ContributionRecord[];
  readonly rewards: readonly RewardLeaf[];
  /** By each customer, in wei. */
  readonly paid: ReadonlyMap<string, bigint>;
  /** In wei, when it became final. */
  readonly released: { readonly delta: bigint; readonly fee: bigint } | undefined;
};

/** All that a run leaves behind, as members, the chain and those who never ran a member tell it. */
export type Evidence = {
  readonly planned: number;
  readonly lastFinal: number;
  readonly acknowledged: readonly Acknowledged[];
  /** The epoch from which on a member is gone for good. */
  readonly goneFrom: ReadonlyMap<number, number>;
  /** Who closed well in the grace of each epoch. */
  readonly collectors: readonly ReadonlySet<number>[];
  readonly customers: readonly string[];
  readonly prices: Prices;
  readonly epochs: readonly FinalEpoch[];
  /** The epoch of each proposal. */
  readonly proposed: readonly number[];
  readonly vetoed: readonly number[];
  readonly revoked: readonly number[];
  readonly slashed: readonly string[];
  /** Of members' transactions that were mined and did what they should: what was called. */
  readonly done: readonly {
    readonly member: number;
    readonly name: string;
    readonly call: string;
  }[];
  readonly collected: readonly {
    readonly epoch: number;
    readonly customer: string;
    readonly amount: bigint;
  }[];
  readonly audit: Ended | undefined;
  readonly claim: Ended | undefined;
  /** What each account has after the claims, in wei. */
  readonly balances: ReadonlyMap<string, bigint>;
  /** In the distributor, in wei. */
  readonly left: bigint;
};

type Ended = { readonly code: number | null; readonly last: string };

/** Also has everybody claim what is his. */
export async function gatherEvidence(
  { plan, stage, traffic, mischief }: Players,
  { collectors }: Played,
): Promise<Evidence> {
  const { world } = stage;
  const { suite, parameters } = world.devnet;
  const { ledger, quorum, escrow } = suite;
  const lastFinal = Number((await ledger.lastFinal()).epoch);
  const goneFrom = new Map(
    [...mischief.struck]
      .filter((fault): fault is Fault & { kind: "gone" } => fault.kind === "gone")
      .map(({ member, epoch }) => [member, epoch]),
  );
  const epochs: FinalEpoch[] = [];
  for (let epoch = 1; epoch <= lastFinal; epoch++) epochs.push(await finalEpoch(stage, epoch));
  const [proposed, vetoed, revoked, slashed, collected] = await Promise.all([
    ledger.queryFilter(ledger.filters.RootProposed()),
    ledger.queryFilter(ledger.filters.RootVetoed()),
    ledger.queryFilter(ledger.filters.RootRevoked()),
    quorum.queryFilter(quorum.filters.MemberSlashed()),
    escrow.queryFilter(escrow.filters.VoucherCollected()),
  ]);
  return {
    planned: plan.epochs,
    lastFinal,
    acknowledged: traffic.acknowledged,
    goneFrom,
    collectors,
    customers: world.customers.map(({ address }) => lowercaseHex(address)),
    prices: parameters,
    epochs,
    proposed: proposed.map(({ args }) => Number(args.epoch)),
    vetoed: vetoed.map(({ args }) => Number(args.epoch)),
    revoked: revoked.map(({ args }) => Number(args.epoch)),
    slashed: slashed.map(({ args }) => args[0]),
    done: await doneBy(stage),
    collected: collected.map(({ args }) => ({
      epoch: Number(args.epoch),
      customer: lowercaseHex(args.customer),
      amount: args.amount,
    })),
    ...(await outsidersWord(stage, epochs)),
  };
}

async function finalEpoch(stage: Stage, epoch: number): Promise<FinalEpoch> {
  const { ledger, escrow } = stage.world.devnet.suite;
  const proposals = await ledger.queryFilter(ledger.filters.RootProposed(epoch));
  const bundleHash = proposals.at(-1)?.args.report.bundleHash;
  const served: Served[] = [];
  const unserved: { member: number; reason: string }[] = [];
  let files: ReadonlyMap<string, Uint8Array> = new Map();
  for (const member of stage.present()) {
    try {
      const bundle = await readBundle(member.url(), epoch);
      const hashes = new Map([...bundle.files].map(([name, bytes]) => [name, sha256(bytes)]));
      served.push({ member: member.index, bundleHash: bundle.bundleHash, hashes });
      if (files.size === 0 && bundle.bundleHash === bundleHash) files = bundle.files;
    } catch (error) {
      unserved.push({ member: member.index, reason: (error as Error).message });
    }
  }
  const rows = decodeContributions(files.get("contributions.bin") ?? new Uint8Array());
  const rewards = decodeRewards(files.get("rewards.bin") ?? new Uint8Array());
  const customers = stage.world.customers.map(({ address }) => lowercaseHex(address));
  const paid = new Map(
    await Promise.all(
      customers.map(async (customer) => [customer, await escrow.paid(customer, epoch)] as const),
    ),
  );
  const [final] = await ledger.queryFilter(ledger.filters.RootFinalized(epoch));
  const released = final && { delta: final.args.delta, fee: final.args.fee };
  return { epoch, bundleHash, served, unserved, rows, rewards, paid, released };
}

async function readBundle(url: string | undefined, epoch: number) {
  if (url === undefined) throw new Error("it does not serve");
  const read = async (file: string) => {
    const response = await fetch(new URL(`/bundles/${epoch}/${file}`, url));
    if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  const bytes = await read("manifest.json");
  const manifest = parseManifest(bytes);
  if (isRefused(manifest)) throw new Error(manifest.message);
  const names = Object.keys(manifest.files).sort();
  const files = new Map(
    await Promise.all(names.map(async (name) => [name, await read(name)] as const)),
  );
  return { bundleHash: bundleHashOf(bytes) as string, files };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

async function doneBy({ world, members }: Stage): Promise<Evidence["done"]> {
  const { provider, suite } = world.devnet;
  const done: Evidence["done"][number][] = [];
  for (const { index, node } of members) {
    const hashes = new Set(node.sent.map((raw) => Transaction.from(raw).hash as string));
    for (const hash of hashes) {
      const receipt = await provider.getTransactionReceipt(hash);
      if (receipt?.status !== 1) continue;
      const call = await provider.getTransaction(hash);
      const data = call?.data ?? "";
      const { escrow, ledger } = suite;
      const name =
        ledger.interface.parseTransaction({ data })?.name ??
        escrow.interface.parseTransaction({ data })?.name ??
        data.slice(0, 10);
      done.push({ member: index, name, call: `${call?.to} ${data}` });
    }
  }
  return done;
}

/** Who is no member audits all epochs, and claims for everybody. */
async function outsidersWord(
  { world, mirror, watcher }: Stage,
  epochs: readonly FinalEpoch[],
): Promise<Pick<Evidence, "audit" | "claim" | "balances" | "left">> {
  const { devnet } = world;
  const { distributor, token } = devnet.suite;
  const place = {
    rpcUrl: devnet.rpcUrl,
    deploymentFile: devnet.deploymentFile,
    keyFile: await devnet.keyFile("bystander", devnet.role("bystander")),
  };
  const run = async (args: readonly string[]): Promise<Ended> => {
    const { code, stderr } = await runOracle(args, watcher);
    return { code, last: stderr.trim().split("\n").at(-1)?.slice(0, 300) ?? "" };
  };
  const accounts = [
    ...new Set(
      epochs.flatMap(({ rewards }) =>
        rewards.filter(({ cumulative }) => cumulative > 0n).map(({ account }) => account),
      ),
    ),
  ];
  const audit = epochs.length === 0 ? undefined : await run(auditArgs(place, mirror.url));
  const claim =
    accounts.length === 0 ? undefined : await run(claimArgs(place, mirror.url, accounts));
  const balances = new Map<string, bigint>();
  for (const account of accounts) balances.set(account, await token.balanceOf(account));
  return { audit, claim, balances, left: await token.balanceOf(distributor) };
}
