import { rememberRanges } from "@link-rewards/client/bundle";
import { type Address, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { toCompact } from "@link-rewards/core/encoding/signature";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import {
  findOmission,
  OMISSION_ABI,
  type OmissionProof,
  omissionTuple,
  slotOf,
} from "@link-rewards/core/judge/omission";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import type { Law, Proposal } from "@link-rewards/core/law/law";
import { verifyReceipt } from "@link-rewards/core/law/verify";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import { type KeptWord, memberOfWord } from "@link-rewards/core/signed/kept-word";
import { type Chain, sealBlockOf } from "@link-rewards/host/chain/chain";
import { revertReason } from "@link-rewards/host/chain/errors";
import { loadCurves } from "@link-rewards/host/curves";
import { AbiCoder } from "ethers";
import { type BundleSource, isBundleUnavailable } from "../edge/bundles.ts";
import { readLaw } from "./read-law.ts";
import { type ReadReport, signedReportIn, signersOf } from "./signed-report.ts";

/**
 * `kept`: the report has the receipt, or a newer one. `omitted`: it lacks it, and the member signed it. `unsigned`: it lacks
 * it, and the member did not sign it. `void`: the word does not bind the member. `open`: nothing is reported of the epoch.
 * `unavailable`: the files do not tell.
 */
export type WordVerdict = "kept" | "omitted" | "unsigned" | "void" | "open" | "unavailable";

export type CheckedWord = {
  readonly epoch: number;
  readonly device: Address;
  readonly customer: Address;
  readonly sequence: number;
  /** Who gave its word; undefined when nobody did. */
  readonly member: Address | undefined;
  readonly verdict: WordVerdict;
  readonly message: string;
  /** The call that slashes the member; absent when the contract would not take it, as the message says. */
  readonly call?: { readonly to: Address; readonly calldata: Hex };
};

type Found = Pick<CheckedWord, "verdict" | "message" | "call">;

/** What became of receipts that members gave their word for, in the reports of their epochs. Needs no key. */
export async function checkWords(
  chain: Chain,
  mirrors: readonly BundleSource[],
  words: readonly KeptWord[],
): Promise<readonly CheckedWord[]> {
  const law = await readLaw(chain);
  const readers = new Map<string, RangeReader>();
  const readerOf = (source: BundleSource, epoch: number): RangeReader => {
    const name = `${epoch} ${source.location}`;
    const reader =
      readers.get(name) ??
      rememberRanges((file, from, length) => source.range(epoch, file, from, length));
    readers.set(name, reader);
    return reader;
  };
  const checked: CheckedWord[] = [];
  for (const kept of words) {
    const { epoch, device, customer, sequence } = kept.signed.receipt;
    const member = memberOfWord(registryDomain(chain.deployment), kept);
    let found: Found = { verdict: "unavailable", message: "no mirror was named" };
    for (const source of mirrors) {
      found = await checkWord({ chain, law, read: readerOf(source, epoch) }, kept, member);
      if (found.verdict !== "unavailable") break;
    }
    checked.push({ epoch, device, customer, sequence, member, ...found });
  }
  return checked;
}

type Circumstances = { readonly chain: Chain; readonly law: Law; readonly read: RangeReader };

async function checkWord(
  circumstances: Circumstances,
  kept: KeptWord,
  member: Address | undefined,
): Promise<Found> {
  const { law } = circumstances;
  const { epoch } = kept.signed.receipt;
  const voided = whyVoid(circumstances, kept, member);
  if (voided !== undefined) return { verdict: "void", message: voided };
  const proposal = standingOf(law, epoch);
  if (proposal === undefined)
    return { verdict: "open", message: `no report of epoch ${epoch} is pending or final` };
  if (proposal.report.rulesHash !== RULES_HASH) {
    const { rulesHash } = proposal.report;
    const message = `epoch ${epoch} is under rules ${rulesHash}; this software has ${RULES_HASH}`;
    return { verdict: "unavailable", message };
  }
  try {
    return await findIn(circumstances, kept, proposal, slotOf(law, member as Address) as number);
  } catch (error) {
    if (!isBundleUnavailable(error)) throw error;
    return { verdict: "unavailable", message: error.message };
  }
}

/** The report that is final, or may become it. */
function standingOf(law: Law, epoch: number): Proposal | undefined {
  const { pending } = law;
  return law.finals.get(epoch)?.proposal ?? (pending?.report.epoch === epoch ? pending : undefined);
}

/** Why the word costs the member nothing, whatever is reported. */
function whyVoid(
  { chain, law }: Circumstances,
  { signed }: KeptWord,
  member: Address | undefined,
): string | undefined {
  const { deployment } = chain;
  if (member === undefined) return "the acknowledgement is not about the receipt, or nobody's";
  if (slotOf(law, member) === undefined) return `${member} never was a member`;
  const domain = registryDomain(deployment);
  const verified = verifyReceipt(signed, { law, domain, curves: loadCurves() });
  return isRefused(verified) ? `the receipt is not lawful: ${verified.message}` : undefined;
}

async function findIn(
  circumstances: Circumstances,
  kept: KeptWord,
  proposal: Proposal,
  slot: number,
): Promise<Found> {
  const { chain, law, read } = circumstances;
  const { report, signers } = proposal;
  const { signed, word, signature, index, proof } = kept;
  const judgeLaw = judgeLawOf(law);
  const { device, epoch } = signed.receipt;
  const found = await findOmission(read, report, signed, {
    account: judgeLaw.ownerAt(device, epoch) as Address,
    publicKey: judgeLaw.publicKeyOf(device),
    indexOf: judgeLaw.indexOf,
  });
  if ("sequence" in found)
    return { verdict: "kept", message: `the report has its sequence ${found.sequence}` };
  if ("unproven" in found) {
    const message = `the files of epoch ${epoch} do not lead to the root on chain; use another mirror`;
    return { verdict: "unavailable", message };
  }
  if (((signers >> BigInt(slot)) & 1n) === 0n) {
    const message = `the report lacks it, but the member in slot ${slot} did not sign that report`;
    return { verdict: "unsigned", message };
  }
  const signing = await signatureIn(chain, law, proposal, slot);
  if ("unread" in signing) return unprovable(signing.unread);
  const { omission } = found;
  const shown = { report, reportSignature: signing.signature, word, wordSignature: signature };
  return convicting(chain, { ...shown, index, proof, omission });
}

const OMITTED = "the report lacks it, and the member signed it";

function unprovable(reason: string): Found {
  return { verdict: "omitted", message: `${OMITTED}; it cannot be proven: ${reason}` };
}

/** With the call, if the contract takes it now. */
async function convicting(
  { suite: { quorum }, deployment }: Chain,
  shown: OmissionProof,
): Promise<Found> {
  const call = {
    report: shown.report,
    reportSignature: toCompact(shown.reportSignature),
    acknowledgement: shown.word,
    acknowledgementSignature: toCompact(shown.wordSignature),
    index: shown.index,
    proof: shown.proof.map(toHex),
    omission: AbiCoder.defaultAbiCoder().encode([OMISSION_ABI], [omissionTuple(shown.omission)]),
  };
  try {
    await quorum.proveOmission.staticCall(call);
  } catch (error) {
    const reason = revertReason(error);
    if (reason === undefined) throw error;
    return unprovable(reason);
  }
  const calldata = quorum.interface.encodeFunctionData("proveOmission", [call]) as Hex;
  const to = deployment.contracts.oracleQuorum;
  return { verdict: "omitted", message: OMITTED, call: { to, calldata } };
}

/** Blocks in one look for the event of a proposal. */
const LOG_BLOCKS = 5_000;

/**
 * The signature of the member in this slot over a proposal: it is nowhere on chain but in the calldata of the transaction
 * that proposed it.
 */
async function signatureIn(
  chain: Chain,
  law: Law,
  { report, digest }: Proposal,
  slot: number,
): Promise<{ readonly signature: Uint8Array } | { readonly unread: string }> {
  const hash = await proposedIn(chain, report.epoch, digest);
  const read: ReadReport =
    hash === undefined
      ? { unread: "the node does not have the event of its proposal" }
      : await signedReportIn(chain, hash);
  if ("unread" in read) return read;
  for (const { signer, signature } of signersOf(chain, { report, signatures: read.signatures })) {
    if (slotOf(law, signer) === slot) return { signature };
  }
  return { unread: `transaction ${hash} has no signature of the member` };
}

async function proposedIn(chain: Chain, epoch: number, digest: Hex): Promise<string | undefined> {
  const { ledger } = chain.suite;
  const event = ledger.filters.RootProposed(epoch, undefined, digest);
  // Nothing is proposed before its epoch's seal time.
  const first = (await sealBlockOf(chain, epoch))?.number ?? chain.startBlock;
  const head = await chain.head();
  for (let from = first; from <= head.number; from += LOG_BLOCKS) {
    const through = Math.min(head.number, from + LOG_BLOCKS - 1);
    const [log] = await ledger.queryFilter(event, from, through);
    if (log !== undefined) return log.transactionHash;
  }
  return undefined;
}
