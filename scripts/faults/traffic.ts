import { setTimeout as sleep } from "node:timers/promises";
import { contractsOf } from "@link-rewards/client/deployment-file";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { signedReceiptToJson } from "@link-rewards/core/signed/receipt";
import { signedVoucherToJson } from "@link-rewards/core/signed/submission";
import { readDeploymentFile } from "@link-rewards/host/deployment";
import { randomNumbers } from "../../test/oracle/support/random.ts";
import { TERABYTE } from "../../test/worlds/network.ts";
import { CUSTOMERS, DEVICES, MEMBERS, type Plan, type RequestManner, ROUNDS } from "./draw.ts";
import { worthOf } from "./payouts.ts";
import type { Stage } from "./stage.ts";
import { name } from "./words.ts";

/** A sender goes to the next member when one says nothing for so long. */
const ANSWER_MS = 2_500;
const AGAIN_MS = 150;
/** After the faults: what nobody has taken by then is not taken at all. */
const PATIENCE_MS = 90_000;

type Word =
  | { readonly receipt: Pick<Receipt, "device" | "customer" | "sequence"> }
  | { readonly voucher: { readonly customer: string; readonly amount: bigint } };

/** What a member gave its word for. */
export type Acknowledged = Word & { readonly member: number; readonly epoch: number };

type Message = {
  readonly path: "/v1/receipts" | "/v1/vouchers";
  readonly body: unknown;
  /** Who is asked first. */
  readonly first: number;
  readonly epoch: number;
  readonly what: Word;
  isTaken: boolean;
};

export type Traffic = {
  readonly acknowledged: readonly Acknowledged[];
  /** What members must not answer: an honest request refused for good, or a word given by a clock that is off. */
  readonly wronged: readonly string[];
  /** All receipts and vouchers of an epoch, as well as it goes. */
  send(epoch: number): Promise<void>;
  /** What nobody has taken yet, until somebody has. */
  settle(): Promise<void>;
  /** When an epoch is sealed: brings what is late. */
  repeat(): Promise<void>;
  behave(manner: RequestManner | undefined): void;
};

/** "May be true no more in a moment": a sender tries again. */
const PASSING = ["busy", "device-unknown", "device-unbound", "customer-unknown", "key-unknown"];

