import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import type { Demands, IDemands } from "@link-rewards/contracts/types/Demands";
import type { EpochLedger } from "@link-rewards/contracts/types/EpochLedger";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { PAGE_LEVELS, PAGE_RECORDS } from "@link-rewards/core/epoch/records";
import { type Answer, answerFromFiles, type DemandNode } from "@link-rewards/core/judge/answer";
import { caseOf, termsOf } from "@link-rewards/core/judge/case";
import { JUDGED_TABLES } from "@link-rewards/core/judge/evidence";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import type { Block } from "@link-rewards/core/law/block";
import type { RawLog } from "@link-rewards/core/law/decode-log";
import type { Law, Proposal } from "@link-rewards/core/law/law";
import type { Report } from "@link-rewards/core/signed/report";
import type { Call, Sender } from "@link-rewards/host/transactions";
import { isError, type JsonRpcProvider, ZeroAddress, zeroPadValue } from "ethers";

/** What is asked of the chain: of chain.ts, which is no room of this one. */
type DemandsChain = {
  readonly provider: JsonRpcProvider;
  readonly suite: { readonly demands: Demands; readonly ledger: EpochLedger };
  readonly deployment: { readonly contracts: { readonly demands: Address } };
  readonly startBlock: number;
  head(): Promise<Block>;
  block(number: number): Promise<Block | undefined>;
  logs(
    filter: { readonly address: Address; readonly topics?: readonly (Hex | null)[] },
    from: number,
    to: number,
  ): AsyncIterable<{ readonly logs: readonly RawLog[] }>;
};

/** The end of a window while a demand waits for its answer: 2^40 − 1. */
export const WAITING = 2 ** 40 - 1;

/** A report that can be convicted, and of which rows can be demanded. */
export type OpenReport = Proposal & {
  /** When its window ends, unix seconds; WAITING while a demand waits for its answer. */
  readonly openUntil: number;
  /** How many demands wait. */
  readonly waiting: number;
  /** Unix seconds; 0 before the first. */
  readonly lastAnswer: number;
  readonly isPending: boolean;
};

export type Demanded = {
  readonly node: DemandNode;
  readonly by: Address;
  /** Unix seconds. */
  readonly due: number;
  /** In wei of the chain's coin. */
  readonly bond: bigint;
};

export type ShownRow = {
  readonly node: DemandNode;
  readonly row: Hex;
  readonly proof: readonly Hex[];
};
export type ShownPage = { readonly node: DemandNode; readonly hashes: readonly Hex[] };

/** All that was demanded of one report and shown, in the order of the chain. */
export type DemandHistory = {
  readonly demanded: readonly Demanded[];
  readonly rows: readonly ShownRow[];
  readonly pages: readonly ShownPage[];
};

const NOTHING_DEMANDED: DemandHistory = { demanded: [], rows: [], pages: [] };

export type DemandReader = {
  /** The reports of the law that are open at the head: the pending one and vetoed ones. */
  open(law: Law): Promise<readonly OpenReport[]>;
  history(report: OpenReport): Promise<DemandHistory>;
  /** Demands of one account, of all reports, that have not ended. */
  bondsOf(account: Address): Promise<readonly Bond[]>;
  /** One of each report that was undone and of which demands still count: they put off what is demanded now. */
  strays(): Promise<readonly Bond[]>;
};

/** A demand that has not ended. */
export type Bond = Demanded & { readonly digest: Hex };

