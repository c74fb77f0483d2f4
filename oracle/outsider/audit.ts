import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { rootOver } from "@link-rewards/core/encoding/tree";
import type { PublishedBundle } from "@link-rewards/core/epoch/bundle";
import type { ComputedEpoch } from "@link-rewards/core/epoch/compute-epoch";
import {
  firstRecords,
  REWARD_BYTES,
  ROW_BYTES,
  type Table,
} from "@link-rewards/core/epoch/records";
import { checkBundle, type Divergence } from "@link-rewards/core/judge/divergence";
import { accountsAt, type FinalEpoch, type Law } from "@link-rewards/core/law/law";
import type { Report } from "@link-rewards/core/signed/report";
import { type Chain, sealBlockOf } from "@link-rewards/host/chain/chain";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";
import {
  type BundleSource,
  isBundleUnavailable,
  nativeSha256,
  openBundles,
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
  readonly source: BundleSource;
  readonly onProgress?: (epoch: number, done: number, total: number) => void;
  /** Told why, where only the slow signature check runs. */
  readonly onSlow?: ((reason: string) => void) | undefined;
};

/** The chain's history as it is now, and where the bundles are. */
export async function auditInput(
  chain: Chain,
  bundles: string,
  {
    snapshots,
    ...listener
  }: Pick<AuditInput, "onProgress" | "onSlow"> & {
    readonly snapshots?: LawSnapshots | undefined;
  } = {},
): Promise<AuditInput> {
  const law = await createLawReader(chain, snapshots).read();
  return { chain, law, source: openBundles(bundles), ...listener };
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
  const unavailable = (message: string): Audited => ({
    ...facts,
    verdict: "unavailable",
    message,
    rewards: undefined,
  });
  if (previousRewards === undefined) {
    return unavailable(`no rewards.bin that leads to the final root of epoch ${epoch - 1}`);
  }
  const sealBlock = await sealBlockOf(input.chain, epoch);
  if (sealBlock === undefined)
    return unavailable(`the seal time of epoch ${epoch} is not final yet`);
  try {
    const published = await input.source.bundle(epoch);
    const { deployment } = input.chain;
    const { reason } = loadSecp256k1();
    if (reason !== undefined) input.onSlow?.(reason);
    const [signers, second] = await Promise.all([
      recoverContributions(deployment, input.law, published, (done, total) =>
        input.onProgress?.(epoch, done, total),
      ),
      secondRoots(published, facts),
    ]);
    const outcome = checkBundle({
      signers,
      sha256: nativeSha256,
      deployment,
      law: input.law,
      epoch,
      sealBlock,
      previousRewards,
      published,
      report,
    });
    const rewards = firstWithRoot(facts, [
      outcome.computed?.files.get("rewards.bin"),
      published.files.get("rewards.bin"),
    ]);
    const divergence = outcome.agrees ? compareRoots(second, roots) : outcome.divergence;
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
  } catch (error) {
    if (isBundleUnavailable(error)) return unavailable(error.message);
    // Such as a history that a corrupt quorum made final and on which nothing can be built: an epoch after it that
    // cannot be computed must not keep the verdicts on the others back.
    return unavailable(`it cannot be computed: ${(error as Error).message}`);
  }
}

/** A final epoch's rewards.bin, if what is published leads to its root. */
export async function rewardsOf(
  { law, source }: AuditInput,
  epoch: number,
): Promise<Uint8Array | undefined> {
  const final: FinalEpoch | undefined = law.finals.get(epoch);
  if (final === undefined) return undefined;
  if (final.leaves === 0) return new Uint8Array();
  try {
    return firstWithRoot(final, [await source.read(epoch, "rewards.bin")]);
  } catch (error) {
    if (isBundleUnavailable(error)) return undefined;
    throw error;
  }
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
