import { equalBytes, type Hex, toHex } from "../encoding/bytes.ts";
import { fieldsToJson } from "../encoding/json.ts";
import { isRefused } from "../encoding/refusal.ts";
import { HASH_BYTES } from "../encoding/tree.ts";
import type { PublishedBundle } from "../epoch/bundle.ts";
import { type ComputedEpoch, computeEpoch, type EpochInput } from "../epoch/compute-epoch.ts";
import { type Contributions, type Gathering, gather } from "../epoch/contributions.ts";
import {
  bundleHashOf,
  type DataFile,
  MANIFEST_FIELDS,
  MANIFEST_FILE,
  type Manifest,
  parseManifest,
  reportOf,
} from "../epoch/manifest.ts";
import {
  CONTRIBUTION_BYTES,
  CONTRIBUTION_INPUT_BYTES,
  FENCE_BYTES,
  firstRecords,
  INVOICE_FENCE_BYTES,
  MAX_CONTRIBUTIONS,
  ROW_BYTES,
  recordAt,
  type Table,
} from "../epoch/records.ts";
import { publicKeys } from "../law/law.ts";
import { checkSigners, lawfulAccount } from "../law/verify.ts";
import { registryDomain } from "../signed/deployment.ts";
import { SIGNED_RECEIPT_BYTES, unpackReceipt } from "../signed/receipt.ts";
import { REPORT_FIELDS, type Report } from "../signed/report.ts";
import {
  type Curves,
  recoverSigners,
  SIGNERS_BYTES,
  type Signers,
  signersAt,
} from "../signed/signers.ts";
import { type Case, caseOf, termsOf } from "./case.ts";
import type { Evidence, ProofName } from "./evidence.ts";
import { findUnlawful, type Unlawful } from "./find-unlawful.ts";
import { judgeLawOf } from "./judge-law.ts";
import { type OpenTables, openTables } from "./tables.ts";

/** Where it shows, and what it is. */
type Difference = {
  /** The file of the bundle. */
  readonly file: string;
  /** The number of the first record that differs, counted from 0; absent when it is not about one record. */
  readonly record?: number;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
};

/**
 * A row that the judge convicts. It is in the very table that the report signed, so whoever has this evidence undoes the
 * report with it.
 */
export type UnlawfulRow = Difference & {
  readonly kind: "unlawful";
  readonly table: Table;
  readonly record: number;
  readonly proof: ProofName;
  readonly evidence: Evidence;
};

/**
 * What differs and shows no unlawful row. `copy`: the published table is not the one that the report signed. `report`: the
 * report says what its contributions do not come to, and the table it signed is not here. `derived`: a fence or a tree, out
 * of which nothing is paid. `manifest`: its fields or its spelling. `fault`: the judge and the recomputation do not agree,
 * which is nobody's fraud but a fault of the rules or of this software.
 */
export type OtherDivergence = Difference & {
  readonly kind: "copy" | "report" | "derived" | "manifest" | "fault";
};

export type Divergence = UnlawfulRow | OtherDivergence;

export type CheckInput = Omit<EpochInput, "contributions"> & {
  readonly published: PublishedBundle;
  /** The report the bundle must lead to, its attempt included: the chain's, or the one to be signed. */
  readonly report: Report;
  /** The signers of contributions.bin (signers.ts), when they were recovered elsewhere; else they are here. */
  readonly signers?: Uint8Array;
  readonly curves?: Curves;
  readonly onProgress?: (done: number, total: number) => void;
};

export type CheckOutcome =
  | { readonly agrees: true; readonly computed: ComputedEpoch }
  | { readonly agrees: false; readonly divergence: Divergence; readonly computed?: ComputedEpoch };

/** The tables in the order in which an epoch is computed, and their roots in a report. */
const ROOT_OF = {
  contributions: "contributionRoot",
  invoices: "invoiceRoot",
  rewards: "root",
} as const satisfies Record<Table, keyof Report>;
const TABLES = Object.keys(ROOT_OF) as readonly Table[];

const DERIVED_RECORD_BYTES = {
  "contributions.fence": FENCE_BYTES,
  "contributions.tree": HASH_BYTES,
  "invoices.fence": INVOICE_FENCE_BYTES,
  "invoices.tree": HASH_BYTES,
  "rewards.tree": HASH_BYTES,
} as const satisfies { [file in DataFile]?: number };

