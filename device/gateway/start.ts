import { createReadStream } from "node:fs";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import type { SignedReceipt } from "@link-rewards/core/signed/receipt";
import type { DigestSigner } from "@link-rewards/host/keys";
import { MOST_JOB_MILLISECONDS } from "../compute/job.ts";
import { contentTreeOf } from "../content.ts";
import { type Log, silent } from "../log.ts";
import { type Backoff, viewEpochs } from "../oracle-client.ts";
import { connectOracles } from "../oracles.ts";
import { createStopwatch } from "../stopwatch.ts";
import type { BudgetParts } from "./budget.ts";
import { type Deliveries, openDeliveries } from "./deliver.ts";
import { type Dispatch, openDispatch } from "./dispatch.ts";
import type { Door, LinkedDevice } from "./door.ts";
import { type JobFiles, openWorkshop } from "./jobs.ts";
import { openLedger, type Tally } from "./ledger.ts";
import { connectPeer, type KeptFile } from "./peer.ts";
import { placer } from "./placement.ts";
import { openPlaces } from "./places.ts";
import { openPurchases } from "./purchases.ts";
import { type BuyerParts, type Round, roundServer } from "./round.ts";
import {
  closeEpochs,
  coveredTallies,
  deliverVouchers,
  isUnsigned,
  promiseDrafts,
  settleTally,
  unsignedTallies,
} from "./settle.ts";
import { DEFAULT_WORK, type Work } from "./visit.ts";

export type GatewayOptions = {
  readonly customer: Address;
  /** One of the customer's keys. */
  readonly key: DigestSigner;
  readonly chainId: number;
  readonly registry: Address;
  readonly escrow: Address;
  /** URLs of oracles: they say which epoch it is, and all of them are handed the vouchers. */
  readonly oracles: readonly string[];
  /** Where devices dial in. */
  readonly door: Pick<Door, "devices" | "device">;
  /** What the customer has kept at devices, and fetches from them. */
  readonly files: readonly string[];
  /** On how many devices each is kept. */
  readonly replicas?: number;
  /** How the next device is chosen: the nearest, as it was measured, when not given. */
  readonly dispatch?: Dispatch;
  /** How long a device may be away before what it keeps is copied to another. */
  readonly goneMilliseconds?: number;
  /** For how long a device that lost a content is not given it again. */
  readonly againMilliseconds?: number;
  /** How long a device may take for a chunk that a user waits for. */
  readonly stallMilliseconds?: number;
  /** What nodes compute for the customer, each from the files of a module and of an input. */
  readonly jobs?: readonly GatewayJob[];
  /** A folder for their answers. */
  readonly answers?: string;
  /** The gateway's memory: what it verified, signed and owes. For one process at a time. */
  readonly folder: string;
  readonly chain: BudgetParts["chain"];
  /** How much of its debt for an epoch the customer promises, in ten-thousandths; without it, all. */
  readonly payBasisPoints?: (epoch: number) => number;
  readonly work?: Partial<Work>;
  readonly epochMaxAgeMilliseconds?: number;
  readonly timeoutMilliseconds?: number;
  readonly backoff?: Backoff;
  readonly log?: Log;
};

/** Of whoever buys by visiting devices. */
export type BuyerOptions = Omit<
  GatewayOptions,
  "replicas" | "dispatch" | "goneMilliseconds" | "againMilliseconds" | "stallMilliseconds"
>;

export type GatewayJob = {
  readonly module: string;
  readonly input: string;
  readonly milliseconds: number;
};

export type Settlement = {
  readonly signed: readonly SignedReceipt[];
  /** By epoch, in wei. */
  readonly vouchers: readonly {
    readonly epoch: number;
    readonly amount: bigint;
    readonly delivered: boolean;
  }[];
  readonly failures: readonly string[];
};

/** What whoever buys of devices does with what it verified. */
export type Trade = {
  /** Signs for what is verified and not signed yet, and promises to pay for it. */
  settle(): Promise<Settlement>;
  tallies(): readonly Tally[];
};

export type RunningGateway = Trade & {
  readonly customer: Address;
  /** Uses every node once, and counts what it verified. */
  serveRound(): Promise<Round>;
  readonly files: readonly KeptFile[];
  /** For the customer's users: see deliver.ts. */
  readonly deliver: Deliveries["deliver"];
  /** Ends when all that was asked of devices is in the ledger. */
  close(): Promise<void>;
};

export const DEFAULT_REPLICAS = 3;
const DEFAULT_EPOCH_MAX_AGE_MILLISECONDS = 1_000;
const DEFAULT_TIMEOUT_MILLISECONDS = 30_000;
const DEFAULT_BACKOFF: Backoff = {
  firstMilliseconds: 500,
  longestMilliseconds: 10_000,
  retries: 4,
};
const ALL = 10_000;

