import { join } from "node:path";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import type { DeviceKey } from "@link-rewards/host/keys";
import { JOB_LIMITS, type JobLimits, MOST_JOB_MILLISECONDS } from "../compute/job.ts";
import { type Log, silent } from "../log.ts";
import { type Backoff, viewEpochs } from "../oracle-client.ts";
import { connectOracles } from "../oracles.ts";
import { isNodeRefused } from "../refusal.ts";
import { rememberFor } from "../remember.ts";
import { admitter } from "./admit.ts";
import { type Entry, openBook } from "./book.ts";
import { openContents } from "./contents.ts";
import { countersigner, type Draft, type StandingOf, type Tolerance } from "./countersign.ts";
import { openDirectory, UNKNOWN_STANDING } from "./directory.ts";
import { exposedSum, openExposure } from "./exposure.ts";
import { nodeHttp } from "./http.ts";
import { openJobs } from "./jobs.ts";
import { createMeter } from "./meter.ts";
import { type LeftOut, type OmissionParts, watchOmissions } from "./omissions.ts";
import { type PaymentsChain, watchPayments } from "./payments.ts";
import { type Allowance, DEFAULT_ALLOWANCE, protect } from "./protect.ts";
import { type Endpoint, type Link, reachGateways } from "./reach.ts";
import {
  type CustomerStatus,
  customersOf,
  type Forgiven,
  type StatusParts,
  serveStatus,
  statusOf,
} from "./status.ts";
import { startSubmitter } from "./submit.ts";
import { openWords } from "./words.ts";

export type NodeOptions = {
  /** The device: its address is its identity. */
  readonly key: DeviceKey;
  readonly chainId: number;
  readonly registry: Address;
  /** URLs of oracles; the next is asked when one is silent. */
  readonly oracles: readonly string[];
  /** How long an oracle may take to answer before it counts as silent. */
  readonly oracleTimeoutMilliseconds?: number;
  /** Oracle members whose acknowledgements count; without any, whoever the answer names. */
  readonly members?: readonly Address[];
  /** The device's memory: what it has signed, and the content it keeps. For one process at a time. */
  readonly folder: string;
  /** Whom it serves, of all customers; everybody who can pay, without. */
  readonly customers?: readonly Address[];
  /** The gateways that it dials, in place of those that the oracles know of. */
  readonly gateways?: readonly Endpoint[];
  /** Whether it dials gateways in the network that it stands in. */
  readonly allowPrivateAddresses?: boolean;
  /** How long a customer's standing is used before the chain is asked again. */
  readonly standingMilliseconds?: number;
  /** How often the oracles are asked who the customers are. */
  readonly lookMilliseconds?: number;
  /** Whether a customer and its key are good in an epoch, and for how much; without it, the oracles' refusals teach. */
  readonly standingOf?: StandingOf;
  /** What customers may owe in all epochs that are not final and paid. */
  readonly allowance?: Allowance;
  /** With it the device looks by itself how final epochs were paid; without, most oracles are believed. */
  readonly payments?: {
    readonly chain: PaymentsChain;
    readonly escrow: Address;
    readonly bundlesUrls?: readonly string[];
  };
  /** How often it looks. */
  readonly paymentsMilliseconds?: number;
  /** With it the status says what the device earns. */
  readonly earnings?: StatusParts["chain"];
  /** With it the device looks whether what members acknowledged is in the final epochs. */
  readonly omissions?: Pick<OmissionParts, "chain"> &
    Partial<Pick<OmissionParts, "bundlesUrls" | "everyMilliseconds">>;
  readonly tolerance?: Tolerance;
  /** What a customer may receive beyond its last signed receipt. */
  readonly credit?: Amounts;
  readonly contentLimitBytes?: number;
  /** What customers' content leaves free on the disk. */
  readonly keepFreeBytes?: number;
  /** Of the process that a customer's job runs in. */
  readonly jobLimits?: JobLimits;
  /** How long the oracles' word on the epoch is used before it is asked again. */
  readonly epochMaxAgeMilliseconds?: number;
  /** Of handing in at the oracles, and of dialling gateways. */
  readonly backoff?: Backoff;
  readonly log?: Log;
};

