import { type Address, concatBytes, fromHex, isHexOf, lowercaseHex } from "../core/bytes.ts";
import { SIGNED_RECEIPT_BYTES, type SignedReceipt, unpackSignedReceipt } from "../core/receipt.ts";
import { type Report, reportToJson } from "../core/report.ts";
import { SIGNATURE_BYTES } from "../core/signature.ts";

const ATTEST_TIMEOUT_MS = 10 * 60_000;
const COPY_TIMEOUT_MS = 10 * 60_000;

/** What a peer answered: its signature, or why it gave none. */
export type Attestation =
  | { readonly member: Address; readonly signature: Uint8Array }
  | { readonly refused: string };

/** The other members' oracles, by their URLs. */
export type Peers = {
  readonly urls: readonly string[];
  /** The peer fetches the bundle from the proposers it knows and verifies it from scratch before it signs. */
  attest(url: string, report: Report): Promise<Attestation>;
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
      const answer = (await response.json()) as Record<string, unknown>;
      if (!response.ok) return { refused: String(answer.message ?? `HTTP ${response.status}`) };
      if (!isHexOf(answer.member, 20) || !isHexOf(answer.signature, SIGNATURE_BYTES)) {
        return { refused: "its answer has no member and signature" };
      }
      return {
        member: lowercaseHex(answer.member),
        signature: fromHex(lowercaseHex(answer.signature)),
      };
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
