import {
  concatBytes,
  fromHex,
  type Hex,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { buildTree, proofOf, rootOf } from "@link-rewards/core/encoding/tree";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import {
  OMISSION_ABI,
  type Omission,
  omissionTuple,
  omits,
  omitted,
} from "@link-rewards/core/judge/omission";
import { indexOf, ownerAt } from "@link-rewards/core/law/law";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import {
  packSignedReceipt,
  type Receipt,
  receiptDigest,
  type SignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { AbiCoder, getBytes, type Wallet } from "ethers";
import { from, sealTimeOf, walletOf } from "../../worlds/contracts.ts";
import type { Report } from "./epochs.ts";
import { reportOf, resign, type Served, servedWorld, tablesFrom } from "./served.ts";
import { type CompactSignature, type DeviceWallet, signFor } from "./signing.ts";
import { caseOf, type Tables } from "./tables.ts";
import { evidenceOf } from "./trial.ts";

/** What a member says it has stored, and where in it one receipt is. */
export type Word = {
  readonly acknowledgement: {
    readonly root: Hex;
    readonly receipts: number;
    readonly storedAt: bigint;
  };
  readonly index: number;
  readonly proof: readonly Hex[];
};

/** A word for several receipts, in good time unless told otherwise; shown for the one at `index`. */
export function wordFor(
  { deployment }: Pick<Served, "deployment">,
  receipts: readonly SignedReceipt[],
  index = 0,
  storedAt = BigInt(sealTimeOf(2) - 1),
): Word {
  const domain = registryDomain(deployment);
  const tree = buildTree(
    concatBytes(...receipts.map(({ receipt }) => receiptDigest(domain, receipt))),
  );
  return {
    acknowledgement: { root: toHex(rootOf(tree)), receipts: receipts.length, storedAt },
    index,
    proof: proofOf(tree, index).map(toHex),
  };
}

/** What shows that a table lacks a receipt: the rows between which it would stand, or those of another boundary. */
export function omissionOf(
  world: Served,
  tables: Tables,
  signed: SignedReceipt,
  at?: number,
): Omission {
  const { law } = world;
  const { device, epoch } = signed.receipt;
  const account = ownerAt(law, device, epoch);
  const place = (holder: Hex | undefined, { receipt }: SignedReceipt) =>
    [holder && indexOf(law, holder), receipt.device, receipt.customer] as const;
  const own = place(account, signed);
  const boundary = tables.contributions.findIndex((row) => !precedes(place(row.account, row), own));
  const position = at ?? (boundary < 0 ? tables.contributions.length : boundary);
  const question = { proof: "contribution-order", table: "contributions", position } as const;
  const openings =
    tables.contributions.length === 0 ? [] : evidenceOf(world, tables, question).openings;
  const publicKey = judgeLawOf(law).publicKeyOf(device);
  return { receipt: toHex(packSignedReceipt(signed)), position, openings, publicKey };
}

type Place = readonly [index: number | undefined, device: Hex, customer: Hex];

function precedes(a: Place, b: Place): boolean {
  for (const [i, value] of a.entries()) {
    const other = b[i] as typeof value;
    if (value !== other)
      return (value ?? Number.POSITIVE_INFINITY) < (other ?? Number.POSITIVE_INFINITY);
  }
  return false;
}

export type Shown = {
  readonly report: Report;
  readonly word: Word;
  readonly omission: Omission;
  /** Who signed the report, and who the word. */
  readonly reporter: Wallet;
  readonly acknowledger: Wallet;
};

/** A bystander shows an omission; the twin must say what the contract says. */
export async function proveOmission(world: Served, shown: Shown) {
  const { quorum, ledger, registry, bystander, law, deployment } = world;
  const { report, word, omission } = shown;
  const { acknowledgement, index, proof } = word;
  const reportSignature = await signFor(ledger, "Report", report, shown.reporter);
  const wordSignature = await signFor(
    registry,
    "Acknowledgement",
    acknowledgement,
    shown.acknowledger,
  );
  const verdict = omits(
    {
      report: report as never,
      reportSignature: bytesOf(reportSignature),
      word: acknowledgement,
      wordSignature: bytesOf(wordSignature),
      index,
      proof: proof.map(fromHex),
      omission,
    },
    { law, deployment },
  );
  const proving = quorum.connect(bystander).proveOmission({
    report,
    reportSignature,
    acknowledgement,
    acknowledgementSignature: wordSignature,
    index,
    proof: [...proof],
    omission: encodeOmission(omission),
  });
  return { proving, verdict };
}

export function encodeOmission(omission: Omission): string {
  return AbiCoder.defaultAbiCoder().encode([OMISSION_ABI], [omissionTuple(omission)]);
}

/** What the judge says of an omission alone; its twin must say the same. */
export async function omittedFrom(
  world: Served,
  tables: Tables,
  omission: Omission,
): Promise<Hex | "invalid"> {
  const { judge, registry, law, deployment } = world;
  const { epoch, contributionRoot, contributions } = caseOf(tables);
  const twin = omitted({ epoch, contributionRoot, contributions }, omission, {
    law: judgeLawOf(law),
    domain: registryDomain(deployment),
  });
  const asking = judge.omitted(epoch, contributionRoot, contributions, encodeOmission(omission));
  const said = await asking.then(lowercaseHex, (error: unknown) => {
    const { data } = Object(error) as { readonly data?: unknown };
    const named =
      typeof data === "string" &&
      (judge.interface.parseError(data) ?? registry.interface.parseError(data));
    if (named) return "invalid" as const;
    throw error;
  });
  expect(twin, "the twin").to.equal(said);
  return said;
}

function bytesOf({ r, vs }: CompactSignature): Uint8Array {
  return getBytes(r + vs.slice(2));
}

export const MEMBER = walletOf("member 1");

/** The receipts of epoch 2, in the order of its contributions. */
export const receiptsOf = ({ second }: Served): readonly SignedReceipt[] => second.contributions;

/** Epoch 2 as if only these had arrived. */
export function tablesOf(world: Served, receipts: readonly SignedReceipt[]): Tables {
  const { law, deployment, second } = world;
  return tablesFrom(law, deployment, 2, receipts, second.lastRewards);
}

/** A member that gave its word for all receipts of epoch 2, and signed a report without the one in this row. */
export async function withoutRow(row: number) {
  const world = await from(servedWorld);
  const receipts = receiptsOf(world);
  const tables = tablesOf(world, receipts.toSpliced(row, 1));
  const missing = receipts[row] as SignedReceipt;
  const shown: Shown = {
    report: await reportOf(world, tables),
    word: wordFor(world, receipts, row),
    omission: omissionOf(world, tables, missing),
    reporter: MEMBER,
    acknowledger: MEMBER,
  };
  return { world, tables, missing, shown };
}

/** The receipt of a row, changed and signed anew. */
export function resigned(
  world: Served,
  row: number,
  change: Partial<Receipt>,
  keys: { readonly gateway?: Wallet; readonly device?: DeviceWallet } = {},
): SignedReceipt {
  return resign(world, world.second, row, change, keys).contributions[row] as SignedReceipt;
}
