import { equalBytes, type Hex, toHex } from "../encoding/bytes.ts";
import { fieldsToJson } from "../encoding/json.ts";
import { isRefused } from "../encoding/refusal.ts";
import type { Recover } from "../encoding/signature.ts";
import { HASH_BYTES } from "../encoding/tree.ts";
import type { PublishedBundle } from "../epoch/bundle.ts";
import { type ComputedEpoch, computeEpoch, type EpochInput } from "../epoch/compute-epoch.ts";
import { type Contributions, type Gathering, gather } from "../epoch/contributions.ts";
import {
  bundleHashOf,
  type DataFile,
  MANIFEST_FIELDS,
  type Manifest,
  parseManifest,
  reportOf,
} from "../epoch/manifest.ts";
import {
  CONTRIBUTION_BYTES,
  CONTRIBUTION_INPUT_BYTES,
  FENCE_BYTES,
  INVOICE_BYTES,
  INVOICE_FENCE_BYTES,
  MAX_CONTRIBUTIONS,
  REWARD_BYTES,
  recordAt,
  type Table,
} from "../epoch/records.ts";
import { checkSigners, lawfulAccount } from "../law/verify.ts";
import { registryDomain } from "../signed/deployment.ts";
import { SIGNED_RECEIPT_BYTES, unpackReceipt } from "../signed/receipt.ts";
import { REPORT_FIELDS, type Report } from "../signed/report.ts";
import { recoverSigners, SIGNERS_BYTES, type Signers, signersAt } from "../signed/signers.ts";

/** The stages of the check, in their order. The first that disagrees is the divergence. */
export type Stage = "manifest" | Table | "report";

export type Divergence = {
  readonly stage: Stage;
  /** The file of the bundle in which it shows. */
  readonly file: string;
  /** The number of the first record that differs, counted from 0; absent when it is not about one record. */
  readonly record?: number;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
};

export type CheckInput = Omit<EpochInput, "contributions"> & {
  readonly published: PublishedBundle;
  /** The report the bundle must lead to, its attempt included: the chain's, or the one to be signed. */
  readonly report: Report;
  /** The signers of contributions.bin (signers.ts), when they were recovered elsewhere; else they are here. */
  readonly signers?: Uint8Array;
  readonly recover?: Recover;
  readonly onProgress?: (done: number, total: number) => void;
};

export type CheckOutcome =
  | { readonly agrees: true; readonly computed: ComputedEpoch }
  | { readonly agrees: false; readonly divergence: Divergence; readonly computed?: ComputedEpoch };

const RECORD_BYTES: Record<DataFile, number> = {
  "contributions.bin": CONTRIBUTION_BYTES,
  "contributions.fence": FENCE_BYTES,
  "contributions.tree": HASH_BYTES,
  "invoices.bin": INVOICE_BYTES,
  "invoices.fence": INVOICE_FENCE_BYTES,
  "invoices.tree": HASH_BYTES,
  "rewards.bin": REWARD_BYTES,
  "rewards.tree": HASH_BYTES,
};

/** Records between two looks at the progress; a divergence among the first is found before the rest is worked on. */
const SIGNERS_AT_ONCE = 200;

/** Every signature and every sum from scratch: the epoch is computed anew from the receipts in the bundle alone. */
export function checkBundle(input: CheckInput): CheckOutcome {
  const manifest = parseManifest(input.published.manifest);
  if (isRefused(manifest)) {
    return differs({ stage: "manifest", file: "manifest.json", message: manifest.message });
  }
  const contributions = checkContributions(input);
  if (isDivergence(contributions)) return differs(contributions);
  const computed = computeEpoch({ ...input, contributions });
  const divergence =
    compareFiles(input.published, computed) ??
    compareManifest(manifest, computed.manifest) ??
    compareHash(input.published.manifest, manifest, input.report) ??
    compareReport(
      reportOf(computed.manifest, computed.bundleHash, input.report.attempt),
      input.report,
    );
  return divergence === undefined
    ? { agrees: true, computed }
    : { ...differs(divergence), computed };
}

function differs(divergence: Divergence): CheckOutcome & { agrees: false } {
  return { agrees: false, divergence };
}

function isDivergence(value: Contributions | Divergence): value is Divergence {
  return "stage" in value;
}

