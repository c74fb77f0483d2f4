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
  chunkLength,
  isChunk,
  provesChunk,
} from "../content.ts";
import type { LinkAnswer, LinkRequest } from "../link/request.ts";
import type { LinkedDevice } from "./door.ts";

/** One node, as a customer sees it. What it answers is checked here; nothing unchecked leaves, but what it computed. */
export type Peer = {
  /** What it says of itself. */
  about(): Promise<AboutPeer>;
  keep(authorization: string, content: KeptFile): Promise<void>;
  /** Hands on each chunk when it is whole. Never throws: what came before it broke off counts. */
  readChunks(authorization: string, wanted: Wanted, take: TakeChunk): Promise<Ended>;
  /** Whether the node showed the chunk and that it belongs to the content. */
  challenge(authorization: string, content: ContentName, index: number): Promise<boolean>;
  /** The node's answer, as it says: whether it is the right one is not known here. */
  compute(authorization: string, offer: JobOffer): Promise<Uint8Array>;
  countersign(draft: PeerDraft): Promise<SignedReceipt | PeerRefused>;
};

export type KeptFile = { readonly file: string; readonly contentTree: ContentTree };
export type AboutPeer = {
  /** The roots of the contents that it keeps. */
  readonly contents: readonly string[];
  readonly freeBytes: number;
};
/** `end` is the first chunk that is not wanted. */
export type Wanted = {
  readonly contentTree: ContentTree;
  readonly first: number;
  readonly end: number;
  readonly signal?: AbortSignal;
};
/** `isGood`: it is what the content's tree says. */
export type TakeChunk = (chunk: Uint8Array, index: number, isGood: boolean) => void;
export type Ended = {
  /** Undefined when all came that was wanted, and no more. */
  readonly failure: string | undefined;
  /** The device's own word, where it refused. */
  readonly refusal?: string | undefined;
  /** What came of a chunk that is not whole. */
  readonly rest: Uint8Array;
};
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

const DEVICE = z.object({
  contents: z.array(z.object({ root: z.string() })),
  freeBytes: z.int().nonnegative(),
});
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
    throw Object.assign(new Error(`${refusal}: ${message}`), { refusal });
  };

  return {
    async about() {
      const { contents, freeBytes } = DEVICE.parse(await jsonOf(await ask("/v1/device")));
      return { contents: contents.map(({ root }) => root), freeBytes };
    },
    async keep(authorization, { file, contentTree: { root, size } }) {
      const most = timeoutMilliseconds + Math.ceil(size / SLOWEST_BYTES_PER_MS);
      const kept = await askServed(`/v1/contents/${root}`, authorization, {
        method: "PUT",
        headers: { "content-type": "application/octet-stream", "content-length": String(size) },
        body: createReadStream(file),
        signal: AbortSignal.timeout(most),
      });
      await jsonOf(kept);
    },
    async readChunks(authorization, { contentTree, first, end, signal }, take) {
      const { root, size } = contentTree;
      const last = Math.min(size, end * CHUNK_BYTES) - 1;
      const inbox = cutIntoChunks(contentTree, first, end, take);
      try {
        const answer = await askServed(`/v1/contents/${root}`, authorization, {
          headers: { range: `bytes=${first * CHUNK_BYTES}-${last}` },
          ...(signal && { signal }),
        });
        for await (const piece of answer.body) inbox.add(piece);
        return { failure: inbox.isFull() ? undefined : "it ended early", rest: inbox.rest() };
      } catch (error) {
        const { message, refusal } = error as Error & { readonly refusal?: string };
        return { failure: message, refusal, rest: inbox.rest() };
      }
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

/** Half a megabit a second: who takes a copy more slowly will not serve it either. */
const SLOWEST_BYTES_PER_MS = 64;

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

/** Puts the pieces in which bytes come together to chunks. A device decides what it sends, but not how much is taken. */
function cutIntoChunks(contentTree: ContentTree, first: number, end: number, take: TakeChunk) {
  let index = first;
  let rest: Uint8Array = Buffer.alloc(0);
  return {
    add(piece: Uint8Array): void {
      rest = Buffer.concat([rest, piece]);
      while (index < end) {
        const chunk = rest.subarray(0, chunkLength(contentTree.size, index));
        if (chunk.length < chunkLength(contentTree.size, index)) return;
        rest = rest.subarray(chunk.length);
        take(chunk, index, isChunk(contentTree, index, chunk));
        index += 1;
      }
      if (rest.length > 0) throw new Error("more came than was asked for");
    },
    isFull: () => index === end,
    rest: () => (index === end ? Buffer.alloc(0) : rest),
  };
}
