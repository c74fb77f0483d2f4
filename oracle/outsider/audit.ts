import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { rootOver } from "@link-rewards/core/encoding/tree";
import type { PublishedBundle } from "@link-rewards/core/epoch/bundle";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import type { DataFile } from "@link-rewards/core/epoch/manifest";
import {
  CONTRIBUTION_BYTES,
  firstRecords,
  REWARD_BYTES,
  ROW_BYTES,
  type Table,
} from "@link-rewards/core/epoch/records";
import { checkBundle, compareReport, type Divergence } from "@link-rewards/core/judge/divergence";
import type { BlockMark } from "@link-rewards/core/law/block";
import { accountsAt, type FinalEpoch, type Law } from "@link-rewards/core/law/law";
import type { Report } from "@link-rewards/core/signed/report";
import { type Chain, sealBlockOf } from "@link-rewards/host/chain/chain";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import {
  type BundleSource,
  isBundleUnavailable,
  nativeSha256,
  openBundles,
  signedBundle,
} from "../edge/bundles.ts";
import type { LawSnapshots } from "../edge/law-snapshots.ts";
import { recoverContributions } from "../edge/recover-pool.ts";
import { secondRoot } from "../edge/second-tree.ts";
import { createLawReader } from "./read-law.ts";

/** What an outsider finds about one epoch, with an RPC node and the public files alone. */
export type EpochVerdict = {
  readonly epoch: number;
  readonly verdict: "agrees" | "differs" | "unavailable";
  /** The first thing that differs, in the order in which an epoch is computed. */
  readonly divergence?: Divergence;
  /** What is missing when the verdict is "unavailable". */
  readonly message?: string;
  /** There are copies, and they are not what was signed: says nothing about the report. Another mirror may have a good one. */
  readonly isDamaged?: true;
  readonly contributions: number;
  readonly leaves: number;
  readonly value?: bigint;
  readonly counted?: bigint;
  /** What its accounts earned, and the members' share; in wei. */
  readonly delta?: bigint;
  readonly fee?: bigint;
  readonly root: Hex;
  readonly contributionRoot: Hex;
  readonly invoiceRoot: Hex;
  readonly bundleHash: Hex;
};

export type Audited = EpochVerdict & {
  /** The rewards.bin that leads to the chain's root: what the next epoch builds on. */
  readonly rewards: Uint8Array | undefined;
  readonly computed?: ComputedEpoch;
};

export type AuditInput = {
  readonly chain: Chain;
  readonly law: Law;
  /** Asked in their order: the next where one has no copy, or a bad one. */
  readonly mirrors: readonly BundleSource[];
  readonly onProgress?: (epoch: number, done: number, total: number) => void;
  /** Told why, where only the slow signature check runs. */
  readonly onSlow?: ((reason: string) => void) | undefined;
};

/** The chain's history as it is now, and where the bundles are. */
export async function auditInput(
  chain: Chain,
  bundles: readonly string[],
  {
    snapshots,
    ...listener
  }: Pick<AuditInput, "onProgress" | "onSlow"> & {
    readonly snapshots?: LawSnapshots | undefined;
  } = {},
): Promise<AuditInput> {
  const law = await createLawReader(chain, snapshots).read();
  return { chain, law, mirrors: bundles.map(openBundles), ...listener };
}

/**
 * Audits final epochs in their order. One bad or missing file condemns its own epoch only: the next one is checked
 * against whatever leads to the root that the chain has.
 */
export async function* auditEpochs(
  input: AuditInput,
  epochs: readonly number[],
): AsyncIterable<EpochVerdict> {
  let last: { epoch: number; rewards: Uint8Array | undefined } | undefined;
  for (const epoch of epochs) {
    const final = input.law.finals.get(epoch);
    if (final?.proposal === undefined) throw new RangeError(`epoch ${epoch} is not final`);
    const known = last?.epoch === epoch - 1 ? last.rewards : undefined;
    const previous = known ?? (await rewardsOf(input, epoch - 1));
    const {
      rewards,
      computed: _,
      ...verdict
    } = await auditReport(input, final.proposal.report, previous);
    last = { epoch, rewards };
    yield verdict;
  }
}