function checkContributions(input: CheckInput): Contributions | Divergence {
  const file = "contributions.bin";
  const bytes = input.published.files.get(file) ?? new Uint8Array();
  const at = (record: number, message: string): Divergence => ({
    stage: "contributions",
    file,
    record,
    message: `record ${record}: ${message}`,
  });
  const total = Math.floor(bytes.length / CONTRIBUTION_BYTES);
  if (total * CONTRIBUTION_BYTES !== bytes.length) return at(total, "the last record is cut off");
  if (total > MAX_CONTRIBUTIONS)
    return at(MAX_CONTRIBUTIONS, `${total} contributions are more than ${MAX_CONTRIBUTIONS}`);
  const gathering = gather(input.law, input.epoch);
  const domain = registryDomain(input.deployment);
  const recordBytes = CONTRIBUTION_BYTES;
  for (let first = 0; first < total; first += SIGNERS_AT_ONCE) {
    const last = Math.min(total, first + SIGNERS_AT_ONCE);
    const records = bytes.subarray(first * CONTRIBUTION_BYTES, last * CONTRIBUTION_BYTES);
    const signers =
      input.signers?.subarray(first * SIGNERS_BYTES, last * SIGNERS_BYTES) ??
      recoverSigners({ records, recordBytes, domain }, input.recover);
    for (let i = 0; first + i < last; i++) {
      const record = recordAt(records, CONTRIBUTION_BYTES, i);
      const objection = checkContribution(record, signersAt(signers, i), gathering, input);
      if (objection !== undefined) return at(first + i, objection);
    }
    if (input.signers === undefined) input.onProgress?.(last, total);
  }
  return gathering.inPlace(bytes);
}

/** What is wrong with a record that is the next in its file. */
function checkContribution(
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

function compareFiles(published: PublishedBundle, computed: ComputedEpoch): Divergence | undefined {
  for (const [name, recordBytes] of Object.entries(RECORD_BYTES) as [DataFile, number][]) {
    const expected = computed.files.get(name) as Uint8Array;
    const found = published.files.get(name) ?? new Uint8Array();
    if (equalBytes(expected, found)) continue;
    const record = firstDifference(expected, found, recordBytes);
    const cut = (bytes: Uint8Array) =>
      toHex(bytes.subarray(record * recordBytes, (record + 1) * recordBytes));
    return {
      stage: name.slice(0, name.indexOf(".")) as Table,
      file: name,
      record,
      message: `record ${record} of ${name} is not what the contributions come to`,
      expected: cut(expected),
      found: cut(found),
    };
  }
  return undefined;
}

function firstDifference(a: Uint8Array, b: Uint8Array, recordBytes: number): number {
  const shared = Math.min(a.length, b.length);
  let i = 0;
  while (i < shared && a[i] === b[i]) i++;
  return Math.floor(i / recordBytes);
}

function compareManifest(found: Manifest, expected: Manifest): Divergence | undefined {
  const foundJson = fieldsToJson(MANIFEST_FIELDS, found);
  const expectedJson = fieldsToJson(MANIFEST_FIELDS, expected);
  const field = MANIFEST_FIELDS.find(
    ({ name }) => JSON.stringify(expectedJson[name]) !== JSON.stringify(foundJson[name]),
  );
  if (field === undefined) return undefined;
  const { name } = field;
  return {
    stage: "manifest",
    file: "manifest.json",
    message: `${name} is not what the chain and the contributions come to`,
    expected: JSON.stringify(expectedJson[name]),
    found: JSON.stringify(foundJson[name]),
  };
}

/** The same content in other bytes has another hash: only the canonical spelling counts. */
function compareHash(
  bytes: Uint8Array,
  manifest: Manifest,
  report: Report,
): Divergence | undefined {
  const found: Hex = bundleHashOf(bytes);
  if (found === report.bundleHash) return undefined;
  return {
    stage: "manifest",
    file: "manifest.json",
    message: `the manifest of epoch ${manifest.epoch} is not the one the report names`,
    expected: report.bundleHash,
    found,
  };
}

function compareReport(computed: Report, report: Report): Divergence | undefined {
  const field = REPORT_FIELDS.find(({ name }) => computed[name] !== report[name]);
  if (field === undefined) return undefined;
  return {
    stage: "report",
    file: "manifest.json",
    message: `${field.name} of the report is not what the contributions come to`,
    expected: String(computed[field.name]),
    found: String(report[field.name]),
  };
}