export function openDemands(chain: DemandsChain): DemandReader {
  const { demands, ledger } = chain.suite;
  const address = chain.deployment.contracts.demands;
  const firstBlocks = new Map<Hex, number>();
  /** Vetoed reports of epochs that are final, whose windows are over: nothing opens them again. */
  const over = new Set<Hex>();

  async function openReport(proposal: Proposal, isPending: boolean) {
    const { digest } = proposal;
    const [openUntil, [waiting, lastAnswer]] = await Promise.all([
      ledger.openUntil(digest),
      demands.queueOf(digest),
    ]);
    return {
      ...proposal,
      openUntil: Number(openUntil),
      waiting: Number(waiting),
      lastAnswer: Number(lastAnswer),
      isPending,
    };
  }

  /** Nothing is demanded before a report is proposed: a window before its end. */
  async function firstBlockOf({ digest, finalizableAt }: Proposal, head: Block): Promise<number> {
    const known = firstBlocks.get(digest);
    if (known !== undefined) return known;
    const proposedAt = Number(finalizableAt - (await ledger.windowSeconds()));
    const blockAt = async (number: number) => {
      const block = await chain.block(number);
      if (block === undefined) throw new Error(`the RPC node does not have block ${number}`);
      return block;
    };
    const before = await lastBlockBefore(blockAt, proposedAt, chain.startBlock, head);
    const first = before === undefined ? head.number : before.number + 1;
    firstBlocks.set(digest, first);
    return first;
  }

  async function parsedLogs(topics: readonly (Hex | null)[], from: number, to: number) {
    const parsed = [];
    for await (const { logs } of chain.logs({ address, topics }, from, to)) {
      for (const log of logs) {
        const event = demands.interface.parseLog(log);
        if (event !== null) parsed.push(event);
      }
    }
    return parsed;
  }

  /** By whoever is in the topic, or by all. */
  async function bonds(by: Hex | null): Promise<readonly Bond[]> {
    const head = await chain.head();
    const { topicHash } = demands.interface.getEvent("Demanded");
    const made = await parsedLogs([topicHash as Hex, null, by], chain.startBlock, head.number);
    const found = made.map(({ args }) => ({ ...demandedIn(args), digest: args.digest as Hex }));
    const states = await Promise.all(
      found.map(({ digest, node }) => demands.demandOf(digest, nodeOf(node))),
    );
    return found.filter((_, i) => states[i]?.by !== ZeroAddress);
  }

  return {
    async open(law) {
      const vetoed = [...law.vetoed.values()].filter(({ digest }) => !over.has(digest));
      const reports = await Promise.all([
        ...(law.pending === undefined ? [] : [openReport(law.pending, true)]),
        ...vetoed.map((proposal) => openReport(proposal, false)),
      ]);
      for (const { digest, report, openUntil, isPending } of reports)
        if (!isPending && openUntil === 0 && report.epoch <= law.lastFinal.epoch) over.add(digest);
      return reports.filter(({ openUntil }) => openUntil !== 0);
    },

    async history(report) {
      if (report.waiting === 0 && report.lastAnswer === 0) return NOTHING_DEMANDED;
      const head = await chain.head();
      const from = await firstBlockOf(report, head);
      const demanded: Demanded[] = [];
      const rows: ShownRow[] = [];
      const pages: ShownPage[] = [];
      for (const { name, args } of await parsedLogs([null, report.digest], from, head.number)) {
        if (name === "Demanded") demanded.push(demandedIn(args));
        const node = nodeIn(args.node);
        if (name === "RowShown") rows.push({ node, row: args.row, proof: [...args.proof] });
        if (name === "PageShown") pages.push({ node, hashes: [...args.hashes] });
      }
      return { demanded, rows, pages };
    },

    bondsOf: (account) => bonds(zeroPadValue(account, 32) as Hex),
    async strays() {
      const found = new Map<Hex, Bond>();
      for (const bond of await bonds(null)) {
        const { digest } = bond;
        if (found.has(digest) || (await ledger.openUntil(digest)) !== 0n) continue;
        const { open } = await demands.queueOf(digest);
        if (open !== 0n) found.set(digest, bond);
      }
      return [...found.values()];
    },
  };
}

/** Those of a report that wait for their answers. */
export function waitingIn(
  of: OpenReport,
  { demanded, rows, pages }: DemandHistory,
): readonly WaitingDemand[] {
  const shown = new Set([...rows, ...pages].map(({ node }) => nameOf(node)));
  return demanded
    .map((demand, number) => ({ ...demand, of, number }))
    .filter(({ node }) => !shown.has(nameOf(node)));
}

/** In logs and as a transaction's purpose: one node has one name. */
export function nameOf({ table, level, position }: DemandNode): string {
  return `${table}/${level}/${position}`;
}

