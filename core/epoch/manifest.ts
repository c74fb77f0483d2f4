import { sha256 as pureSha256 } from "@noble/hashes/sha2.js";
import canonicalize from "canonicalize";
import { type Hex, toHex, utf8 } from "../encoding/bytes.ts";
import type { StructOf } from "../encoding/fields.ts";
import { fieldsToJson, parseFields } from "../encoding/json.ts";
import { type Refused, refuse } from "../encoding/refusal.ts";
import { BLOCK_FIELDS } from "../law/block.ts";
import { TARIFF_FIELDS } from "../law/events.ts";
import { CONTRACT_FIELDS } from "../signed/deployment.ts";
import type { Report } from "../signed/report.ts";

const FILE_FIELDS = [
  { name: "bytes", type: "uint53" },
  { name: "sha256", type: "bytes32" },
] as const;

const FILES_FIELDS = [
  { name: "contributions.bin", fields: FILE_FIELDS },
  { name: "contributions.fence", fields: FILE_FIELDS },
  { name: "contributions.tree", fields: FILE_FIELDS },
  { name: "invoices.bin", fields: FILE_FIELDS },
  { name: "invoices.fence", fields: FILE_FIELDS },
  { name: "invoices.tree", fields: FILE_FIELDS },
  { name: "rewards.bin", fields: FILE_FIELDS },
  { name: "rewards.tree", fields: FILE_FIELDS },
] as const;

/** More customers than can pay in one epoch; a bound for the parser. */
const MAX_PAYERS = 1_000_000;

/**
 * All that an epoch was computed from and came to. No `attempt`: a retry has the same bytes.
 * The seal block is the last block before the seal time.
 */
export const MANIFEST_FIELDS = [
  { name: "chainId", type: "uint53" },
  { name: "contracts", fields: CONTRACT_FIELDS },
  { name: "genesis", type: "uint53" },
  { name: "epochSeconds", type: "uint53" },
  { name: "graceSeconds", type: "uint53" },
  { name: "epoch", type: "uint32" },
  { name: "sealBlock", fields: BLOCK_FIELDS },
  { name: "rulesHash", type: "bytes32" },
  { name: "tariff", fields: TARIFF_FIELDS },
  {
    name: "paid",
    list: [
      { name: "customer", type: "address" },
      { name: "amount", type: "uint96" },
    ],
    max: MAX_PAYERS,
  },
  { name: "fund", type: "uint96" },
  { name: "value", type: "uint256" },
  { name: "counted", type: "uint96" },
  { name: "delta", type: "uint96" },
  { name: "fee", type: "uint96" },
  { name: "total", type: "uint96" },
  { name: "root", type: "bytes32" },
  { name: "leaves", type: "uint32" },
  { name: "contributionRoot", type: "bytes32" },
  { name: "invoiceRoot", type: "bytes32" },
  { name: "contributions", type: "uint32" },
  {
    name: "lastFinal",
    fields: [
      { name: "epoch", type: "uint32" },
      { name: "root", type: "bytes32" },
      { name: "total", type: "uint96" },
      { name: "leaves", type: "uint32" },
      { name: "bundleHash", type: "bytes32" },
    ],
  },
  { name: "files", fields: FILES_FIELDS },
] as const;

export type Manifest = StructOf<typeof MANIFEST_FIELDS>;
export type FileEntry = StructOf<typeof FILE_FIELDS>;
/** The files a manifest vouches for. */
export type DataFile = keyof Manifest["files"];
export const DATA_FILES: readonly DataFile[] = FILES_FIELDS.map(({ name }) => name);

export const MANIFEST_FILE = "manifest.json";

export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** An edge may bring a faster one: a bundle is hashed whole. */
export const sha256: Sha256 = (bytes) => pureSha256(bytes);

export function fileEntry(bytes: Uint8Array, hash: Sha256 = sha256): FileEntry {
  return { bytes: bytes.length, sha256: toHex(hash(bytes)) };
}

/** Canonical JSON (RFC 8785): one manifest has one spelling, so its hash names it. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  const json = canonicalize(fieldsToJson(MANIFEST_FIELDS, manifest));
  if (json === undefined) throw new Error("the manifest has no JSON form");
  return utf8(json);
}

export function bundleHashOf(manifestBytes: Uint8Array): Hex {
  return toHex(sha256(manifestBytes));
}

export function parseManifest(bytes: Uint8Array): Manifest | Refused {
  try {
    return parseFields(MANIFEST_FIELDS, JSON.parse(new TextDecoder().decode(bytes)), "manifest");
  } catch (cause) {
    return refuse("malformed", `${MANIFEST_FILE} is not JSON: ${(cause as Error).message}`);
  }
}

/** What members sign about a bundle. */
export function reportOf(manifest: Manifest, bundleHash: Hex, attempt: number): Report {
  const { epoch, root, contributionRoot, invoiceRoot, contributions, total, rulesHash, lastFinal } =
    manifest;
  return {
    epoch,
    attempt,
    prevRoot: lastFinal.root,
    root,
    contributionRoot,
    invoiceRoot,
    contributions,
    total,
    bundleHash,
    rulesHash,
  };
}