/** Checks one report, final or pending, against its bundle. */
export async function auditReport(
  input: AuditInput,
  report: Report,
  previousRewards: Uint8Array | undefined,
): Promise<Audited> {
  const { epoch, contributions, root, contributionRoot, invoiceRoot, bundleHash } = report;
  const leaves = accountsAt(input.law, epoch);
  const roots = { root, contributionRoot, invoiceRoot };
  const facts = { epoch, contributions, leaves, ...roots, bundleHash };
  const unavailable = (message: string, isDamaged = false): Audited => ({
    ...facts,
    verdict: "unavailable",
    message,
    ...(isDamaged && { isDamaged }),
    rewards: undefined,
  });
  if (previousRewards === undefined) {
    return unavailable(`no rewards.bin that leads to the final root of epoch ${epoch - 1}`);
  }
  const sealBlock = await sealBlockOf(input.chain, epoch);
  if (sealBlock === undefined)
    return unavailable(`the seal time of epoch ${epoch} is not final yet`);
  const { deployment } = input.chain;
  const { reason } = loadSecp256k1();
  if (reason !== undefined) input.onSlow?.(reason);

  /** `isSigned`: what is published is what the report names, so whatever is wrong with it is the report's fault. */
  async function check(published: PublishedBundle, isSigned: boolean): Promise<Audited> {
    const [signers, second] = await Promise.all([
      recoverContributions(deployment, input.law, published, (done, total) =>
        input.onProgress?.(epoch, done, total),
      ),
      isSigned ? secondRoots(published, facts) : undefined,
    ]);
    const outcome = checkBundle({
      signers,
      sha256: nativeSha256,
      deployment,
      law: input.law,
      epoch,
      sealBlock: sealBlock as BlockMark,
      previousRewards: previousRewards as Uint8Array,
      published,
      report,
    });
    const rewards = firstWithRoot(facts, [
      outcome.computed?.files.get("rewards.bin"),
      published.files.get("rewards.bin"),
    ]);
    const found = outcome.agrees ? undefined : outcome.divergence;
    const ofCopy = () => outcome.computed && compareReport(outcome.computed, report);
    const divergence =
      second === undefined
        ? found && OF_COPY.has(found.kind)
          ? ofCopy()
          : found
        : (found ?? compareRoots(second, roots));
    const { value, counted, delta, fee } = outcome.computed?.manifest ?? {};
    return {
      ...facts,
      verdict: divergence === undefined ? "agrees" : "differs",
      ...(divergence && { divergence }),
      ...(value !== undefined && { value }),
      ...(counted !== undefined && { counted }),
      ...(delta !== undefined && { delta }),
      ...(fee !== undefined && { fee }),
      ...(outcome.computed && { computed: outcome.computed }),
      rewards,
    };
  }

  try {
    return await check(await signedBundle(input.mirrors, report), true);
  } catch (error) {
    if (!isBundleUnavailable(error)) return unavailable(cannotBeComputed(error));
    const { message, isDamaged } = error;
    // Not what was signed, but out of the report's own contributions it can still show what it should have said.
    const published = await contributionsFrom(input.mirrors, report);
    if (published === undefined) return unavailable(message, isDamaged);
    try {
      const checked = await check(published, false);
      if (checked.verdict === "differs") return checked;
      // The next epoch is checked all the same.
      return { ...unavailable(message, true), rewards: checked.rewards };
    } catch (failure) {
      return unavailable(cannotBeComputed(failure));
    }
  }
}

/** Such as a history that a corrupt quorum made final and on which nothing can be built: others' verdicts go on. */
function cannotBeComputed(error: unknown): string {
  return `it cannot be computed: ${(error as Error).message}`;
}

/** What can be wrong with a copy alone. */
const OF_COPY: ReadonlySet<Divergence["kind"]> = new Set(["copy", "derived", "manifest"]);

