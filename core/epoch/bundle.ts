import { type Hex, toHex } from "../encoding/bytes.ts";
import { buildTree, hashRecords, rootOf } from "../encoding/tree.ts";
import {
  bundleHashOf,
  type DataFile,
  encodeManifest,
  fileEntry,
  MANIFEST_FILE,
  type Manifest,
  type Sha256,
  sha256,
} from "./manifest.ts";
import { encodeInvoiceFence, encodeTree, ROW_BYTES, type Table } from "./records.ts";

/** What an epoch came to: the files that the others follow from. */
export type BundleContent = {
  readonly [file in
    | "contributions.bin"
    | "contributions.fence"
    | "invoices.bin"
    | "rewards.bin"]: Uint8Array;
};

/** The parts of a manifest that do not follow from the content. */
export type ManifestTerms = Omit<
  Manifest,
  "root" | "leaves" | "contributionRoot" | "invoiceRoot" | "contributions" | "files"
>;

export type Bundle = {
  readonly manifest: Manifest;
  readonly bundleHash: Hex;
  /** The manifest and every file it vouches for, by name. */
  readonly files: ReadonlyMap<DataFile | typeof MANIFEST_FILE, Uint8Array>;
};

/** A bundle as somebody published it: nothing about it is known to be true. */
export type PublishedBundle = {
  readonly manifest: Uint8Array;
  readonly files: ReadonlyMap<DataFile, Uint8Array>;
};

/** The published files of one epoch. Same input, same bytes, on any machine. */
export function assembleBundle(
  terms: ManifestTerms,
  content: BundleContent,
  hash: Sha256 = sha256,
): Bundle {
  const contributions = treeOver(content, "contributions");
  const invoices = treeOver(content, "invoices");
  const rewards = treeOver(content, "rewards");
  const dataFiles = {
    ...content,
    "contributions.tree": contributions.file,
    "invoices.fence": encodeInvoiceFence(content["invoices.bin"]),
    "invoices.tree": invoices.file,
    "rewards.tree": rewards.file,
  } satisfies Record<DataFile, Uint8Array>;
  const manifest: Manifest = {
    ...terms,
    root: rewards.root,
    leaves: rewards.rows,
    contributionRoot: contributions.root,
    invoiceRoot: invoices.root,
    contributions: contributions.rows,
    files: entriesOf(dataFiles, hash),
  };
  const manifestBytes = encodeManifest(manifest);
  return {
    manifest,
    bundleHash: bundleHashOf(manifestBytes),
    files: new Map([
      [MANIFEST_FILE, manifestBytes],
      ...(Object.entries(dataFiles) as [DataFile, Uint8Array][]),
    ]),
  };
}

/** No level is kept but those of the file: three whole trees at once would be there for nothing. */
function treeOver(content: BundleContent, table: Table) {
  const tree = buildTree(hashRecords(content[`${table}.bin`], ROW_BYTES[table]));
  return { root: toHex(rootOf(tree)), rows: tree.leaves, file: encodeTree(tree) };
}

function entriesOf(files: Record<DataFile, Uint8Array>, hash: Sha256): Manifest["files"] {
  const entries = Object.entries(files).map(([name, bytes]) => [name, fileEntry(bytes, hash)]);
  return Object.fromEntries(entries) as Manifest["files"];
}
