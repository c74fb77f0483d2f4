import { concatBytes, fromHex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { ANSWERS } from "@link-rewards/core/signed/answers";
import {
  SIGNED_RECEIPT_BYTES,
  type SignedReceipt,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import {
  type Attestation,
  type Declined,
  type Report,
  reportToJson,
} from "@link-rewards/core/signed/report";

const ATTEST_TIMEOUT_MS = 10 * 60_000;
const COPY_TIMEOUT_MS = 10 * 60_000;

/** The other members' oracles, by their URLs. */
export type Peers = {
  readonly urls: readonly string[];
  /** The peer fetches the bundle from the proposers it knows and verifies it from scratch before it signs. */
  attest(url: string, report: Report): Promise<Attestation | Declined>;
  /** All receipts a peer has of an epoch; each is verified anew by whoever takes it. */
  receipts(url: string, epoch: number): AsyncIterable<SignedReceipt>;
};

export function connectPeers(urls: readonly string[]): Peers {
  return {
    urls,
    async attest(url, report) {
      const response = await fetch(new URL("/v1/attestations", url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ report: reportToJson(report) }),
        signal: AbortSignal.timeout(ATTEST_TIMEOUT_MS),
      });
      const body: unknown = await response.json();
      if (!response.ok) {
        const problem = ANSWERS.Problem.safeParse(body);
        return { declined: problem.data?.message ?? `HTTP ${response.status}` };
      }
      const answer = ANSWERS.Attestation.safeParse(body);
      if (!answer.success) return { declined: "its answer has no member and signature" };
      const { member, signature } = answer.data;
      return { member: lowercaseHex(member), signature: fromHex(lowercaseHex(signature)) };
    },
    async *receipts(url, epoch) {
      const response = await fetch(new URL(`/v1/receipts/${epoch}`, url), {
        signal: AbortSignal.timeout(COPY_TIMEOUT_MS),
      });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      let rest = new Uint8Array();
      for await (const part of response.body ?? []) {
        const bytes = concatBytes(rest, part);
        let at = 0;
        for (; bytes.length - at >= SIGNED_RECEIPT_BYTES; at += SIGNED_RECEIPT_BYTES) {
          yield unpackSignedReceipt(bytes.subarray(at, at + SIGNED_RECEIPT_BYTES));
        }
        rest = bytes.slice(at);
      }
      if (rest.length > 0) throw new Error("the list of receipts was cut off");
    },
  };
}
