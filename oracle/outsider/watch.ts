import { type Address, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { bundleHashOf, MANIFEST_FILE } from "@link-rewards/core/epoch/manifest";
import { CONTRIBUTION_BYTES, firstRecords, type Table } from "@link-rewards/core/epoch/records";
import type { DemandNode } from "@link-rewards/core/judge/answer";
import { type Case, caseOf, termsOf } from "@link-rewards/core/judge/case";
import type { Evidence, JudgedTable, ProofName } from "@link-rewards/core/judge/evidence";
import { findUnlawful } from "@link-rewards/core/judge/find-unlawful";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import type { JudgeContext } from "@link-rewards/core/judge/objections";
import { type OpenTables, openTable } from "@link-rewards/core/judge/tables";
import { publicKeys } from "@link-rewards/core/law/law";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import type { Report } from "@link-rewards/core/signed/report";
import { recoverSigners, type Signers, signersAt } from "@link-rewards/core/signed/signers";
import { walk } from "@link-rewards/core/walk/walk";
import type { Chain } from "@link-rewards/host/chain/chain";
import { loadCurves } from "@link-rewards/host/curves";
import type { BundleSource } from "../edge/bundles.ts";
import {
  type DemandHistory,
  nameOf,
  type OpenReport,
  openDemands,
  type WaitingDemand,
  waitingIn,
} from "../edge/demands.ts";
import type { LawSnapshots } from "../edge/law-snapshots.ts";
import { recoverInPool } from "../edge/recover-pool.ts";
import { type Audited, type AuditInput, auditReport, readFrom, rewardsOf } from "./audit.ts";
import { createIdeas } from "./idea.ts";
import { createLawReader } from "./read-law.ts";

/** A row that the ledger convicts for, and what to show it. */
export type Convicting = {
  readonly table: Table;
  readonly row: number;
  readonly proof: ProofName;
  readonly evidence: Evidence;
};

/** What a watcher finds about a report that is pending, or was vetoed and is still open. */
export type Watched = {
  readonly open: OpenReport;
  readonly verdict: Audited;
  /** Absent when it agrees, and when nothing that is public shows an unlawful row. */
  readonly unlawful?: Convicting;
  /** What has to be shown to know more, and was not demanded yet. */
  readonly wanted: readonly DemandNode[];
  /** What was demanded, by whomever, and waits for its answer. */
  readonly waiting: readonly WaitingDemand[];
  /** What is known of a report that does not agree and of which no unlawful row was seen. */
  readonly search?: {
    /** `lawful`: its tables are what the rules make of its receipts, whatever is wrong with what is published beside them. */
    readonly kind: "asks" | "lawful" | "stuck";
    readonly message: string;
  };
};

/** `law` and the reports are as of the same look at the chain. */
export type Look = {
  readonly law: AuditInput["law"];
  /** The chain's time, in unix seconds. */
  readonly now: number;
  readonly reports: readonly Watched[];
};

export type Watcher = { look(): Promise<Look> };

/** Tables and signers of one report, as far as they are public: read and recovered once. */
type Opened = { tables: OpenTables; signers: Uint8Array | undefined; tried: Set<string> };

/**
 * Verifies every open report from scratch, out of all mirrors together. Needs no key. What was found to agree is not
 * verified again.
 */
export function createWatcher(
  chain: Chain,
  mirrors: readonly BundleSource[],
  {
    own,
    snapshots,
    ...listener
  }: {
    /** Whose demands are this watcher's own, so that it gives up in the end. */
    readonly own?: Address | undefined;
    /** Where it goes on from after a start. */
    readonly snapshots?: LawSnapshots | undefined;
  } & Pick<AuditInput, "onProgress" | "onSlow"> = {},
): Watcher {
  const reader = openDemands(chain);
  const laws = createLawReader(chain, snapshots);
  const ideas = createIdeas(mirrors);
  const settled = new Map<Hex, Audited>();
  const opened = new Map<Hex, Opened>();

  async function inspect(input: AuditInput, open: OpenReport): Promise<Watched> {
    const { report, digest } = open;
    const history = await reader.history(open);
    const waiting = waitingIn(open, history);
    const known = settled.get(digest);
    if (known?.verdict === "agrees") return { open, verdict: known, waiting, wanted: [] };
    const previousRewards = await rewardsOf(input, report.epoch - 1);
    const verdict = known ?? (await auditReport(input, report, previousRewards));
    if (verdict.verdict !== "unavailable") settled.set(digest, slim(verdict));
    const found = { open, verdict, waiting, wanted: [] };
    if (verdict.verdict === "agrees") return found;
    if (verdict.divergence?.kind === "unlawful") {
      const { table, record: row, proof, evidence } = verdict.divergence;
      return { ...found, unlawful: { table, row, proof, evidence } };
    }
    return { ...found, ...(await search(input, open, history, previousRewards)) };
  }

  /** Without the bundle, or with one that is not the report's: by what is public of its tables, and by demands. */
  async function search(
    input: AuditInput,
    open: OpenReport,
    history: DemandHistory,
    previousRewards: Uint8Array | undefined,
  ): Promise<Pick<Watched, "search" | "unlawful"> & Partial<Pick<Watched, "wanted">>> {
    const { report, digest } = open;
    const { law } = input;
    const stuck = (message: string) => ({ search: { kind: "stuck", message } as const });
    const lawful = (message: string) => ({ search: { kind: "lawful", message } as const });
    let case_: Case;
    try {
      case_ = caseOf(report, law);
    } catch (error) {
      return stuck((error as Error).message);
    }
    const state = opened.get(digest) ?? { tables: {}, signers: undefined, tried: new Set() };
    opened.set(digest, state);
    await openMore(input, mirrors, case_, state, previousRewards);
    const signersOfRow = signersIn(input, state);
    const { tables } = state;
    const unlawful = findUnlawful(case_, tables, { law: judgeLawOf(law), signersOfRow });
    if (unlawful !== undefined) return { unlawful };
    if (previousRewards === undefined)
      return stuck(`no mirror has the rewards.bin of epoch ${report.epoch - 1}, which is final`);
    if (tables.contributions && tables.invoices && tables.rewards)
      return lawful("its tables are public, and the ledger convicts no row of them");
    const idea = await ideas.of(input, report.epoch, previousRewards);
    if (idea === undefined)
      return stuck(
        `no mirror has a lawful bundle of epoch ${report.epoch}, from which to see what is hidden: name more with --bundles`,
      );
    const step = walk({
      case_,
      law,
      signersOfRow,
      contributions: idea.contributions,
      previousRewards,
      tables,
      shown: history,
      made: history.demanded.filter(({ by }) => by === own).length,
    });
    switch (step.kind) {
      case "convicted":
        return { unlawful: { ...placeOf(step.evidence), evidence: step.evidence } };
      case "demand": {
        const demanded = new Set(history.demanded.map(({ node }) => nameOf(node)));
        const wanted = step.nodes.filter((node) => !demanded.has(nameOf(node)));
        const message = `${step.nodes.length} rows or pages of what is hidden must be shown`;
        return { wanted, search: { kind: "asks", message } };
      }
      case "consistent": {
        const { length } = step.missing;
        const lacks = length === 0 ? "" : `; it lacks ${length} receipts that a mirror has`;
        return lawful(`its tables are what the rules make of its receipts${lacks}`);
      }
      case "open":
        return stuck(step.why);
    }
  }

  return {
    async look() {
      const input = { chain, law: await laws.read(), mirrors, ...listener };
      const { timestamp } = await chain.head();
      const reports: Watched[] = [];
      for (const open of await reader.open(input.law)) reports.push(await inspect(input, open));
      const digests = new Set(reports.map(({ open }) => open.digest));
      for (const known of [settled, opened])
        for (const digest of known.keys()) if (!digests.has(digest)) known.delete(digest);
      return { law: input.law, now: timestamp, reports };
    },
  };
}

/** Without what only the next epoch needs, which is large. */
function slim({ computed: _, ...verdict }: Audited): Audited {
  return { ...verdict, rewards: undefined };
}

/** The first that has the report's own manifest. */
export async function mirrorOf(
  mirrors: readonly BundleSource[],
  { epoch, bundleHash }: Pick<Report, "epoch" | "bundleHash">,
): Promise<BundleSource | undefined> {
  for (const source of mirrors)
    if ((await source.named(epoch, bundleHash)) !== undefined) return source;
  return undefined;
}

const TABLES = ["contributions", "invoices", "rewards"] as const satisfies readonly Table[];

/** Opens what leads to the report's roots, wherever it is. A file that does not is not read again. */
async function openMore(
  { chain: { deployment }, law }: AuditInput,
  mirrors: readonly BundleSource[],
  case_: Case,
  state: Opened,
  lastRewards: Uint8Array | undefined,
): Promise<void> {
  const open = (table: JudgedTable, file: Uint8Array) => {
    const opened = openTable(file, termsOf(case_, table));
    if (opened !== undefined) state.tables = { ...state.tables, [table]: opened };
    return opened !== undefined;
  };
  if (state.tables.lastRewards === undefined && lastRewards) open("lastRewards", lastRewards);
  const hidden = () => TABLES.filter((table) => state.tables[table] === undefined);
  for (const table of hidden()) if (termsOf(case_, table).rows === 0) open(table, new Uint8Array());
  for (const source of hidden().length === 0 ? [] : mirrors) {
    const manifest = await readFrom(source, case_.epoch, MANIFEST_FILE);
    for (const table of hidden()) {
      const name = `${source.location} ${manifest && bundleHashOf(manifest)} ${table}`;
      if (state.tried.has(name)) continue;
      const file = await readFrom(source, case_.epoch, `${table}.bin`);
      if (file === undefined) continue;
      // Files without a manifest are still to come, or are no copy of one bundle.
      if (manifest !== undefined) state.tried.add(name);
      if (!open(table, file) || table !== "contributions") continue;
      state.signers = await recoverInPool({
        records: firstRecords(file, CONTRIBUTION_BYTES, case_.contributions),
        recordBytes: CONTRIBUTION_BYTES,
        domain: registryDomain(deployment),
        publicKeys: publicKeys(law),
      });
    }
  }
}

/** Of a public table they are there; of a row that was shown they are recovered now. */
function signersIn(
  { chain: { deployment }, law }: AuditInput,
  { signers }: Opened,
): JudgeContext["signersOfRow"] {
  if (signers !== undefined) return (_, position) => signersAt(signers, position);
  const known = new Map<Hex, Signers>();
  const signed = {
    recordBytes: CONTRIBUTION_BYTES,
    domain: registryDomain(deployment),
    publicKeys: publicKeys(law),
  };
  return (records) => {
    const row = toHex(records);
    const found =
      known.get(row) ?? signersAt(recoverSigners({ ...signed, records }, loadCurves()), 0);
    known.set(row, found);
    return found;
  };
}

/** The row that evidence is about: of neighbours the later one. */
function placeOf({ proof, openings }: Evidence): Pick<Convicting, "table" | "row" | "proof"> {
  const isOrder = proof.endsWith("-order");
  const opening = isOrder ? openings.at(-1) : openings[0];
  if (opening === undefined) throw new Error(`evidence for ${proof} shows nothing`);
  return { table: opening.table as Table, row: opening.position, proof };
}