/** Records between two looks at the progress; a divergence among the first is found before the rest is worked on. */
const SIGNERS_AT_ONCE = 200;

/**
 * The judge over all rows, and as a second opinion the epoch computed anew from the receipts in the bundle alone: every
 * signature and every sum from scratch.
 */
export function checkBundle(input: CheckInput): CheckOutcome {
  const { law, report, published } = input;
  if (report.contributions > MAX_CONTRIBUTIONS) return differs(tooMany(report));
  const case_ = caseOf(report, law);
  const signersOfRow = signersIn(input);
  const contributions = verifyContributions(input, signersOfRow);
  const computing = isObjection(contributions) ? {} : compute({ ...input, contributions });
  const { computed } = computing;
  const tables = openPublished(case_, input, computed);
  const unlawful = findUnlawful(case_, tables, { law: judgeLawOf(law), signersOfRow });
  if (unlawful !== undefined) return differs(unlawfulRow(unlawful, computed), computed);
  if (isObjection(contributions)) return differs(refusedContribution(contributions, tables));
  if (computed === undefined) throw computing.failure;
  const divergence =
    compareTables(case_, published, tables, computed) ??
    compareDerived(published, computed) ??
    compareManifest(published.manifest, computed.manifest) ??
    compareHash(published.manifest, report) ??
    compareReport(computed, report);
  return divergence === undefined ? { agrees: true, computed } : differs(divergence, computed);
}

/** What can be computed, or why nothing can: what a row says against itself is known all the same. */
function compute(input: EpochInput): { computed?: ComputedEpoch; failure?: unknown } {
  try {
    return { computed: computeEpoch(input) };
  } catch (failure) {
    return { failure };
  }
}

/** A table that is the same as the computed one has its root, and needs no tree of its own. */
function openPublished(
  case_: Case,
  { published, previousRewards }: CheckInput,
  computed: ComputedEpoch | undefined,
): OpenTables {
  const files = Object.fromEntries(
    TABLES.map((table) => [table, published.files.get(`${table}.bin`)]),
  );
  const isComputed = (table: Table) => {
    const [ours, theirs] = [computed?.files.get(`${table}.bin`), files[table]];
    return ours !== undefined && theirs !== undefined && equalBytes(ours, theirs);
  };
  const known = TABLES.filter(isComputed).map((table) => [
    table,
    computed?.manifest[ROOT_OF[table]],
  ]);
  const lastRewards = computed && { lastRewards: computed.manifest.lastFinal.root };
  return openTables(
    case_,
    { ...files, lastRewards: previousRewards },
    { ...Object.fromEntries(known), ...lastRewards },
  );
}

function differs(divergence: Divergence, computed?: ComputedEpoch): CheckOutcome {
  return { agrees: false, divergence, ...(computed && { computed }) };
}

/** What speaks against a contribution, wherever it was counted. */
type ContributionObjection = { readonly record: number; readonly says: string };

function isObjection(value: Contributions | ContributionObjection): value is ContributionObjection {
  return "says" in value;
}

function tooMany({ contributions }: Report): Divergence {
  return {
    kind: "report",
    file: "contributions.bin",
    record: MAX_CONTRIBUTIONS,
    message: `${contributions} contributions are more than ${MAX_CONTRIBUTIONS}`,
  };
}

type SignersOfRow = (row: Uint8Array, position: number) => Signers;

/** Each when it is asked for, a few hundred together, and once. */
function signersIn(input: CheckInput): SignersOfRow {
  const { published, deployment, law, curves, onProgress } = input;
  const file = published.files.get("contributions.bin") ?? new Uint8Array();
  const total = Math.floor(file.length / CONTRIBUTION_BYTES);
  const signers = input.signers ?? new Uint8Array(total * SIGNERS_BYTES);
  let done = input.signers === undefined ? 0 : total;
  const signed = {
    recordBytes: CONTRIBUTION_BYTES,
    domain: registryDomain(deployment),
    publicKeys: publicKeys(law),
  };
  const recoverNext = () => {
    const end = Math.min(total, done + SIGNERS_AT_ONCE);
    const records = file.subarray(done * CONTRIBUTION_BYTES, end * CONTRIBUTION_BYTES);
    signers.set(recoverSigners({ ...signed, records }, curves), done * SIGNERS_BYTES);
    done = end;
    onProgress?.(done, total);
  };
  let last: { readonly position: number; readonly signers: Signers } | undefined;
  return (_, position) => {
    while (done <= position && done < total) recoverNext();
    if (last?.position !== position) last = { position, signers: signersAt(signers, position) };
    return last.signers;
  };
}