/** As the contract takes it. */
export function nodeOf({ table, level, position }: DemandNode): IDemands.NodeStruct {
  return { table: JUDGED_TABLES.indexOf(table), level, position };
}

/** `number`: how many demands of that report came before. */
/** What a demand takes, in seconds, wei of the chain's coin, and gas: fixed for ever. */
export type DemandTerms = {
  readonly answerSeconds: number;
  readonly windowSeconds: number;
  readonly minimumBond: bigint;
  readonly rowGas: bigint;
  readonly hashGas: bigint;
};

export async function readDemandTerms({
  suite: { demands, ledger },
}: Pick<DemandsChain, "suite">): Promise<DemandTerms> {
  const [answerSeconds, windowSeconds, minimumBond, rowGas, hashGas] = await Promise.all([
    demands.answerSeconds(),
    ledger.windowSeconds(),
    demands.minimumBond(),
    demands.ROW_GAS(),
    demands.HASH_GAS(),
  ]);
  return {
    answerSeconds: Number(answerSeconds),
    windowSeconds: Number(windowSeconds),
    minimumBond,
    rowGas,
    hashGas,
  };
}

function halfOf({ finalizableAt }: Proposal, { windowSeconds }: DemandTerms): number {
  return Number(finalizableAt) - Math.floor(windowSeconds / 2);
}

/** Until when something can be demanded of a report, in unix seconds. */
export function demandableUntil(open: OpenReport, terms: DemandTerms): number {
  const { lastAnswer } = open;
  return Math.max(halfOf(open, terms), lastAnswer === 0 ? 0 : lastAnswer + terms.answerSeconds);
}

/**
 * The bond that the contract takes at that time and base fee, in wei. Not asked of the contract: a call that pays nothing
 * may be told that the base fee is 0. `rows`: those of the table.
 */
export function bondFor(
  open: Proposal,
  { level, position }: DemandNode,
  rows: number,
  terms: DemandTerms,
  { timestamp, baseFee }: { readonly timestamp: number; readonly baseFee: bigint },
): bigint {
  const nodes = Math.ceil(rows / 2 ** (level - PAGE_LEVELS));
  const hashes = level === 0 ? 0 : Math.min(PAGE_RECORDS, nodes - PAGE_RECORDS * position);
  const gas = terms.rowGas + terms.hashGas * BigInt(hashes);
  const past = Math.max(0, timestamp - halfOf(open, terms));
  const steps = BigInt(1 + Math.ceil(past / terms.answerSeconds));
  const least = 2n * gas * baseFee;
  return (least > terms.minimumBond ? least : terms.minimumBond) * steps;
}

export type WaitingDemand = Demanded & { readonly of: OpenReport; readonly number: number };

export type Answered = {
  readonly epoch: number;
  readonly attempt: number;
  readonly node: DemandNode;
  readonly transaction: Hex;
};

export type Answering = {
  readonly law: Law;
  /** The bundle that the report names; undefined when it is not here. */
  readonly readerOf: (report: Report) => Promise<RangeReader | undefined>;
  /** Whose turn it is: asked again and again, so that what is due first goes first as soon as it may. */
  readonly isDue: (demand: WaitingDemand) => boolean;
  /** Asked before each transaction. */
  readonly mayGoOn: () => Promise<boolean>;
  readonly log: (event: string, details: Record<string, unknown>) => void;
};

/**
 * Answers what waits, the earliest due first, as far as the bundles are here. Each answer is checked here against the
 * report's root, and the chain is asked whether the demand still waits: somebody else may have been faster.
 */
