import { join } from "node:path";
import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import type { DeviceKey } from "@link-rewards/host/keys";
import type { Standing } from "../chain.ts";
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
import { openDirectory } from "./directory.ts";
import { nodeHttp } from "./http.ts";
import { openJobs } from "./jobs.ts";
import { createMeter } from "./meter.ts";
import { type LeftOut, type OmissionParts, watchOmissions } from "./omissions.ts";
import { type Endpoint, type Link, reachGateways } from "./reach.ts";
import { type StatusParts, serveStatus, statusOf } from "./status.ts";
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
  /** With it the status says what the device earns. */
  readonly earnings?: StatusParts["chain"];
  /** With it the device looks whether what members acknowledged is in the final epochs. */
  readonly omissions?: Pick<OmissionParts, "chain"> &
    Partial<Pick<OmissionParts, "bundlesUrls" | "everyMilliseconds">>;
  readonly tolerance?: Tolerance;
  /** What a customer may receive beyond its last signed receipt. */
  readonly credit?: Amounts;
  readonly contentLimitBytes?: number;
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
/** Without the chain nothing has a price, so nothing is too much. */
const UNKNOWN_STANDING: Standing = {
  cap: MAX_AMOUNT,
  tariff: { egressPrice: 0n, storagePrice: 0n, computePrice: 0n, feeBps: 0 },
};
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
  const contents = await openContents(join(folder, "contents"), limitBytes, log);
  const standingOf: StandingOf = rememberFor(
    options.standingMilliseconds ?? STANDING_MILLISECONDS,
    (customer, key, epoch) => `${customer}${key}${epoch}`,
    options.standingOf ?? (async () => UNKNOWN_STANDING),
  );

  const book = await openBook(folder, device);
  const words = await openWords(join(folder, "acknowledgements"), { chainId, registry });
  const meter = createMeter();
  for (const { epoch, customer, signed } of book.entries()) {
    if (signed !== undefined) meter.raise(epoch, customer, signed.receipt);
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
    tolerance: options.tolerance ?? DEFAULT_TOLERANCE,
  });
  async function countersign(draft: Draft) {
    const signed = await sign(draft);
    if (isNodeRefused(signed)) {
      log("warn", "draft-refused", { refusal: signed.refusal, message: signed.message });
    } else {
      submitter.submit(signed.receipt.epoch, signed.receipt.customer);
    }
    return signed;
  }

  const credit = options.credit ?? DEFAULT_CREDIT;
  const admit = admitter({ device, domain, book, meter, epochs, standingOf, credit });
  const about = { device, chainId, registry, ...shownKey(key) };
  const jobs = openJobs({ contents, limits: options.jobLimits ?? JOB_LIMITS, log });
  const app = nodeHttp({
    ...{ about, admit, contents, jobs, meter, epochs, countersign },
    customerAt: (session) => reach.customerAt(session),
  });
  await app.ready();
  const directory = openDirectory({
    oracles,
    standingOf: options.standingOf && standingOf,
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
  const omissions =
    options.omissions &&
    watchOmissions({
      bundlesUrls: options.oracles.map((url) => new URL("/bundles/", url).href),
      everyMilliseconds: OMISSIONS_MILLISECONDS,
      ...options.omissions,
      ...{ words, key, log },
    });
  const status = await serveStatus(folder, log, () =>
    statusOf({
      about: { device, ...shownKey(key) },
      epoch: epochs.current,
      chain: options.earnings,
      links: reach.links,
      entries: book.entries,
      leftOut: () => omissions?.found() ?? [],
    }),
  );
  log("info", "serving", { device });
  return {
    device,
    links: reach.links,
    publicKey: key.publicKey,
    receipts: book.entries,
    metered: meter.totals,
    leftOut: () => omissions?.found() ?? [],
    idle: submitter.idle,
    async close() {
      await status?.close();
      await reach.close();
      await jobs.close();
      await app.close();
      await omissions?.close();
      await submitter.close();
    },
  };
}