export type RunningNode = {
  readonly device: Address;
  readonly publicKey: Hex;
  /** How it stands with each gateway. */
  links(): readonly Link[];
  /** What is signed, and what became of it. */
  receipts(): readonly Entry[];
  metered(epoch: number, customer: Address): Amounts;
  /** What members acknowledged and left out, as far as was seen since the start. */
  leftOut(): readonly LeftOut[];
  /** How customers stand with the device. */
  customers(): readonly CustomerStatus[];
  /** Forgets what a customer did not pay of the epochs that are final. */
  forgive(customer: Address): Promise<Forgiven>;
  /** Looks now how the last final epochs were paid. */
  lookAtPayments(): Promise<void>;
  /** Resolves when every signed receipt is acknowledged or refused for good. */
  idle(): Promise<void>;
  close(): Promise<void>;
};

/** What may be under way when a receipt is drafted: four ranges, a gigabyte kept for a second, the longest job. */
const DEFAULT_TOLERANCE: Tolerance = {
  percent: 5n,
  least: {
    egressBytes: 1n << 20n,
    storageByteSeconds: 10n ** 9n,
    computeMilliseconds: BigInt(MOST_JOB_MILLISECONDS),
  },
};
/** 4 GiB sent, a terabyte kept for a quarter of an hour, an hour of computing. */
const DEFAULT_CREDIT: Amounts = {
  egressBytes: 1n << 32n,
  storageByteSeconds: 10n ** 15n,
  computeMilliseconds: 3_600_000n,
};
const DEFAULT_CONTENT_LIMIT_BYTES = 2 ** 33;
const DEFAULT_EPOCH_MAX_AGE_MILLISECONDS = 1_000;
const STANDING_MILLISECONDS = 30_000;
/** Epochs last hours, and what they left out can be proven for longer. */
const OMISSIONS_MILLISECONDS = 600_000;
const DEFAULT_BACKOFF: Backoff = {
  firstMilliseconds: 1_000,
  longestMilliseconds: 60_000,
  retries: Number.POSITIVE_INFINITY,
};

/** With a P-256 key nobody can check the device's signatures who does not have its public key. */
export function shownKey({ publicKey }: Pick<DeviceKey, "publicKey">): { publicKey?: Hex } {
  return publicKey === NO_PUBLIC_KEY ? {} : { publicKey };
}

