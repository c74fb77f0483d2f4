import { equalBytes, type Hex, toHex } from "./bytes.ts";
import { type Contributions, type Gathering, gather } from "./contributions.ts";
import { type ComputedEpoch, computeEpoch, type EpochInput } from "./epoch.ts";
import { fieldsToJson } from "./json.ts";
import {
  bundleHashOf,
  type DataFile,
  MANIFEST_FIELDS,
  type Manifest,
  parseManifest,
  reportOf,
  type Sha256,
} from "./manifest.ts";
import { SIGNED_RECEIPT_BYTES, unpackReceipt } from "./receipt.ts";
import { CONTRIBUTION_BYTES, DEVICE_BYTES, REWARD_BYTES, recordAt } from "./records.ts";
import { isRefused } from "./refusal.ts";
import { REPORT_FIELDS, type Report } from "./report.ts";
import type { Recover } from "./signature.ts";
import { recoverSigners, SIGNERS_BYTES, type Signers, signersAt } from "./signers.ts";
import { HASH_BYTES } from "./tree.ts";
import { domainSeparator } from "./typed.ts";
import { checkSigners, lawfulAccount } from "./verify.ts";

/** A bundle as somebody published it: nothing about it is known to be true. */
export type PublishedBundle = {
  readonly manifest: Uint8Array;
  readonly files: ReadonlyMap<DataFile, Uint8Array>;
};

/** The stages of the check, in their order. The first that disagrees is the divergence. */
export type Stage = "manifest" | "contributions" | "rewards" | "report";

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
  "contributions.fence": 4,
  "devices.bin": DEVICE_BYTES,
  "devices.fence": 4,
  "rewards.bin": REWARD_BYTES,
  "rewards.tree": HASH_BYTES,
};

/** Records between two looks at the progress; a divergence among the first is found before the rest is worked on. */
const SIGNERS_AT_ONCE = 200;

/** Whether the files are those that the manifest names, byte for byte: says nothing about whether they are true. */
export function isIntact({ manifest, files }: PublishedBundle, sha256: Sha256): boolean {
  const parsed = parseManifest(manifest);
  if (isRefused(parsed)) return false;
  return Object.entries(parsed.files).every(([name, entry]) => {
    const file = files.get(name as DataFile);
    return file?.length === entry.bytes && toHex(sha256(file)) === entry.sha256;
  });
}

/** Every signature and every sum from scratch: the epoch is computed anew from the bundle's contributions alone. */
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
  const gathering = gather(input.law, input.epoch);
  for (let first = 0; first < total; first += SIGNERS_AT_ONCE) {
    const last = Math.min(total, first + SIGNERS_AT_ONCE);
    const records = bytes.subarray(first * CONTRIBUTION_BYTES, last * CONTRIBUTION_BYTES);
    const signers =
      input.signers?.subarray(first * SIGNERS_BYTES, last * SIGNERS_BYTES) ??
      recoverSigners(receiptDomain(input), records, CONTRIBUTION_BYTES, input.recover);
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
  const recorded = toHex(record.subarray(SIGNED_RECEIPT_BYTES));
  if (account !== recorded) return `the device belongs to ${account}, the record says ${recorded}`;
  if (!gathering.add(receipt, account))
    return "not in the order of (account index, device, customer), or there twice";
  return undefined;
}

function receiptDomain({ deployment: { chainId, contracts } }: CheckInput): Uint8Array {
  return domainSeparator(chainId, contracts.deviceRegistry);
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
      stage: "rewards",
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
  const name = Object.keys(expectedJson).find(
    (key) => JSON.stringify(expectedJson[key]) !== JSON.stringify(foundJson[key]),
  );
  if (name === undefined) return undefined;
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
