import { createReadStream } from "node:fs";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { recover } from "@link-rewards/core/encoding/signature";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import type { Tariff } from "@link-rewards/core/law/events";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import type { DigestSigner } from "@link-rewards/host/keys";
import { NOTHING, plus } from "../amounts.ts";
import { contentTreeOf } from "../content.ts";
import { type Log, silent } from "../log.ts";
import { type Backoff, connectOracle, viewEpochs } from "../oracle-client.ts";
import { authorizationOf, sessionDigest } from "../session.ts";
import { createStopwatch } from "../stopwatch.ts";
import { openLedger, type Tally } from "./ledger.ts";
import { connectPeer, type KeptFile, type Peer } from "./peer.ts";
import {
  closeEpochs,
  deliverVouchers,
  isUnsigned,
  promiseDebts,
  type SettleParts,
  settleTally,
  unsignedTallies,
} from "./settle.ts";
import { DEFAULT_WORK, visit, type Work } from "./visit.ts";

export type GatewayOptions = {
  readonly customer: Address;
  /** One of the customer's keys. */
  readonly key: DigestSigner;
  readonly chainId: number;
  readonly registry: Address;
  readonly escrow: Address;
  readonly oracleUrl: string;
  /** Asked each round: the list of nodes may change. */
  readonly nodes: () => readonly string[] | Promise<readonly string[]>;
  /** What the customer has kept at every node, and fetches from them. */
  readonly files: readonly string[];
  /** The gateway's memory: what it verified, signed and owes. For one process at a time. */
  readonly folder: string;
  readonly tariffAt: (epoch: number) => Promise<Tariff>;
  /** What the customer has paid in all, in wei. */
  readonly collected: () => Promise<bigint>;
  /** How much of its debt for an epoch the customer promises, in ten-thousandths; without it, all. */
  readonly payBasisPoints?: (epoch: number) => number;
  readonly work?: Partial<Work>;
  readonly epochMaxAgeMilliseconds?: number;
  readonly timeoutMilliseconds?: number;
  readonly backoff?: Backoff;
  readonly log?: Log;
};

export type Visit = {
  readonly url: string;
  /** Unknown when the node did not even answer who it is. */
  readonly device: Address | undefined;
  readonly amounts: Amounts;
  readonly failures: readonly string[];
};

export type Round = { readonly epoch: number; readonly visits: readonly Visit[] };

export type Settlement = {
  readonly signed: readonly SignedReceipt[];
  /** By epoch: what the voucher promises for all epochs up to it, in wei. */
  readonly vouchers: readonly {
    readonly epoch: number;
    readonly cumulative: bigint;
    readonly delivered: boolean;
  }[];
  readonly failures: readonly string[];
};

export type RunningGateway = {
  readonly customer: Address;
  /** Uses every node once, and counts what it verified. */
  serveRound(): Promise<Round>;
  /** Signs for what is verified and not signed yet, and promises to pay for it. */
  settle(): Promise<Settlement>;
  tallies(): readonly Tally[];
  close(): Promise<void>;
};

const DEFAULT_EPOCH_MAX_AGE_MILLISECONDS = 1_000;
const DEFAULT_TIMEOUT_MILLISECONDS = 30_000;
const DEFAULT_BACKOFF: Backoff = {
  firstMilliseconds: 500,
  longestMilliseconds: 10_000,
  retries: 4,
};
const ALL = 10_000;

