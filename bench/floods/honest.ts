import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { exchange, open } from "../ingest/sender.ts";

/** The honest senders, in a process of their own, so that nothing but the service keeps them waiting. */

export type HonestWork = {
  readonly url: string;
  /** A lane for each device: its requests in their order, in base64. */
  readonly lanes: readonly (readonly string[])[];
  readonly everyMilliseconds: number;
};

export type Waited = {
  readonly p50: number;
  readonly p99: number;
  readonly sent: number;
  /** Not accepted, or not answered: counted as {@link LOST_MS}. */
  readonly lost: number;
};

/** As long as a device waits for an answer. */
const LOST_MS = 10_000;

async function sendLane(
  { url, everyMilliseconds }: Pick<HonestWork, "url" | "everyMilliseconds">,
  requests: string[],
  count: number,
): Promise<readonly number[]> {
  const waited: number[] = [];
  let socket: Socket | undefined;
  const began = performance.now();
  for (let i = 0; i < count; i++) {
    const due = began + i * everyMilliseconds;
    await sleep(Math.max(0, due - performance.now()));
    // From when it was due: what waits behind a slow answer has waited as well.
    const request = Buffer.from(requests.shift() as string, "base64");
    try {
      socket ??= await open(url);
      const { status, body } = await exchange(socket, request);
      const isTaken = status === 200 && body.includes('"accepted"');
      waited.push(isTaken ? performance.now() - due : LOST_MS);
    } catch {
      socket?.destroy();
      socket = undefined;
      waited.push(LOST_MS);
    }
  }
  socket?.destroy();
  return waited;
}

if (import.meta.main) {
  let work: HonestWork | undefined;
  let lanes: string[][] = [];
  process.on("disconnect", () => process.exit());
  process.on("message", async (message: HonestWork | { readonly seconds: number }) => {
    if ("lanes" in message) {
      work = message;
      lanes = message.lanes.map((requests) => [...requests]);
      process.send?.("ready");
      return;
    }
    if (work === undefined) throw new Error("there is nothing to send yet");
    const { url, everyMilliseconds } = work;
    const count = Math.round((1_000 * message.seconds) / everyMilliseconds);
    const all = await Promise.all(
      lanes.map((requests) => sendLane({ url, everyMilliseconds }, requests, count)),
    );
    const waited = all.flat().sort((a, b) => a - b);
    const quantile = (share: number) => waited[Math.floor(share * (waited.length - 1))] ?? 0;
    const lost = waited.filter((each) => each >= LOST_MS).length;
    const answer: Waited = { p50: quantile(0.5), p99: quantile(0.99), sent: waited.length, lost };
    process.send?.(answer);
  });
}