function unlawfulRow(
  { proof, table, row, says, evidence }: Unlawful,
  computed: ComputedEpoch | undefined,
): UnlawfulRow {
  const file = `${table}.bin` as const;
  const opening = evidence.openings.find((each) => each.table === table && each.position === row);
  const lawful = recordAt(computed?.files.get(file) ?? new Uint8Array(), ROW_BYTES[table], row);
  const [expected, found] = [toHex(lawful), opening?.row ?? "0x"];
  return {
    kind: "unlawful",
    file,
    table,
    record: row,
    proof,
    evidence,
    message: `record ${row} of the ${table}: ${says} (proof: ${proof})`,
    ...(lawful.length > 0 && expected !== found && { expected, found }),
  };
}

/** Every contribution by what makes a receipt count anywhere else, in the order in which it must stand. */
function verifyContributions(
  input: CheckInput,
  signersOfRow: SignersOfRow,
): Contributions | ContributionObjection {
  const { law, epoch, report } = input;
  const bytes = rowsIn(input.published, "contributions", report.contributions);
  const total = Math.floor(bytes.length / CONTRIBUTION_BYTES);
  const gathering = gather(law, epoch);
  for (let i = 0; i < total; i++) {
    const record = recordAt(bytes, CONTRIBUTION_BYTES, i);
    const says = objectionToContribution(record, signersOfRow(record, i), gathering, input);
    if (says !== undefined) return { record: i, says };
  }
  if (total < report.contributions) return { record: total, says: "the file ends before it" };
  return gathering.inPlace(bytes);
}

/** The judge found nothing against it: either it is not the report's, or one of the two is wrong. */
function refusedContribution(
  { record, says }: ContributionObjection,
  { contributions }: OpenTables,
): Divergence {
  const file = "contributions.bin";
  return contributions === undefined
    ? {
        kind: "copy",
        file,
        record,
        message: `not the table that the report signed: record ${record}: ${says}`,
      }
    : {
        kind: "fault",
        file,
        record,
        message: `the judge finds nothing against record ${record}: ${says}`,
      };
}

/** What is wrong with a record that is the next in its file. */
function objectionToContribution(
  record: Uint8Array,
  signers: Signers,
  gathering: Gathering,
  { law, epoch }: CheckInput,
): string | undefined {
  const receipt = unpackReceipt(record);
  if (receipt.epoch !== epoch) return `the receipt is of epoch ${receipt.epoch}, not ${epoch}`;
  const account = lawfulAccount(receipt, law);
  if (isRefused(account)) return `${account.refusal}: ${account.message}`;
  const key = checkSigners(receipt, law, signers);
  if (isRefused(key)) return `${key.refusal}: ${key.message}`;
  const recorded = toHex(record.subarray(SIGNED_RECEIPT_BYTES, CONTRIBUTION_INPUT_BYTES));
  if (account !== recorded) return `the device belongs to ${account}, the record says ${recorded}`;
  if (!gathering.add(receipt, account))
    return "not in the order of (account index, device, customer), or there twice";
  return undefined;
}

/** A table's rows, as far as a report counts them: what a file has beyond them can be of any length. */
function rowsIn({ files }: PublishedBundle, table: Table, rows: number): Uint8Array {
  const file = files.get(`${table}.bin`) ?? new Uint8Array();
  const rowBytes = ROW_BYTES[table];
  return file.length <= rows * rowBytes ? file : firstRecords(file, rowBytes, rows);
}

function compareTables(
  case_: Case,
  published: PublishedBundle,
  tables: OpenTables,
  computed: ComputedEpoch,
): Divergence | undefined {
  for (const table of TABLES) {
    const divergence = compareTable(table, case_, published, tables, computed);
    if (divergence !== undefined) return divergence;
  }
  return undefined;
}