export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { customer, key, chainId, registry, escrow, log = silent } = options;
  const domains = {
    registry: domainSeparator(chainId, registry),
    escrow: domainSeparator(chainId, escrow),
  };
  const oracle = connectOracle({ url: options.oracleUrl, chainId, registry });
  const epochs = viewEpochs(
    oracle,
    options.epochMaxAgeMilliseconds ?? DEFAULT_EPOCH_MAX_AGE_MILLISECONDS,
  );
  const ledger = await openLedger(options.folder, customer);
  const files = await Promise.all(options.files.map(keptFile));
  const work: Work = { ...DEFAULT_WORK, ...options.work };
  const timeout = options.timeoutMilliseconds ?? DEFAULT_TIMEOUT_MILLISECONDS;
  const peerAt = (url: string) => connectPeer(url, timeout);
  const stopwatch = createStopwatch();
  const parts: SettleParts = {
    customer,
    key,
    domains,
    ledger,
    oracle,
    epochs,
    peerAt,
    tariffAt: options.tariffAt,
    collected: options.collected,
    payBasisPoints: options.payBasisPoints ?? (() => ALL),
    backoff: options.backoff ?? DEFAULT_BACKOFF,
  };

  async function authorize(device: Address, epoch: number): Promise<string> {
    const signature = await key.sign(sessionDigest(domains.registry, { device, customer, epoch }));
    return authorizationOf({ customer, epoch, signature });
  }

  async function visitNode(url: string, epoch: number): Promise<Visit> {
    let device: Address | undefined;
    try {
      const peer = peerAt(url);
      const described = await peer.describe();
      device = described.device;
      const authorization = await authorize(device, epoch);
      await keepAll(peer, authorization, described.contents);
      const tally = await tallyOf(device, epoch, url);
      const { amounts, failures } = await visit({
        peer,
        authorization,
        device,
        epoch,
        files,
        work,
        stopwatch,
      });
      tally.verified = plus(tally.verified, amounts);
      await ledger.save();
      return { url, device, amounts, failures };
    } catch (error) {
      return { url, device, amounts: NOTHING, failures: [(error as Error).message] };
    }
  }

  async function keepAll(
    peer: Peer,
    authorization: string,
    kept: readonly string[],
  ): Promise<void> {
    for (const file of files) {
      if (!kept.includes(file.contentTree.root)) await peer.keep(authorization, file);
    }
  }

  async function tallyOf(device: Address, epoch: number, url: string): Promise<Tally> {
    const known = findTally(device, epoch);
    if (known !== undefined) {
      known.url = url;
      return known;
    }
    const head = await lostHead(device, epoch);
    const totals = head?.receipt ?? NOTHING;
    // Asking took a moment, in which the same device may have been met at another address.
    const tally: Tally = findTally(device, epoch) ?? {
      epoch,
      device,
      url,
      verified: plus(NOTHING, totals),
      promised: plus(NOTHING, totals),
      next: (head?.receipt.sequence ?? 0) + 1,
      head,
    };
    if (!ledger.value.tallies.includes(tally)) ledger.value.tallies.push(tally);
    return tally;
  }

  function findTally(device: Address, epoch: number): Tally | undefined {
    return ledger.value.tallies.find((tally) => tally.device === device && tally.epoch === epoch);
  }

  /** In the epoch in which this ledger began, an older one may have signed and been lost. */
  async function lostHead(device: Address, epoch: number): Promise<SignedReceipt | undefined> {
    ledger.value.since ??= epoch;
    if (epoch > ledger.value.since) return undefined;
    const head = await oracle.head(epoch, device, customer);
    if (head === undefined) return undefined;
    const digest = receiptDigest(domains.registry, head.receipt);
    return recover(digest, head.customerSignature) === key.address ? head : undefined;
  }

  async function serveRound(): Promise<Round> {
    const epoch = await epochs.current();
    if (epoch === 0) return { epoch, visits: [] };
    const urls = await options.nodes();
    const visits = await Promise.all(urls.map((url) => visitNode(url, epoch)));
    for (const { url, device, failures } of visits) {
      for (const failure of failures) log("warn", "not-counted", { url, device, failure });
    }
    return { epoch, visits };
  }

  async function settle(): Promise<Settlement> {
    const due = await unsignedTallies(parts);
    const unsigned = await Promise.all(due.map(settleOne));
    const undelivered = await promiseDebts(parts)
      .then(() => deliverVouchers(parts))
      .catch((error: Error) => [`voucher: ${error.message}`]);
    await closeEpochs(parts);
    const failures = [...unsigned.filter((failure) => failure !== undefined), ...undelivered];
    for (const failure of failures) log("warn", "not-settled", { failure });
    return {
      signed: due.flatMap((tally) => (isUnsigned(tally) || !tally.head ? [] : [tally.head])),
      vouchers: ledger.value.debts.flatMap(({ epoch, voucher, delivered }) =>
        voucher ? [{ epoch, cumulative: voucher.voucher.cumulative, delivered }] : [],
      ),
      failures,
    };
  }

  async function settleOne(tally: Tally): Promise<string | undefined> {
    const failure = await settleTally(parts, tally).catch(
      (error: Error) => `receipt: ${error.message}`,
    );
    return failure && `${tally.url} ${failure}`;
  }

  return {
    customer,
    serveRound,
    settle,
    tallies: () => ledger.value.tallies,
    close: () => ledger.save(),
  };
}

async function keptFile(file: string): Promise<KeptFile> {
  const contentTree = await contentTreeOf(createReadStream(file));
  if (contentTree.size === 0) throw new Error(`${file} is empty: there is nothing to keep`);
  return { file, contentTree };
}