export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const parts = await buyerParts(options, { inspector: false });
  const { files, ledger, log } = parts;
  const { dispatch = openDispatch() } = options;
  const places = openPlaces({
    files,
    replicas: options.replicas ?? DEFAULT_REPLICAS,
    goneMilliseconds: options.goneMilliseconds,
    againMilliseconds: options.againMilliseconds,
    log,
  });
  const deliveries = openDeliveries({
    ...{ ...parts, places, dispatch },
    stallMilliseconds: options.stallMilliseconds,
  });
  const place = placer({ files, places, dispatch, log });
  return {
    customer: options.customer,
    serveRound: roundServer({ ...parts, places, place }),
    ...trade(parts),
    files,
    deliver: deliveries.deliver,
    async close() {
      await deliveries.idle();
      await ledger.save();
    },
  };
}

/** `inspector`: the programme pays, and not a balance. */
export async function buyerParts(
  options: BuyerOptions,
  { inspector }: Pick<BudgetParts, "inspector">,
): Promise<BuyerParts> {
  const { customer, key, chainId, registry, escrow, chain, log = silent } = options;
  const oracles = connectOracles({ urls: options.oracles, chainId, registry });
  const epochs = viewEpochs(
    oracles,
    options.epochMaxAgeMilliseconds ?? DEFAULT_EPOCH_MAX_AGE_MILLISECONDS,
  );
  const ledger = await openLedger(options.folder, customer);
  const files = await Promise.all(options.files.map(keptFile));
  const jobs = await Promise.all((options.jobs ?? []).map(jobFiles));
  const timeout = options.timeoutMilliseconds ?? DEFAULT_TIMEOUT_MILLISECONDS;
  const connect = (linked: LinkedDevice) => connectPeer(linked, timeout);
  const parts = {
    customer,
    key,
    domains: {
      registry: domainSeparator(chainId, registry),
      escrow: domainSeparator(chainId, escrow),
    },
    ledger,
    oracles,
    epochs,
    peerOf(device: Address) {
      const linked = options.door.device(device);
      return linked && connect(linked);
    },
    chain,
    inspector,
    payBasisPoints: options.payBasisPoints ?? (() => ALL),
    backoff: options.backoff ?? DEFAULT_BACKOFF,
  };
  return {
    ...parts,
    ...{ connect, linked: options.door.devices, files, jobs, log },
    purchases: openPurchases(parts),
    workshop: openWorkshop({ log, answers: options.answers }),
    work: { ...DEFAULT_WORK, ...options.work },
    stopwatch: createStopwatch(),
  };
}

export function trade(parts: BuyerParts): Trade {
  const { ledger, log } = parts;

  async function settle(): Promise<Settlement> {
    const due = await unsignedTallies(parts);
    const { covered, failures: uncovered } = await coveredTallies(parts, due).catch(
      (error: Error) => ({ covered: [], failures: [`receipt: ${error.message}`] }),
    );
    const unsigned = await Promise.all(covered.map(settleOne));
    const unpaid = await payDebts();
    const failures = [...uncovered, ...unsigned.filter((each) => each !== undefined), ...unpaid];
    for (const failure of failures) log("warn", "not-settled", { failure });
    return {
      signed: due.flatMap((tally) => (isUnsigned(tally) || !tally.head ? [] : [tally.head])),
      vouchers: ledger.value.promised.map(({ voucher: { epoch, amount }, delivered }) => ({
        epoch,
        amount,
        delivered,
      })),
      failures,
    };
  }

  async function settleOne(tally: Tally): Promise<string | undefined> {
    const failure = await settleTally(parts, tally).catch(
      (error: Error) => `receipt: ${error.message}`,
    );
    return failure && `${tally.device} ${failure}`;
  }

  async function payDebts(): Promise<readonly string[]> {
    try {
      await promiseDrafts(parts);
      const undelivered = await deliverVouchers(parts);
      await closeEpochs(parts);
      return undelivered;
    } catch (error) {
      return [`voucher: ${(error as Error).message}`];
    }
  }

  return { settle, tallies: () => ledger.value.tallies };
}

async function keptFile(file: string): Promise<KeptFile> {
  const contentTree = await contentTreeOf(createReadStream(file));
  if (contentTree.size === 0) throw new Error(`${file} is empty: there is nothing to keep`);
  return { file, contentTree };
}

async function jobFiles({ module, input, milliseconds }: GatewayJob): Promise<JobFiles> {
  if (!Number.isInteger(milliseconds) || milliseconds < 1 || milliseconds > MOST_JOB_MILLISECONDS)
    throw new Error(`a job is worth 1 to ${MOST_JOB_MILLISECONDS} milliseconds`);
  return { module: await keptFile(module), input: await keptFile(input), milliseconds };
}