function compareTable(
  table: Table,
  case_: Case,
  published: PublishedBundle,
  tables: OpenTables,
  computed: ComputedEpoch,
): Divergence | undefined {
  const file = `${table}.bin` as const;
  const { rows, rowBytes } = termsOf(case_, table);
  const [expected, found] = [
    computed.files.get(file) as Uint8Array,
    rowsIn(published, table, rows),
  ];
  const difference = firstDifference(file, expected, found, rowBytes);
  const opened = tables[table];
  if (opened === undefined) {
    const reported = case_[ROOT_OF[table]];
    const lawful = computed.manifest[ROOT_OF[table]];
    if (lawful === reported || tables.contributions === undefined) {
      const where = difference === undefined ? "" : `, from record ${difference.record} on`;
      const message = `not the table that the report signed${where}`;
      return { kind: "copy", file, ...difference, message };
    }
    return {
      kind: "report",
      file,
      message: `${ROOT_OF[table]} of the report is not what its contributions come to, and the table it signed is not here`,
      expected: lawful,
      found: reported,
    };
  }
  if (difference !== undefined) {
    const message = `the judge finds nothing against record ${difference.record}, which is not what the contributions come to`;
    return { kind: "fault", ...difference, message };
  }
  if ((published.files.get(file)?.length ?? 0) === found.length) return undefined;
  return opened.leaves > rows
    ? {
        kind: "report",
        file,
        record: rows,
        message: `more rows stand under ${ROOT_OF[table]} than the ${rows} that the report counts`,
      }
    : { kind: "copy", file, record: rows, message: `more is published than the ${rows} rows` };
}

function compareDerived(
  { files }: PublishedBundle,
  computed: ComputedEpoch,
): Divergence | undefined {
  for (const [name, recordBytes] of Object.entries(DERIVED_RECORD_BYTES)) {
    const file = name as keyof typeof DERIVED_RECORD_BYTES;
    const expected = computed.files.get(file) as Uint8Array;
    const found = files.get(file) ?? new Uint8Array();
    const difference = firstDifference(file, expected, found, recordBytes);
    if (difference !== undefined) return { kind: "derived", ...difference };
  }
  return undefined;
}

function firstDifference(
  file: DataFile,
  expected: Uint8Array,
  found: Uint8Array,
  recordBytes: number,
): (Difference & { readonly record: number }) | undefined {
  if (equalBytes(expected, found)) return undefined;
  const shared = Math.min(expected.length, found.length);
  let byte = 0;
  while (byte < shared && expected[byte] === found[byte]) byte++;
  const record = Math.floor(byte / recordBytes);
  return {
    file,
    record,
    message: `record ${record} of ${file} is not what the contributions come to`,
    expected: toHex(recordAt(expected, recordBytes, record)),
    found: toHex(recordAt(found, recordBytes, record)),
  };
}

function compareManifest(bytes: Uint8Array, expected: Manifest): Divergence | undefined {
  const found = parseManifest(bytes);
  if (isRefused(found)) return { kind: "manifest", file: MANIFEST_FILE, message: found.message };
  const foundJson = fieldsToJson(MANIFEST_FIELDS, found);
  const expectedJson = fieldsToJson(MANIFEST_FIELDS, expected);
  const field = MANIFEST_FIELDS.find(
    ({ name }) => JSON.stringify(expectedJson[name]) !== JSON.stringify(foundJson[name]),
  );
  if (field === undefined) return undefined;
  const { name } = field;
  return {
    kind: "manifest",
    file: MANIFEST_FILE,
    message: `${name} is not what the chain and the contributions come to`,
    expected: JSON.stringify(expectedJson[name]),
    found: JSON.stringify(foundJson[name]),
  };
}

/** The same content in other bytes has another hash: only the canonical spelling counts. */
function compareHash(bytes: Uint8Array, { epoch, bundleHash }: Report): Divergence | undefined {
  const found: Hex = bundleHashOf(bytes);
  if (found === bundleHash) return undefined;
  return {
    kind: "manifest",
    file: MANIFEST_FILE,
    message: `the manifest of epoch ${epoch} is not the one the report names`,
    expected: bundleHash,
    found,
  };
}

/** What a report says otherwise than what was computed from its contributions. */
export function compareReport(
  { manifest, bundleHash }: ComputedEpoch,
  report: Report,
): Divergence | undefined {
  const computed = reportOf(manifest, bundleHash, report.attempt);
  const field = REPORT_FIELDS.find(({ name }) => computed[name] !== report[name]);
  if (field === undefined) return undefined;
  return {
    kind: "report",
    file: MANIFEST_FILE,
    message: `${field.name} of the report is not what the contributions come to`,
    expected: String(computed[field.name]),
    found: String(report[field.name]),
  };
}
