import { once } from "node:events";
import { connect, type Socket } from "node:net";
import {
  SIGNED_RECEIPT_BYTES,
  signedReceiptToJson,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { PACKED_BATCH_TYPE, packBatch } from "@link-rewards/core/signed/submission";
import { deployment } from "../../test/worlds/paper.ts";
import { signReceipts, worldOf } from "../world.ts";

/** The process that sends. It takes turns with the service on the same cores, so it does as little as it can. */

export type Load = {
  readonly urls: readonly string[];
  readonly form: "packed" | "JSON";
  /** Receipts in one request. */
  readonly batch: number;
  /** Each waits for its answer before it sends its next. */
  readonly connections: number;
  /** Requests a second at most, whatever is answered; without it, as fast as the answers come. */
  readonly requestsPerSecond?: number | undefined;
  /** Above all that was sent before. */
  readonly firstSequence?: number | undefined;
};

export type Sent = {
  readonly milliseconds: number;
  readonly accepted: number;
  /** Requests answered 503. */
  readonly busy: number;
  /** Milliseconds, over the requests that were answered 200. */
  readonly p50: number;
  readonly p99: number;
  /** The highest sequence acknowledged of each receipt of the world; 0 for none. */
  readonly acknowledged: readonly number[];
};

const { chainId, contracts } = deployment;
const ENVELOPE = { chainId, registry: contracts.deviceRegistry };
const ACCEPTED = Buffer.from('"status":"accepted"');

/** Signs all receipts of a world of `size` anew for each round, and sends them. */
function openSender(size: number, load: Load) {
  const world = worldOf(size, { signed: true });
  let sequence = load.firstSequence ?? 1_000;
  let bodies: readonly Buffer[] = [];
  return {
    prepare(): void {
      sequence++;
      const receipts = world.receipts.map((receipt) => ({ ...receipt, sequence }));
      const packed = signReceipts({ law: world.law, receipts });
      bodies = Array.from({ length: Math.ceil(size / load.batch) }, (_, i) => {
        const first = i * load.batch;
        return requestOf(
          load.form,
          packed.subarray(
            first * SIGNED_RECEIPT_BYTES,
            Math.min(size, first + load.batch) * SIGNED_RECEIPT_BYTES,
          ),
        );
      });
    },
    send: () => send(bodies, load, size, sequence),
  };
}

function requestOf(form: Load["form"], packed: Uint8Array): Buffer {
  const receipts = Array.from({ length: packed.length / SIGNED_RECEIPT_BYTES }, (_, i) =>
    unpackSignedReceipt(packed.subarray(i * SIGNED_RECEIPT_BYTES, (i + 1) * SIGNED_RECEIPT_BYTES)),
  );
  const body =
    form === "packed"
      ? packBatch(ENVELOPE, receipts)
      : Buffer.from(JSON.stringify({ ...ENVELOPE, receipts: receipts.map(signedReceiptToJson) }));
  const type = form === "packed" ? PACKED_BATCH_TYPE : "application/json";
  const head = `POST /v1/receipts HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

async function send(
  bodies: readonly Buffer[],
  { urls, batch, connections, requestsPerSecond }: Load,
  size: number,
  sequence: number,
): Promise<Sent> {
  const latencies: number[] = [];
  const acknowledged = new Array<number>(size).fill(0);
  let next = 0;
  let accepted = 0;
  let busy = 0;
  const began = performance.now();
  const work = async (_: unknown, lane: number) => {
    const socket = await open(urls[lane % urls.length] as string);
    while (next < bodies.length) {
      const i = next++;
      if (requestsPerSecond !== undefined) {
        const due = began + (i * 1000) / requestsPerSecond;
        const early = due - performance.now();
        if (early > 0) await new Promise((passed) => setTimeout(passed, early));
      }
      const sent = performance.now();
      const { status, body } = await exchange(socket, bodies[i] as Buffer);
      if (status === 503) {
        busy++;
        continue;
      }
      if (status !== 200) throw new Error(`HTTP ${status}: ${body}`);
      latencies.push(performance.now() - sent);
      const count = countOf(body, ACCEPTED);
      const expected = Math.min(batch, size - i * batch);
      if (count !== expected) throw new Error(`${count} of ${expected} accepted: ${body}`);
      if (!body.includes(`"receipts":${expected},`)) throw new Error(`not acknowledged: ${body}`);
      accepted += count;
      acknowledged.fill(sequence, i * batch, i * batch + expected);
    }
    socket.destroy();
  };
  await Promise.all(Array.from({ length: connections }, work));
  latencies.sort((a, b) => a - b);
  const quantile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? 0;
  return {
    milliseconds: performance.now() - began,
    accepted,
    busy,
    p50: quantile(0.5),
    p99: quantile(0.99),
    acknowledged,
  };
}

export async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setNoDelay();
  await once(socket, "connect");
  return socket;
}

/** One request and its answer, which says its length. */
export function exchange(
  socket: Socket,
  request: Buffer,
): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let missing = Number.POSITIVE_INFINITY;
    const settle = () => {
      socket.off("data", take);
      socket.off("error", reject);
      socket.off("close", closed);
    };
    const closed = () => reject(new Error("the service closed the connection"));
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      if (missing === Number.POSITIVE_INFINITY) {
        const answer = Buffer.concat(chunks);
        const end = answer.indexOf("\r\n\r\n");
        if (end === -1) return;
        const head = answer.toString("latin1", 0, end);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
        missing = end + 4 + length - answer.length;
        chunks = [answer];
      } else missing -= chunk.length;
      if (missing > 0) return;
      settle();
      const body = Buffer.concat(chunks);
      resolve({ status: Number(body.toString("latin1", 9, 12)), body });
    };
    socket.on("data", take);
    socket.once("error", reject);
    socket.once("close", closed);
    socket.write(request);
  });
}

function countOf(body: Buffer, text: Buffer): number {
  let count = 0;
  for (let at = body.indexOf(text); at !== -1; at = body.indexOf(text, at + text.length)) count++;
  return count;
}

/** In a process of its own, told what to do. */
if (import.meta.main) {
  const [size = "0", load = "{}"] = process.argv.slice(2);
  const sender = openSender(Number(size), JSON.parse(load) as Load);
  process.on("disconnect", () => process.exit());
  process.on("message", async (message) => {
    if (message === "prepare") sender.prepare();
    process.send?.(message === "prepare" ? "prepared" : await sender.send());
  });
  process.send?.("ready");
}
