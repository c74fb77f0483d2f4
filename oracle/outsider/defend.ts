import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { DemandNode } from "@link-rewards/core/judge/answer";
import { caseOf, termsOf } from "@link-rewards/core/judge/case";
import type { Chain } from "@link-rewards/host/chain/chain";
import { reasonOf } from "@link-rewards/host/chain/errors";
import type { Call, Sender } from "@link-rewards/host/transactions";
import type { BundleSource } from "../edge/bundles.ts";
import {
  type Answered,
  answerWaiting,
  type Bond,
  bondFor,
  demandableUntil,
  nameOf,
  nodeOf,
  openDemands,
  readDemandTerms,
  type WaitingDemand,
  withdrawOwed,
} from "../edge/demands.ts";
import { encodeEvidence } from "../edge/evidence.ts";
import { type Look, mirrorOf, type Watched } from "./watch.ts";

/** What became of a transaction. A watcher goes on in any case: whether the report is gone, its next look tells. */
export type Sent = { readonly transaction: string } | { readonly notSent: string };

/** What was done about one report. */
export type Defence = {
  readonly watched: Watched;
  readonly conviction?: Sent;
  readonly demands: readonly (DemandNode & Sent)[];
  readonly silence?: DemandNode & Sent;
  readonly answers: readonly Answered[];
};

export type Defences = {
  readonly reports: readonly Defence[];
  /** Bonds of reports that were undone otherwise. */
  readonly reclaimed: readonly (DemandNode & Sent)[];
  /** In wei of the chain's coin. */
  readonly withdrawn: bigint;
};

export type Defender = { act(look: Look): Promise<Defences> };

export type DefenceTerms = {
  readonly chain: Chain;
  readonly mirrors: readonly BundleSource[];
  readonly sender: Sender;
  /** The most that may be bonded at a time, in wei of the chain's coin. */
  readonly demandLimit: bigint;
  readonly log: (event: string, details: Record<string, unknown>) => void;
};

/** The base fee of the next block is at most an eighth higher, and a demand may wait for some blocks. */
const BASE_FEE_PERCENT = 150n;
/** A bond rises with the time, so that of a demand that is mined later is sent; what is too much is owed back. */
const MINED_WITHIN_SECONDS = 120;

/**
 * Acts on what a watcher found: convicts, demands what is hidden, revokes for silence, answers what is demanded of reports
 * that agree, and takes its bonds back. Without memory: what it has demanded is on chain.
 */