export async function answerWaiting(
  chain: DemandsChain,
  sender: Sender,
  waiting: readonly WaitingDemand[],
  { law, readerOf, isDue, mayGoOn, log }: Answering,
): Promise<readonly Answered[]> {
  const answered: Answered[] = [];
  const left = [...waiting].sort((a, b) => a.due - b.due);
  for (;;) {
    const next = left.findIndex(isDue);
    if (next < 0) return answered;
    const [{ of: open, node, due }] = left.splice(next, 1) as [WaitingDemand];
    const { epoch, attempt } = open.report;
    const facts = { epoch, attempt, node: nameOf(node), due };
    const read = await readerOf(open.report);
    if (read === undefined) continue;
    const answer = await findAnswer(read, law, open.report, node);
    if (answer === undefined) {
      log("demand not answered: the files here do not lead to the root", facts);
      continue;
    }
    if (!(await mayGoOn())) return answered;
    const sent = await sendAnswer(chain, sender, open, node, answer);
    log(sent.answered ? "demand answered" : "demand not answered", { ...facts, ...sent });
    if (sent.answered) answered.push({ epoch, attempt, node, transaction: sent.transaction });
  }
}

async function findAnswer(
  read: RangeReader,
  law: Law,
  report: Report,
  node: DemandNode,
): Promise<Answer | undefined> {
  try {
    return await answerFromFiles(read, termsOf(caseOf(report, law), node.table), node);
  } catch {
    // A file that is cut off leads nowhere either. What else waits is answered all the same.
    return undefined;
  }
}

type Sent =
  | { readonly answered: true; readonly transaction: Hex }
  | { readonly answered: false; readonly reason: string };

/** A refusal is of this answer alone, as when somebody else was faster; a node that is down is thrown. */
async function sendAnswer(
  { suite: { demands } }: DemandsChain,
  sender: Sender,
  { report, digest }: OpenReport,
  node: DemandNode,
  answer: Answer,
): Promise<Sent> {
  const { by } = await demands.demandOf(digest, nodeOf(node));
  if (by === ZeroAddress) return { answered: false, reason: "somebody else has answered" };
  const call = await answerCall(demands, report, node, answer);
  try {
    const { hash, outcome } = await sender.send(`answer/${digest}/${nameOf(node)}`, call);
    if (outcome === "mined") return { answered: true, transaction: hash };
    return { answered: false, reason: `${hash} was reverted` };
  } catch (error) {
    if (!isError(error, "CALL_EXCEPTION")) throw error;
    return { answered: false, reason: error.revert?.name ?? error.shortMessage };
  }
}

function answerCall(
  demands: Demands,
  report: Report,
  node: DemandNode,
  answer: Answer,
): Promise<Call> {
  const proof = [...answer.proof];
  return "row" in answer
    ? demands.answerRow.populateTransaction(report, nodeOf(node), answer.row, proof)
    : demands.answerPage.populateTransaction(report, nodeOf(node), [...answer.hashes], proof);
}

/** What is owed is taken out once it is so many times what taking it costs. */
const WORTH_WITHDRAWING = 5n;

/** Takes out what came back of this sender's bonds, when it is worth it: so much, in wei of the chain's coin. */
export async function withdrawOwed(
  { suite: { demands }, provider }: DemandsChain,
  sender: Sender,
): Promise<bigint> {
  const owed = await demands.owedTo(sender.address);
  if (owed === 0n) return 0n;
  const [gas, { gasPrice, maxFeePerGas }] = await Promise.all([
    demands.withdraw.estimateGas({ from: sender.address }),
    provider.getFeeData(),
  ]);
  if (owed < WORTH_WITHDRAWING * gas * (gasPrice ?? maxFeePerGas ?? 0n)) return 0n;
  const call = await demands.withdraw.populateTransaction();
  const { outcome } = await sender.send("withdraw/demands", { ...call, brings: owed });
  return outcome === "mined" ? owed : 0n;
}

function demandedIn(args: Record<string, unknown>): Demanded {
  return {
    node: nodeIn(args.node as ContractNode),
    by: lowercaseHex(args.by as string),
    due: Number(args.due),
    bond: args.bond as bigint,
  };
}

type ContractNode = {
  readonly table: bigint;
  readonly level: bigint;
  readonly position: bigint;
};

function nodeIn({ table, level, position }: ContractNode): DemandNode {
  return {
    table: JUDGED_TABLES[Number(table)] as DemandNode["table"],
    level: Number(level),
    position: Number(position),
  };
}
