import type { Address } from "@link-rewards/core/encoding/bytes";
import type { OpenEpoch } from "@link-rewards/core/law/clock";
import type { CustomerAnswer, StandingAnswer } from "@link-rewards/core/signed/answers";
import type { SignedReceipt } from "@link-rewards/core/signed/receipt";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";
import {
  connectOracle,
  type OracleClient,
  type OracleClientOptions,
  retryAfterSeconds,
  type VoucherAnswer,
} from "./oracle-client.ts";

/**
 * Several oracles, of which any may be away, hang, fall behind or lie. One that answers nonsense, or what is not signed as
 * it must be, is as good as silent: it rests, and the others are asked.
 */
export type Oracles = {
  readonly all: readonly OracleClient[];
  /** What most of those say that answer; of as many, what the one says that is named first. */
  openEpochs(): Promise<readonly OpenEpoch[]>;
  /** What each that answers says: one that hides a customer, or names another endpoint, is one among others. */
  customers(): Promise<readonly CustomerAnswer[]>;
  /** What each that answers says of one. */
  standings(customer: Address): Promise<readonly (StandingAnswer | undefined)[]>;
  /** What each that answers has been promised and not paid. Vouchers are signed: who shows more knows more. */
  vouchers(): Promise<readonly (readonly SignedVoucher[])[]>;
  /** What each that answers holds for this (epoch, device, customer). Throws when none does. */
  heads(epoch: number, device: Address, customer: Address): Promise<readonly SignedReceipt[]>;
  /** To all at once, for no signature says that one was kept: taken when one takes it, refused when none else could. */
  postVoucher(signed: SignedVoucher): Promise<VoucherAnswer>;
  /** In the order in which they were named, those that rest last; without those that asked to be left alone for now. */
  inTurn(): readonly OracleClient[];
  /** Asks one. Whatever `ask` throws is that oracle's silence. */
  hear<T>(oracle: OracleClient, ask: () => Promise<T>): Promise<T>;
  /** For one that was belied by another: it rests as if it had been silent. */
  distrust(oracle: OracleClient): void;
  /** Until the first of these may be asked again; 0: any time. */
  waitSeconds(among: readonly OracleClient[]): number;
};

/** A rest doubles with each silence in a row, and is stretched by a random part of itself. */
const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 60_000;
/** When one has answered, the others are waited for no longer: one that hangs must not hold up who asks. */
const LATE_MS = 1_000;

type Rest = { inARow: number; until: number; askedUntil: number };

export function connectOracles({
  urls,
  ...options
}: { readonly urls: readonly string[] } & Omit<OracleClientOptions, "url">): Oracles {
  const all = urls.map((url) => connectOracle({ url, ...options }));
  const rests = new Map<OracleClient, Rest>(
    all.map((oracle) => [oracle, { inARow: 0, until: 0, askedUntil: 0 }]),
  );
  const restOf = (oracle: OracleClient) => rests.get(oracle) as Rest;
  const isAwake = (oracle: OracleClient) => restOf(oracle).until <= performance.now();

  function distrust(oracle: OracleClient): void {
    const rest = restOf(oracle);
    const length = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** rest.inARow);
    rest.inARow++;
    rest.until = performance.now() + length * (1 + Math.random());
  }

  async function hear<T>(oracle: OracleClient, ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask();
      Object.assign(restOf(oracle), { inARow: 0, until: 0, askedUntil: 0 });
      return answer;
    } catch (error) {
      distrust(oracle);
      restOf(oracle).askedUntil = performance.now() + 1_000 * retryAfterSeconds(error);
      throw error;
    }
  }

  /** Of those that are awake; of all when none of these answers. */
  async function answersOf<T>(ask: (oracle: OracleClient) => Promise<T>): Promise<readonly T[]> {
    const awake = all.filter(isAwake);
    const first = await gather(awake, ask);
    if (first.answers.length > 0) return first.answers;
    const rest = all.filter((oracle) => !awake.includes(oracle));
    const { answers, errors } = await gather(rest, ask);
    if (answers.length > 0) return answers;
    throw togetherError([...first.errors, ...errors]);
  }

  function gather<T>(asked: readonly OracleClient[], ask: (oracle: OracleClient) => Promise<T>) {
    type Gathered = { readonly answers: readonly T[]; readonly errors: readonly Error[] };
    return new Promise<Gathered>((resolve) => {
      const heard = new Map<OracleClient, T>();
      const errors: Error[] = [];
      let left = asked.length;
      let late: NodeJS.Timeout | undefined;
      const finish = () => {
        clearTimeout(late);
        const answers = asked.filter((each) => heard.has(each)).map((each) => heard.get(each) as T);
        resolve({ answers, errors });
      };
      if (left === 0) finish();
      for (const oracle of asked) {
        hear(oracle, () => ask(oracle))
          .then(
            (answer) => {
              heard.set(oracle, answer);
              late ??= setTimeout(finish, LATE_MS);
            },
            (error: Error) => void errors.push(error),
          )
          .finally(() => --left === 0 && finish());
      }
    });
  }

  function waitSeconds(among: readonly OracleClient[]): number {
    const until = Math.min(...among.map((oracle) => restOf(oracle).askedUntil));
    return Math.max(0, until - performance.now()) / 1_000;
  }

  return {
    all,
    openEpochs: async () => mostSaid(await answersOf((oracle) => oracle.openEpochs())),
    customers: async () => (await answersOf((oracle) => oracle.customers())).flat(),
    standings: (customer) => answersOf((oracle) => oracle.standing(customer)),
    vouchers: () => answersOf((oracle) => oracle.vouchers()),
    async heads(epoch, device, customer) {
      const heads = await answersOf((oracle) => oracle.head(epoch, device, customer));
      return heads.filter((head) => head !== undefined);
    },
    async postVoucher(signed) {
      const { answers, errors } = await gather(all, (oracle) => oracle.postVoucher(signed));
      const taken = answers.find(({ status }) => status !== "refused");
      if (taken !== undefined) return taken;
      const refused = answers.filter((answer) => answer.status === "refused");
      if (refused[0] !== undefined && refused.length === all.length) return refused[0];
      throw Object.assign(togetherError([...errors, ...refused]), {
        retryAfterSeconds: waitSeconds(all),
      });
    },
    inTurn() {
      const now = performance.now();
      const willing = all.filter((oracle) => restOf(oracle).askedUntil <= now);
      return [...willing.filter(isAwake), ...willing.filter((oracle) => !isAwake(oracle))];
    },
    hear,
    distrust,
    waitSeconds,
  };
}

/** One whose clock is wrong by an epoch must not stop a device that has others. */
function mostSaid(answers: readonly (readonly OpenEpoch[])[]): readonly OpenEpoch[] {
  const numbers = (epochs: readonly OpenEpoch[]) => epochs.map(({ epoch }) => epoch).join();
  const votesFor = (epochs: readonly OpenEpoch[]) =>
    answers.filter((other) => numbers(other) === numbers(epochs)).length;
  const most = Math.max(...answers.map(votesFor));
  return answers.find((epochs) => votesFor(epochs) === most) ?? [];
}

function togetherError(reasons: readonly { readonly message: string }[]): Error {
  const message = reasons.map((reason) => reason.message).join("; ");
  return new Error(message || "no oracle answered in time", { cause: reasons[0] });
}