export function createDefender({
  chain,
  mirrors,
  sender,
  demandLimit,
  log,
}: DefenceTerms): Defender {
  const { demands, ledger } = chain.suite;
  const reader = openDemands(chain);
  const own = lowercaseHex(sender.address);

  async function send(purpose: string, call: () => Promise<Call>): Promise<Sent> {
    try {
      const { hash, outcome } = await sender.send(purpose, await call());
      return outcome === "mined" ? { transaction: hash } : { notSent: `${hash} was reverted` };
    } catch (error) {
      // Somebody was faster, or the node is down. A veto in between saves nobody: the evidence holds all the same.
      return { notSent: reasonOf(error) };
    }
  }

  const convict = ({ open: { digest, report }, unlawful }: Watched) =>
    unlawful &&
    send(`convict/${digest}`, () =>
      ledger.convict.populateTransaction(report, encodeEvidence(unlawful.evidence)),
    );

  /**
   * As many as may be bonded, in the order in which they are wanted. What its own demands before will show may make more
   * of them needless, so it waits for that; for a stranger's it does not.
   */
  async function demandWanted(
    { open, waiting, wanted }: Watched,
    { law, now }: Look,
    bonded: bigint,
  ): Promise<readonly (DemandNode & Sent)[]> {
    if (wanted.length === 0 || waiting.some(({ by }) => by === own)) return [];
    const { report, digest } = open;
    const terms = await readDemandTerms(chain);
    const block = await chain.provider.getBlock("latest");
    const timestamp = Math.max(now, block?.timestamp ?? 0) + MINED_WITHIN_SECONDS;
    const baseFee = ((block?.baseFeePerGas ?? 0n) * BASE_FEE_PERCENT) / 100n;
    const until = demandableUntil(open, terms);
    const case_ = caseOf(report, law);
    let left = demandLimit - bonded;
    const sent: (DemandNode & Sent)[] = [];
    for (const node of wanted) {
      const { rows } = termsOf(case_, node.table);
      const value = bondFor(open, node, rows, terms, { timestamp, baseFee });
      if (now > until) {
        sent.push({ ...node, notSent: `nothing can be demanded since ${until}` });
      } else if (value > left) {
        sent.push({
          ...node,
          notSent: `its bond of ${value} wei is over what --demand-limit leaves`,
        });
      } else {
        left -= value;
        const call = () => demands.demand.populateTransaction(report, nodeOf(node), { value });
        sent.push({ ...node, ...(await send(`demand/${digest}/${nameOf(node)}`, call)) });
      }
    }
    return sent;
  }

  /** One is enough to have the report revoked. */
  async function showSilence(
    { open, waiting }: Watched,
    { now }: Look,
  ): Promise<(DemandNode & Sent) | undefined> {
    const { report, digest } = open;
    const overdue = waiting.find(({ due }) => due < now);
    if (overdue === undefined) return undefined;
    const { node } = overdue;
    const call = () => demands.silence.populateTransaction(report, nodeOf(node));
    return { ...node, ...(await send(`silence/${digest}/${nameOf(node)}`, call)) };
  }

  async function answer(
    waiting: readonly WaitingDemand[],
    { law }: Look,
  ): Promise<readonly Answered[]> {
    try {
      return await answerWaiting(chain, sender, waiting, {
        law,
        readerOf: async (report) =>
          (await mirrorOf(mirrors, report))?.named(report.epoch, report.bundleHash),
        isDue: () => true,
        mayGoOn: async () => true,
        log,
      });
    } catch (error) {
      log("demands cannot be answered", { reason: reasonOf(error) });
      return [];
    }
  }

  async function defend(watched: Watched, look: Look, bonded: bigint): Promise<Defence> {
    const { verdict, search, waiting } = watched;
    const none = { watched, demands: [], answers: [] };
    if (verdict.verdict === "agrees") return { ...none, answers: await answer(waiting, look) };
    const conviction = await convict(watched);
    if (conviction !== undefined) return { ...none, conviction };
    // It is not this watcher who takes the bonds of those that signed what is lawful.
    if (search?.kind === "lawful") return none;
    const silence = await showSilence(watched, look);
    if (silence !== undefined) return { ...none, silence };
    return { ...none, demands: await demandWanted(watched, look, bonded) };
  }

  /** Of reports that are gone. */
  async function reclaim(bonds: readonly Bond[]): Promise<(DemandNode & Sent)[]> {
    const reclaimed: (DemandNode & Sent)[] = [];
    for (const { digest, node } of bonds) {
      if ((await ledger.openUntil(digest)) !== 0n) continue;
      const call = () => demands.reclaim.populateTransaction(digest, nodeOf(node));
      reclaimed.push({ ...node, ...(await send(`reclaim/${digest}/${nameOf(node)}`, call)) });
    }
    return reclaimed;
  }

  return {
    async act(look: Look): Promise<Defences> {
      let bonds = await reader.bondsOf(own);
      const reports: Defence[] = [];
      for (const watched of look.reports) {
        const bonded = bonds.reduce((sum, { bond }) => sum + bond, 0n);
        const defence = await defend(watched, look, bonded);
        reports.push(defence);
        if (defence.demands.length > 0 || defence.conviction || defence.silence)
          bonds = await reader.bondsOf(own);
      }
      const reclaimed = await reclaim(bonds);
      // Others' too, of which one is enough: as long as they count, what is demanded now may be answered later.
      reclaimed.push(...(await reclaim(await reader.strays())));
      return { reports, reclaimed, withdrawn: await withdrawOwed(chain, sender) };
    },
  };
}