/** The tables from the first mirror whose contributions lead to the report's root, whatever else it has. */
async function contributionsFrom(
  mirrors: readonly BundleSource[],
  { epoch, contributions, contributionRoot }: Report,
): Promise<PublishedBundle | undefined> {
  // Nothing to tell the report by.
  if (contributions === 0) return undefined;
  for (const source of mirrors) {
    const rows = await readFrom(
      source,
      epoch,
      "contributions.bin",
      contributions * CONTRIBUTION_BYTES,
    );
    if (rows?.length !== contributions * CONTRIBUTION_BYTES) continue;
    if (toHex(rootOver(rows, CONTRIBUTION_BYTES)) !== contributionRoot) continue;
    const files = new Map<DataFile, Uint8Array>([["contributions.bin", rows]]);
    for (const file of ["invoices.bin", "rewards.bin"] as const) {
      const bytes = await readFrom(source, epoch, file);
      if (bytes !== undefined) files.set(file, bytes);
    }
    return { manifest: new Uint8Array(), files };
  }
  return undefined;
}

/** Undefined where the mirror does not have it. */
export async function readFrom(
  source: BundleSource,
  epoch: number,
  file: string,
  limit?: number,
): Promise<Uint8Array | undefined> {
  try {
    return await source.read(epoch, file, limit);
  } catch (error) {
    if (isBundleUnavailable(error)) return undefined;
    throw error;
  }
}

/** A final epoch's rewards.bin, if what is published leads to its root. */
export async function rewardsOf(
  { law, mirrors }: Pick<AuditInput, "law" | "mirrors">,
  epoch: number,
): Promise<Uint8Array | undefined> {
  const final: FinalEpoch | undefined = law.finals.get(epoch);
  if (final === undefined) return undefined;
  if (final.leaves === 0) return new Uint8Array();
  for (const source of mirrors) {
    const rewards = firstWithRoot(final, [await readFrom(source, epoch, "rewards.bin")]);
    if (rewards !== undefined) return rewards;
  }
  return undefined;
}

function firstWithRoot(
  { root, leaves }: Pick<FinalEpoch, "root" | "leaves">,
  candidates: readonly (Uint8Array | undefined)[],
): Uint8Array | undefined {
  return candidates
    .map((file) => file && firstRecords(file, REWARD_BYTES, leaves))
    .find(
      (rewards) =>
        rewards !== undefined &&
        rewards.length % REWARD_BYTES === 0 &&
        toHex(rootOver(rewards, REWARD_BYTES)) === root,
    );
}

/** Each table's root in a report. */
const ROOT_OF = {
  contributions: "contributionRoot",
  invoices: "invoiceRoot",
  rewards: "root",
} as const satisfies Record<Table, keyof Report>;
const TABLES = Object.keys(ROOT_OF) as readonly Table[];

type Roots = Pick<Report, (typeof ROOT_OF)[Table]>;

/** The roots of published files, by a tree builder that shares no code with ours. */
export async function secondRoots(
  { files }: PublishedBundle,
  { leaves, contributions }: Pick<EpochVerdict, "leaves" | "contributions">,
): Promise<Roots> {
  const rootOf = async (table: Table) => {
    const file = files.get(`${table}.bin`) ?? new Uint8Array();
    const count = table === "rewards" ? leaves : contributions;
    const rows = firstRecords(file, ROW_BYTES[table], count);
    return [ROOT_OF[table], await secondRoot(rows, ROW_BYTES[table])] as const;
  };
  return Object.fromEntries(await Promise.all(TABLES.map(rootOf))) as Roots;
}

export function compareRoots(second: Roots, report: Roots): Divergence | undefined {
  const table = TABLES.find((name) => second[ROOT_OF[name]] !== report[ROOT_OF[name]]);
  if (table === undefined) return undefined;
  const file = `${table}.bin`;
  return {
    kind: "fault",
    file,
    message: `merkletreejs builds another root over ${file} than the report has, and than our tree builder`,
    expected: report[ROOT_OF[table]],
    found: second[ROOT_OF[table]],
  };
}