export async function startTraffic(
  stage: Stage,
  { traffic, half }: Plan,
  onAcknowledged: (member: number) => void,
): Promise<Traffic> {
  const { world, members } = stage;
  const { parameters } = world.devnet;
  const deployment = await readDeploymentFile(world.devnet.deploymentFile);
  const envelope = {
    chainId: deployment.chainId,
    registry: contractsOf(deployment).deviceRegistry,
  };
  const random = randomNumbers(traffic);
  const acknowledged: Acknowledged[] = [];
  const wronged: string[] = [];
  let manner: RequestManner | undefined;
  let undelivered: Message[] = [];
  let copies: readonly Message[] = [];

  function messagesOf(epoch: number): readonly (readonly Message[])[] {
    const owed = Array.from({ length: CUSTOMERS }, () => 0n);
    const rounds: Message[][] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const messages: Message[] = [];
      for (let device = 0; device < DEVICES; device++) {
        for (let customer = 0; customer < CUSTOMERS; customer++) {
          const fields = {
            device: lowercaseHex(world.devices[device]?.address ?? ""),
            customer: lowercaseHex(world.customers[customer]?.address ?? ""),
            epoch,
            sequence: round,
            egressBytes: (TERABYTE / 10n) * BigInt(round * (1 + device + customer)) + 1n,
            storageByteSeconds: BigInt(random(1_000_000_000)) * BigInt(round),
            computeMilliseconds: BigInt(random(1_000) * round),
          };
          if (round === ROUNDS)
            owed[customer] = (owed[customer] ?? 0n) + worthOf(fields, parameters);
          const receipts = [signedReceiptToJson(world.sign(fields))];
          messages.push({
            path: "/v1/receipts",
            body: { ...envelope, receipts },
            first: random(MEMBERS),
            epoch,
            what: { receipt: fields },
            isTaken: false,
          });
        }
      }
      rounds.push(messages);
    }
    const vouchers = owed.map((value, customer): Message => {
      const amount = half[epoch - 1] === customer ? value / 2n : value;
      const signed = world.promise(epoch, amount, customer);
      return {
        path: "/v1/vouchers",
        body: signedVoucherToJson(signed),
        first: random(MEMBERS),
        epoch,
        what: { voucher: { customer: signed.voucher.customer, amount } },
        isTaken: false,
      };
    });
    return [...(manner === "reordered" ? rounds.reverse() : rounds), vouchers];
  }

  /** One member after the other, until one takes it. */
  async function deliver(message: Message): Promise<void> {
    for (let i = 0; i < MEMBERS && !message.isTaken; i++) {
      const member = (message.first + i) % MEMBERS;
      const url = members[member]?.url();
      if (url === undefined) continue;
      const copies = manner === "duplicated" ? [url, url] : [url];
      await Promise.all(copies.map((to) => post(message, member, to)));
    }
  }

  /** Of a copy that comes late a refusal is right, too. */
  async function post(
    message: Message,
    member: number,
    url: string,
    isLate = false,
  ): Promise<void> {
    const { path, body, epoch, what } = message;
    const wasOff = stage.isClockOff(member);
    let answer: Answer;
    try {
      const response = await fetch(new URL(path, url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body, (_, value) => (typeof value === "bigint" ? `${value}` : value)),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const said = (await response.json()) as Answer & { readonly results?: readonly Answer[] };
      answer = said.results?.[0] ?? said;
    } catch {
      // Down, cut off or silent: the next one.
      return;
    }
    const isTaken = answer.status === "accepted" || answer.status === "known";
    // A newer one came first.
    if (isTaken || refusalIn(answer) === "stale") message.isTaken = true;
    if (isTaken) {
      acknowledged.push({ member, epoch, ...what });
      if ("receipt" in what) onAcknowledged(member);
    }
    const isOff = wasOff && stage.isClockOff(member);
    const wrong = isLate && !isTaken ? undefined : wrongAnswer(answer, isOff);
    const kind = "receipt" in what ? "receipt" : "voucher";
    if (wrong !== undefined)
      wronged.push(`epoch ${epoch}: ${name(member)}, asked to take an honest ${kind}, ${wrong}`);
  }

  return {
    acknowledged,
    wronged,
    behave(next) {
      manner = next;
    },
    async send(epoch) {
      const rounds = messagesOf(epoch);
      if (manner === "late") copies = rounds.flat().filter(({ what }) => "receipt" in what);
      let count = 0;
      for (const messages of rounds) {
        const isOnItsWay = () => manner === "delayed" && ++count % 3 === 0;
        const now = messages.filter(() => !isOnItsWay());
        await Promise.all(now.map(deliver));
        undelivered.push(...messages.filter(({ isTaken }) => !isTaken));
      }
    },
    async repeat() {
      const again = copies;
      copies = [];
      await Promise.all(
        again.map(async (message) => {
          const member = (message.first + 1) % MEMBERS;
          const url = members[member]?.url();
          if (url !== undefined) await post(message, member, url, true);
        }),
      );
    },
    async settle() {
      const deadline = performance.now() + PATIENCE_MS;
      while (undelivered.length > 0) {
        await Promise.all(undelivered.map(deliver));
        undelivered = undelivered.filter(({ isTaken }) => !isTaken);
        if (undelivered.length === 0) return;
        if (performance.now() > deadline) {
          wronged.push(`${undelivered.length} requests were taken by nobody after the faults`);
          undelivered = [];
          return;
        }
        await sleep(AGAIN_MS);
      }
    },
  };
}

export type Answer = {
  readonly status?: string;
  readonly refusal?: string;
  readonly reason?: string;
  readonly message?: string;
};

function refusalIn({ refusal, reason }: Answer): string {
  return refusal ?? reason ?? "no reason";
}

/** What is wrong with an answer to an honest request. `isOff`: whether the member's clock is. */
export function wrongAnswer(answer: Answer, isOff: boolean): string | undefined {
  if (answer.status === "accepted" || answer.status === "known")
    return isOff ? "gave its word by a clock that is off" : undefined;
  const refusal = refusalIn(answer);
  if (refusal === "stale" || PASSING.includes(refusal)) return undefined;
  return `refused for good: ${refusal}, ${answer.message ?? ""}`;
}
