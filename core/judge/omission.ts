import { type Address, fromHex, type Hex, keccak256, toHex, ZERO_HASH } from "../encoding/bytes.ts";
import { isPublicKeyOf, NO_PUBLIC_KEY } from "../encoding/p256.ts";
import { verifyProof } from "../encoding/tree.ts";
import {
  CONTRIBUTION_BYTES,
  type ContributionRecord,
  decodeContribution,
  PAGE_RECORDS,
} from "../epoch/records.ts";
import type { Law } from "../law/law.ts";
import { type Acknowledgement, acknowledgementDigest } from "../signed/acknowledgement.ts";
import { type Deployment, ledgerDomain, registryDomain } from "../signed/deployment.ts";
import {
  packSignedReceipt,
  RESOURCES,
  type Receipt,
  receiptDigest,
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "../signed/receipt.ts";
import { type Report, reportDigest } from "../signed/report.ts";
import { type Curves, PURE_CURVES } from "../signed/signers.ts";
import { JUDGED_TABLES, type Opening } from "./evidence.ts";
import { type JudgeLaw, judgeLawOf } from "./judge-law.ts";
import { proveFromFiles, type RangeReader } from "./proof.ts";

/**
 * What costs a member its bond: it gave its word for a lawful receipt and signed a report without it. The twins of
 * Judge.omitted and OracleQuorum.proveOmission, and what finds the evidence for them.
 */

/** What shows that a table of contributions lacks a receipt, as IJudge.Omission. */
export type Omission = {
  /** The signed receipt, packed. */
  readonly receipt: Hex;
  /** The boundary at which it would stand. */
  readonly position: number;
  /** The boundary's rows. */
  readonly openings: readonly Opening[];
  /** Of its device, when its key is P-256; else empty. */
  readonly publicKey: Hex;
};

/** The contract decodes one tuple of this type. */
export const OMISSION_ABI =
  "tuple(bytes receipt, uint32 position, tuple(uint8 table, uint32 position, bytes row, bytes32[] proof)[] openings, bytes publicKey)";

/** The values of that tuple, by its names. */
export function omissionTuple({ receipt, position, openings, publicKey }: Omission) {
  return {
    receipt,
    position,
    openings: openings.map((opening) => ({
      ...opening,
      table: JUDGED_TABLES.indexOf(opening.table),
    })),
    publicKey,
  };
}

/** The part of a report that says which contributions there are. */
export type ContributionTable = Pick<Report, "epoch" | "contributionRoot" | "contributions">;

export type OmissionContext = {
  readonly law: JudgeLaw;
  /** The DeviceRegistry's. */
  readonly domain: Uint8Array;
  /** Faster ones than the pure ones, if the caller has them. */
  readonly curves?: Curves;
};

/**
 * The twin of Judge.omitted (contracts/Judge.sol): the digest of a lawful receipt that the table lacks, or has only with a
 * lower sequence; the zero hash when nothing shows that. "invalid": it is no evidence about this table, and the contract
 * fails.
 */
export function omitted(
  table: ContributionTable,
  omission: Omission,
  context: OmissionContext,
): Hex | "invalid" {
  const packed = fromHex(omission.receipt);
  if (packed.length !== SIGNED_RECEIPT_BYTES) return "invalid";
  const signed = unpackSignedReceipt(packed);
  const digest = receiptDigest(context.domain, signed.receipt);
  const owner = lawfulOwner(table.epoch, signed, digest, omission.publicKey, context);
  if (owner === undefined) return ZERO_HASH;
  if (owner === "invalid") return "invalid";
  const missing = isMissing(table, omission, signed.receipt, owner, context.law);
  if (missing === "invalid") return "invalid";
  return missing ? toHex(digest) : ZERO_HASH;
}

/** Whom a receipt of `epoch` earns for; undefined when it is not lawful. */
function lawfulOwner(
  epoch: number,
  { receipt, customerSignature, deviceSignature }: SignedReceipt,
  digest: Uint8Array,
  publicKey: Hex,
  { law, curves = PURE_CURVES }: OmissionContext,
): Address | "invalid" | undefined {
  const { device, customer } = receipt;
  if (receipt.epoch !== epoch || receipt.sequence === 0) return undefined;
  const owner = law.ownerAt(device, epoch);
  if (owner === undefined) return undefined;
  const limit = law.limitAt(device, epoch);
  if (RESOURCES.some((resource) => receipt[resource] > limit[resource])) return undefined;
  const key = curves.recover(digest, customerSignature);
  if (key === undefined || law.capAt(customer, key, epoch) === 0n) return undefined;
  if (law.publicKeyOf(device) === NO_PUBLIC_KEY)
    return curves.recover(digest, deviceSignature) === device ? owner : undefined;
  if (!isPublicKeyOf(publicKey, device)) return "invalid";
  return curves.verifyP256(digest, deviceSignature, publicKey) ? owner : undefined;
}

function isMissing(
  table: ContributionTable,
  { position: boundary, openings }: Omission,
  receipt: Receipt,
  owner: Address,
  law: JudgeLaw,
): boolean | "invalid" {
  const rows = table.contributions;
  if (rows === 0) return openings.length === 0 ? true : "invalid";
  if (boundary > rows || openings.length !== (boundary === 0 || boundary === rows ? 1 : 2))
    return "invalid";
  const own = { index: law.indexOf(owner), receipt };
  const placeOf = ({ account, receipt: there }: ContributionRecord): Place => ({
    index: law.indexOf(account),
    receipt: there,
  });
  if (boundary !== 0) {
    const before = contributionUnder(table, openings[0], boundary - 1);
    if (before === undefined) return "invalid";
    if (!isBefore(placeOf(before), own)) return false;
    if (boundary === rows) return true;
  }
  const after = contributionUnder(table, openings.at(-1), boundary);
  if (after === undefined) return "invalid";
  if (isOfSamePair(after.receipt, receipt)) return after.receipt.sequence < receipt.sequence;
  return isBefore(own, placeOf(after));
}

/** The row that an opening shows at this position of the contributions. */
function contributionUnder(
  { contributionRoot, contributions }: ContributionTable,
  opening: Opening | undefined,
  position: number,
): ContributionRecord | undefined {
  if (opening?.table !== "contributions" || opening.position !== position) return undefined;
  const row = fromHex(opening.row);
  const siblings = opening.proof.map(fromHex);
  const isThere =
    row.length === CONTRIBUTION_BYTES &&
    verifyProof(fromHex(contributionRoot), contributions, position, keccak256(row), siblings);
  return isThere ? decodeContribution(row) : undefined;
}

/** By what contributions are sorted: the index of the account, device, customer. */
type Place = { readonly index: number; readonly receipt: Pick<Receipt, "device" | "customer"> };

function isBefore(a: Place, b: Place): boolean {
  if (a.index !== b.index) return a.index < b.index;
  if (a.receipt.device !== b.receipt.device) return a.receipt.device < b.receipt.device;
  return a.receipt.customer < b.receipt.customer;
}

function isOfSamePair(a: Receipt, b: Receipt): boolean {
  return a.device === b.device && a.customer === b.customer;
}

/** What OracleQuorum.proveOmission takes. */
export type OmissionProof = {
  readonly report: Report;
  readonly reportSignature: Uint8Array;
  readonly word: Acknowledgement;
  readonly wordSignature: Uint8Array;
  /** Where the receipt stands under the word's root. */
  readonly index: number;
  readonly proof: readonly Uint8Array[];
  readonly omission: Omission;
};

/**
 * The twin of OracleQuorum.proveOmission (contracts/OracleQuorum.sol): the slot of the member that it slashes, or the error
 * it fails with, "invalid" for one of the judge's. Whether there is still a bond in the slot, only the contract knows.
 */
export function omits(
  { report, reportSignature, word, wordSignature, index, proof, omission }: OmissionProof,
  {
    law,
    deployment,
    curves = PURE_CURVES,
  }: { readonly law: Law; readonly deployment: Deployment; readonly curves?: Curves },
): number | "NotOmission" | "DifferentSigners" | "MemberUnknown" | "NotSigned" | "invalid" {
  const isJudged = law.rules.some(({ value: { hash } }) => hash === report.rulesHash);
  if (!isJudged) return "NotOmission";
  const domain = registryDomain(deployment);
  const digest = omitted(report, omission, { law: judgeLawOf(law), domain, curves });
  if (digest === "invalid") return "invalid";
  const isAcknowledged =
    digest !== ZERO_HASH &&
    verifyProof(fromHex(word.root), word.receipts, index, fromHex(digest), proof);
  if (!isAcknowledged) return "NotOmission";
  const reporter = curves.recover(reportDigest(ledgerDomain(deployment), report), reportSignature);
  const acknowledger = curves.recover(acknowledgementDigest(domain, word), wordSignature);
  if (reporter === undefined || acknowledger === undefined) return "NotSigned";
  const slot = slotOf(law, reporter);
  if (slot !== slotOf(law, acknowledger)) return "DifferentSigners";
  return slot ?? "MemberUnknown";
}

/** The slot of whoever has or had this key; undefined for a stranger. */
export function slotOf(law: Law, key: Address): number | undefined {
  for (const [slot, { keys }] of law.members) {
    if (keys.some(({ value }) => value === key)) return slot;
  }
  return undefined;
}

/** What is known of a receipt's device, and of the order of accounts. */
export type OmissionTerms = {
  /** Whom the receipt earns for. */
  readonly account: Address;
  /** Of its device, when its key is P-256; else empty. */
  readonly publicKey: Hex;
  /** After all others for an account without one. */
  readonly indexOf: (account: Address) => number | Promise<number>;
};

export type SearchedOmission =
  | { readonly omission: Omission }
  /** The table has a receipt of the same device, customer and epoch with this sequence, no lower than its own. */
  | { readonly sequence: number }
  /** The files do not lead to the root, or are not sorted: nothing follows from them. */
  | { readonly unproven: true };

/** Looks for a receipt among the contributions, in a few ranges of somebody's files. Whether it is lawful, the judge says. */
export async function findOmission(
  read: RangeReader,
  table: ContributionTable,
  signed: SignedReceipt,
  { account, publicKey, indexOf }: OmissionTerms,
): Promise<SearchedOmission> {
  const rows = table.contributions;
  const own: Place = { index: await indexOf(account), receipt: signed.receipt };
  const placeOf = async (row: Uint8Array): Promise<Place & ContributionRecord> => {
    const contribution = decodeContribution(row);
    return { ...contribution, index: await indexOf(contribution.account) };
  };
  const rowAt = (i: number) =>
    read("contributions.bin", i * CONTRIBUTION_BYTES, CONTRIBUTION_BYTES);
  const position = await firstNotBefore(rows, async (i) =>
    isBefore(await placeOf(await rowAt(i)), own),
  );
  const openings: Opening[] = [];
  for (const at of [position - 1, position]) {
    if (at < 0 || at >= rows) continue;
    const { row, proof } = await proveFromFiles(read, "contributions", rows, at);
    const opening = {
      table: "contributions",
      position: at,
      row: toHex(row),
      proof: proof.map(toHex),
    } as const;
    if (contributionUnder(table, opening, at) === undefined) return { unproven: true };
    const there = await placeOf(row);
    if (at === position && isOfSamePair(there.receipt, signed.receipt)) {
      if (there.receipt.sequence >= signed.receipt.sequence)
        return { sequence: there.receipt.sequence };
    } else if (at < position ? !isBefore(there, own) : !isBefore(own, there)) {
      return { unproven: true };
    }
    openings.push(opening);
  }
  return { omission: { receipt: toHex(packSignedReceipt(signed)), position, openings, publicKey } };
}

/** Halves pages first: their first rows are what all searches in one table have in common. */
async function firstNotBefore(
  rows: number,
  isBeforeOwn: (position: number) => Promise<boolean>,
): Promise<number> {
  const pages = Math.ceil(rows / PAGE_RECORDS);
  const pagesBefore = await partition(0, pages, (page) => isBeforeOwn(page * PAGE_RECORDS));
  if (pagesBefore === 0) return 0;
  const first = (pagesBefore - 1) * PAGE_RECORDS;
  return partition(first + 1, Math.min(rows, first + PAGE_RECORDS), isBeforeOwn);
}

/** The first of low to high − 1 for which it does not hold; high when it holds for all. */
async function partition(
  low: number,
  high: number,
  holds: (position: number) => Promise<boolean>,
): Promise<number> {
  let [from, to] = [low, high];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (await holds(middle)) from = middle + 1;
    else to = middle;
  }
  return from;
}
