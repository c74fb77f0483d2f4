import { createReadStream } from "node:fs";
import { fromHex, isHexOf, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";
import {
  parseSignedReceipt,
  type Receipt,
  receiptToJson,
  type SignedReceipt,
  signedReceiptToJson,
} from "@link-rewards/core/signed/receipt";
import { z } from "zod";
import { JOB_LIMITS, type JobOffer, MOST_JOB_MILLISECONDS } from "../compute/job.ts";
import {
  CHUNK_BYTES,
  type ContentName,
  type ContentTree,
  chunkCount,
  chunkLength,
  isChunk,
  provesChunk,
} from "../content.ts";
import type { LinkAnswer, LinkRequest } from "../link/request.ts";
import type { LinkedDevice } from "./door.ts";

/** One node, as a customer sees it. What it answers is checked here; nothing unchecked leaves, but what it computed. */
export type Peer = {
  /** The roots of the contents that it says it keeps. */
  contents(): Promise<readonly string[]>;
  keep(authorization: string, content: KeptFile): Promise<void>;
  /** The bytes of those of the chunks that are what its tree says. */
  fetchChunks(
    authorization: string,
    contentTree: ContentTree,
    first: number,
    count: number,
  ): Promise<Fetched>;
  /** Whether the node showed the chunk and that it belongs to the content. */
  challenge(authorization: string, content: ContentName, index: number): Promise<boolean>;
  /** The node's answer, as it says: whether it is the right one is not known here. */
  compute(authorization: string, offer: JobOffer): Promise<Uint8Array>;
  countersign(draft: PeerDraft): Promise<SignedReceipt | PeerRefused>;
};

export type KeptFile = { readonly file: string; readonly contentTree: ContentTree };
export type Fetched = { readonly bytes: number; readonly corrupt: readonly number[] };
export type PeerDraft = {
  readonly receipt: Receipt;
  readonly customerSignature: Uint8Array;
  readonly head: SignedReceipt | undefined;
};
export type PeerRefused = {
  readonly refusal: string;
  readonly message: string;
  readonly next?: number | undefined;
};

const DEVICE = z.object({ contents: z.array(z.object({ root: z.string() })) });
const PROOF = z.object({ chunk: z.base64(), proof: z.array(z.string()).max(32) });
const REFUSED = z.object({ refusal: z.string(), message: z.string(), next: z.int().optional() });

export function connectPeer(
  { device, ask: askOver }: Pick<LinkedDevice, "device" | "ask">,
  timeoutMilliseconds: number,
): Peer {
  const ask = async (path: string, request: LinkRequest = {}): Promise<LinkAnswer> => {
    try {
      return await askOver(path, { signal: AbortSignal.timeout(timeoutMilliseconds), ...request });
    } catch (cause) {
      throw new Error(`device ${device} did not answer`, { cause });
    }
  };
  const askServed = async (path: string, authorization: string, request: LinkRequest = {}) => {
    const answer = await ask(path, { ...request, headers: { ...request.headers, authorization } });
    if (isGood(answer)) return answer;
    const { refusal, message } = REFUSED.parse(await jsonOf(answer));
    throw new Error(`${refusal}: ${message}`);
  };

  return {
    async contents() {
      const { contents } = DEVICE.parse(await jsonOf(await ask("/v1/device")));
      return contents.map(({ root }) => root);
    },
    async keep(authorization, { file, contentTree: { root, size } }) {
      const kept = await askServed(`/v1/contents/${root}`, authorization, {
        method: "PUT",
        headers: { "content-type": "application/octet-stream", "content-length": String(size) },
        body: createReadStream(file),
      });
      await jsonOf(kept);
    },
    async fetchChunks(authorization, contentTree, first, count) {
      const { root, size } = contentTree;
      const end = Math.min(size, (first + count) * CHUNK_BYTES);
      const range = `bytes=${first * CHUNK_BYTES}-${end - 1}`;
      const answer = await askServed(`/v1/contents/${root}`, authorization, {
        headers: { range },
      });
      return checkChunks(contentTree, first, count, await bytesOf(answer, count * CHUNK_BYTES));
    },
    async challenge(authorization, content, index) {
      const answer = await askServed(`/v1/contents/${content.root}/proofs/${index}`, authorization);
      const { chunk, proof } = PROOF.parse(await jsonOf(answer));
      if (!proof.every((node) => isHexOf(node, HASH_BYTES))) return false;
      const siblings = proof.map((node) => fromHex(lowercaseHex(node)));
      return provesChunk(content, index, Buffer.from(chunk, "base64"), siblings);
    },
    async compute(authorization, offer) {
      // It may have to wait for another's job.
      const most = timeoutMilliseconds + MOST_JOB_MILLISECONDS + offer.milliseconds;
      const answer = await askServed("/v1/jobs", authorization, {
        ...asJson(offer),
        signal: AbortSignal.timeout(most),
      });
      return bytesOf(answer, JOB_LIMITS.outputBytes);
    },
    async countersign({ receipt, customerSignature, head }) {
      const draft = {
        receipt: receiptToJson(receipt),
        customerSignature: toHex(customerSignature),
        ...(head && { head: signedReceiptToJson(head) }),
      };
      const answer = await ask("/v1/receipts", asJson(draft));
      const body: unknown = await jsonOf(answer);
      if (!isGood(answer)) return REFUSED.parse(body);
      const signed = parseSignedReceipt(body);
      if (isRefused(signed))
        throw new Error(`device ${device} answered nonsense: ${signed.message}`);
      return signed;
    },
  };
}

/** The longest answer has all contents that a device keeps. */
const MOST_JSON_BYTES = 2 ** 20;

async function jsonOf(answer: LinkAnswer): Promise<unknown> {
  return JSON.parse(Buffer.from(await bytesOf(answer, MOST_JSON_BYTES)).toString());
}

function isGood({ status }: LinkAnswer): boolean {
  return status >= 200 && status < 300;
}

/** A node decides what it sends, but not how much of it is read. */
async function bytesOf(answer: LinkAnswer, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer.body) {
    size += piece.length;
    if (size > most) throw new Error(`more than the ${most} bytes that were asked for`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function asJson(body: unknown): LinkRequest {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}

function checkChunks(
  contentTree: ContentTree,
  first: number,
  count: number,
  bytes: Uint8Array,
): Fetched {
  const last = Math.min(first + count, chunkCount(contentTree.size));
  const corrupt: number[] = [];
  let verified = 0;
  for (let index = first, offset = 0; index < last; index++, offset += CHUNK_BYTES) {
    const chunk = bytes.subarray(offset, offset + chunkLength(contentTree.size, index));
    if (isChunk(contentTree, index, chunk)) verified += chunk.length;
    else corrupt.push(index);
  }
  return { bytes: verified, corrupt };
}
