import { EVIDENCE_ABI, type Evidence, evidenceTuple } from "@link-rewards/core/judge/evidence";
import {
  evidenceFor,
  findUnlawful,
  type Question,
  type Unlawful,
} from "@link-rewards/core/judge/find-unlawful";
import { type Judgement, judge } from "@link-rewards/core/judge/judge";
import { type JudgeLaw, judgeLawOf } from "@link-rewards/core/judge/judge-law";
import type { JudgeContext } from "@link-rewards/core/judge/objections";
import { openTables } from "@link-rewards/core/judge/tables";
import { publicKeys } from "@link-rewards/core/law/law";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import {
  receiptDigest,
  SIGNED_RECEIPT_BYTES,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { signersOf } from "@link-rewards/core/signed/signers";
import { expect } from "chai";
import { AbiCoder, type ContractTransactionResponse, type Overrides, VoidSigner } from "ethers";
import type { World } from "../../worlds/contracts.ts";
import type { Report } from "./epochs.ts";
import type { Served } from "./served.ts";
import { caseOf, filesOf, type Tables } from "./tables.ts";

/** A world whose law is known: what a judgement stands on. */
export type Court = Pick<
  Served,
  "judge" | "registry" | "ledger" | "connection" | "law" | "deployment"
>;

export function encodeEvidence(evidence: Evidence): string {
  return AbiCoder.defaultAbiCoder().encode([EVIDENCE_ABI], [evidenceTuple(evidence)]);
}

/** What the twin looks at beside the rows. */
export function contextOf({ law, deployment }: Pick<Court, "law" | "deployment">): JudgeContext {
  const keys = publicKeys(law);
  const domain = registryDomain(deployment);
  return {
    law: judgeLawOf(law),
    signersOfRow: (row) => {
      const signed = unpackSignedReceipt(row.slice(0, SIGNED_RECEIPT_BYTES));
      return signersOf(receiptDigest(domain, signed.receipt), signed, keys);
    },
  };
}

/** What the contract wants to see for a question about tables. */
export function evidenceOf(court: Court, tables: Tables, question: Question): Evidence {
  const law: JudgeLaw = judgeLawOf(court.law);
  const case_ = caseOf(tables);
  return evidenceFor(question, case_, openTables(case_, filesOf(tables)), law);
}

/** What somebody with all rows finds, as `watch` does. */
export function findIn(court: Court, tables: Tables): Unlawful | undefined {
  const case_ = caseOf(tables);
  return findUnlawful(case_, openTables(case_, filesOf(tables)), contextOf(court));
}

/** What the contract says, asked as the ledger asks it; its twin must say the same. */
export async function judged(
  court: Court,
  tables: Tables,
  shown: Question | Evidence,
): Promise<Judgement> {
  const evidence = "openings" in shown ? shown : evidenceOf(court, tables, shown);
  const verdict = await contractsWord(court, tables, encodeEvidence(evidence));
  expect(judge(caseOf(tables), evidence, contextOf(court)), "the twin").to.equal(verdict);
  return verdict;
}

/** The contract alone, about any bytes. Whatever is no evidence fails with one of these errors, and no other way. */
export async function contractsWord(
  court: Court,
  tables: Tables,
  evidence: string,
): Promise<Judgement> {
  const asLedger = court.judge.connect(await ledgersVoice(court));
  try {
    const isUnlawful = await asLedger.unlawful(caseOf(tables), evidence);
    return isUnlawful ? "unlawful" : "lawful";
  } catch (error) {
    if (isInvalid(court, error)) return "invalid";
    throw error;
  }
}

/** Asks as the ledger, and signs nothing. */
export async function ledgersVoice({ ledger, connection }: Pick<Court, "ledger" | "connection">) {
  return new VoidSigner(await ledger.getAddress(), connection.ethers.provider);
}

function isInvalid({ judge, registry }: Court, error: unknown): boolean {
  const { data } = Object(error) as { readonly data?: unknown };
  if (typeof data !== "string") return false;
  const named = judge.interface.parseError(data) ?? registry.interface.parseError(data);
  return named?.name === "InvalidEvidence" || named?.name === "PublicKeyMismatch";
}

/** A bystander convicts. */
export async function convict(
  { ledger, bystander }: World,
  report: Report,
  evidence: Evidence,
  overrides: Overrides = {},
): Promise<ContractTransactionResponse> {
  return ledger.connect(bystander).convict(report, encodeEvidence(evidence), overrides);
}
