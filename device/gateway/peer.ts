import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import {
  type Address,
  fromHex,
  type Hex,
  isHexOf,
  lowercaseHex,
  toHex,
} from "@link-rewards/core/encoding/bytes";
import { isPublicKeyOf, NO_PUBLIC_KEY, PUBLIC_KEY_BYTES } from "@link-rewards/core/encoding/p256";
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

/** One node, as a customer sees it. What it answers is checked here; nothing unchecked leaves, but what it computed. */
export type Peer = {
  describe(): Promise<PeerDevice>;
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

export type PeerDevice = {
  readonly device: Address;
  /** It belongs to the address: a device has no choice which key its signatures are checked with. */
  readonly publicKey: Hex;
  readonly contents: readonly string[];
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

const DEVICE = z.object({
  device: z.string().refine((text) => isHexOf(text, 20)),
  publicKey: z
    .string()
    .refine((text) => isHexOf(text, PUBLIC_KEY_BYTES))
    .optional(),
  contents: z.array(z.object({ root: z.string() })),
});
const PROOF = z.object({ chunk: z.base64(), proof: z.array(z.string()).max(32) });
const REFUSED = z.object({ refusal: z.string(), message: z.string(), next: z.int().optional() });

export function connectPeer(url: string, timeoutMilliseconds: number): Peer {
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    try {
      return await fetch(new URL(path, url), {
        signal: AbortSignal.timeout(timeoutMilliseconds),
        ...init,
      });
    } catch (cause) {
      throw new Error(`${url} did not answer`, { cause });
    }
  };
  const askServed = async (path: string, authorization: string, init: RequestInit = {}) => {
    const response = await ask(path, { ...init, headers: { ...init.headers, authorization } });
    if (response.ok) return response;
    const { refusal, message } = REFUSED.parse(await jsonOf(response));
    throw new Error(`${refusal}: ${message}`);
  };

  return {
    async describe() {
      const { contents, ...shown } = DEVICE.parse(await (await ask("/v1/device")).json());
      const device = lowercaseHex(shown.device);
      const publicKey = lowercaseHex(shown.publicKey ?? NO_PUBLIC_KEY);
      if (publicKey !== NO_PUBLIC_KEY && !isPublicKeyOf(publicKey, device)) {
        throw new Error(`the public key that ${url} shows is not that of device ${device}`);
      }
      return { device, publicKey, contents: contents.map(({ root }) => root) };
    },
    async keep(authorization, { file, contentTree: { root, size } }) {
      await askServed(`/v1/contents/${root}`, authorization, {
        method: "PUT",
        headers: { "content-type": "application/octet-stream", "content-length": String(size) },
        body: Readable.toWeb(createReadStream(file)) as ReadableStream,
        duplex: "half",
      } as RequestInit);
    },
    async fetchChunks(authorization, contentTree, first, count) {
      const { root, size } = contentTree;
      const end = Math.min(size, (first + count) * CHUNK_BYTES);
      const range = `bytes=${first * CHUNK_BYTES}-${end - 1}`;
      const response = await askServed(`/v1/contents/${root}`, authorization, {
        headers: { range },
      });
      return checkChunks(contentTree, first, count, await bytesOf(response, count * CHUNK_BYTES));
    },
    async challenge(authorization, content, index) {
      const response = await askServed(
        `/v1/contents/${content.root}/proofs/${index}`,
        authorization,
      );
      const { chunk, proof } = PROOF.parse(await jsonOf(response));
      if (!proof.every((node) => isHexOf(node, HASH_BYTES))) return false;
      const siblings = proof.map((node) => fromHex(lowercaseHex(node)));
      return provesChunk(content, index, Buffer.from(chunk, "base64"), siblings);
    },
    async compute(authorization, offer) {
      // It may have to wait for another's job.
      const most = timeoutMilliseconds + MOST_JOB_MILLISECONDS + offer.milliseconds;
      const response = await askServed("/v1/jobs", authorization, {
        ...asJson(offer),
        signal: AbortSignal.timeout(most),
      });
      return bytesOf(response, JOB_LIMITS.outputBytes);
    },
    async countersign({ receipt, customerSignature, head }) {
      const draft = {
        receipt: receiptToJson(receipt),
        customerSignature: toHex(customerSignature),
        ...(head && { head: signedReceiptToJson(head) }),
      };
      const response = await ask("/v1/receipts", asJson(draft));
      const body: unknown = await jsonOf(response);
      if (!response.ok) return REFUSED.parse(body);
      const signed = parseSignedReceipt(body);
      if (isRefused(signed)) throw new Error(`${url} answered nonsense: ${signed.message}`);
      return signed;
    },
  };
}

/** The longest answer has all contents that a device keeps. */
const MOST_JSON_BYTES = 2 ** 20;

async function jsonOf(response: Response): Promise<unknown> {
  return JSON.parse(Buffer.from(await bytesOf(response, MOST_JSON_BYTES)).toString());
}

/** A node decides what it sends, but not how much of it is read. */
async function bytesOf(response: Response, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.length;
    if (size > most) throw new Error(`more than the ${most} bytes that were asked for`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function asJson(body: unknown): RequestInit {
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