export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { key, chainId, registry, folder, log = silent } = options;
  const device = key.address;
  const domain = domainSeparator(chainId, registry);
  const oracles = connectOracles({
    urls: options.oracles,
    chainId,
    registry,
    timeoutMilliseconds: options.oracleTimeoutMilliseconds,
  });
  const maxAge = options.epochMaxAgeMilliseconds ?? DEFAULT_EPOCH_MAX_AGE_MILLISECONDS;
  const epochs = viewEpochs(oracles, maxAge);
  const limitBytes = options.contentLimitBytes ?? DEFAULT_CONTENT_LIMIT_BYTES;
  const { keepFreeBytes = 0 } = options;
  const contents = await openContents(join(folder, "contents"), { limitBytes, keepFreeBytes }, log);
  const tolerance = options.tolerance ?? DEFAULT_TOLERANCE;
  const standingOf: StandingOf = rememberFor(
    options.standingMilliseconds ?? STANDING_MILLISECONDS,
    (customer, key, epoch) => `${customer}${key}${epoch}`,
    async (customer, key, epoch) => {
      const standing = (await options.standingOf?.(customer, key, epoch)) ?? UNKNOWN_STANDING;
      if (options.standingOf && !isNodeRefused(standing)) exposure.price(epoch, standing.tariff);
      return standing;
    },
  );

  const book = await openBook(folder, device);
  const exposure = await openExposure(folder, device, { tolerance, log });
  const words = await openWords(join(folder, "acknowledgements"), { chainId, registry });
  const meter = createMeter(exposure.serve);
  for (const { epoch, customer, served } of exposure.served()) meter.raise(epoch, customer, served);
  for (const { epoch, customer, signed } of book.entries()) {
    if (signed === undefined) continue;
    meter.raise(epoch, customer, signed.receipt);
    exposure.sign(signed.receipt);
  }

  const { members = [], backoff = DEFAULT_BACKOFF } = options;
  const submitter = startSubmitter({ book, words, oracles, domain, key, members, backoff, log });
  const sign = countersigner({
    key,
    domain,
    book,
    meter,
    oracles,
    epochs,
    standingOf,
    tolerance,
  });
  async function countersign(draft: Draft) {
    const signed = await sign(draft).catch((error: Error) => {
      log("warn", "draft-not-signed", { reason: error.message });
      throw error;
    });
    if (isNodeRefused(signed)) {
      log("warn", "draft-refused", { refusal: signed.refusal, message: signed.message });
    } else {
      exposure.sign(signed.receipt);
      submitter.submit(signed.receipt.epoch, signed.receipt.customer);
    }
    return signed;
  }

  const { payments: asked } = options;
  const bundlesUrls = options.oracles.map((url) => new URL("/bundles/", url).href);
  const payments = watchPayments({
    ...{ device, exposure, oracles, log },
    chain: asked?.chain,
    escrowDomain: asked && domainSeparator(chainId, asked.escrow),
    bundlesUrls: asked?.bundlesUrls ?? bundlesUrls,
    epoch: epochs.current,
    customers: () => reach.links().map(({ customer }) => customer),
    everyMilliseconds: options.paymentsMilliseconds,
  });
  const { allowance = DEFAULT_ALLOWANCE } = options;
  const protection = protect({ exposure, payments, allowance, log });
  const credit = options.credit ?? DEFAULT_CREDIT;
  const admit = admitter({ device, domain, book, meter, epochs, standingOf, credit, protection });
  const about = { device, chainId, registry, ...shownKey(key) };
  const jobs = openJobs({ contents, limits: options.jobLimits ?? JOB_LIMITS, log });
  const app = nodeHttp({
    ...{ about, admit, contents, jobs, meter, epochs, countersign },
    isReached: protection.isReached,
    customerAt: (session) => reach.customerAt(session),
  });
  await app.ready();
  const directory = openDirectory({
    oracles,
    standingOf: options.standingOf && standingOf,
    protection,
    customers: options.customers,
    gateways: options.gateways,
  });
  const reach = reachGateways({
    server: app.server,
    endpoints: directory.endpoints,
    end: { key, domain, epoch: epochs.current, judge: directory.judge },
    allowPrivate: options.allowPrivateAddresses ?? false,
    everyMilliseconds: options.lookMilliseconds,
    backoff: options.backoff,
    log,
  });
  submitter.resume();
  payments.begin();
  const omissions =
    options.omissions &&
    watchOmissions({
      bundlesUrls,
      everyMilliseconds: OMISSIONS_MILLISECONDS,
      ...options.omissions,
      ...{ words, key, log },
    });
  const status = await serveStatus(folder, log, {
    look: () =>
      statusOf({
        about: { device, ...shownKey(key) },
        epoch: epochs.current,
        chain: options.earnings,
        links: reach.links,
        customers: () => customersOf({ exposure, payments, protection, links: reach.links }),
        entries: book.entries,
        leftOut: () => omissions?.found() ?? [],
      }),
    forgive,
  });
  async function forgive(customer: Address): Promise<Forgiven> {
    const through = payments.lastFinal();
    const worth = exposedSum(exposure.of(customer).filter(({ epoch }) => epoch <= through));
    await exposure.forgive(customer, through);
    log("info", "forgiven", { customer, through, worth: worth.toString() });
    return { customer, through, worth: worth.toString() };
  }
  log("info", "serving", { device });
  return {
    device,
    links: reach.links,
    publicKey: key.publicKey,
    receipts: book.entries,
    metered: meter.totals,
    leftOut: () => omissions?.found() ?? [],
    idle: submitter.idle,
    customers: () => customersOf({ exposure, payments, protection, links: reach.links }),
    forgive,
    lookAtPayments: payments.look,
    async close() {
      await status?.close();
      await payments.close();
      await reach.close();
      await jobs.close();
      await app.close();
      await omissions?.close();
      await submitter.close();
      await exposure.close();
    },
  };
}
