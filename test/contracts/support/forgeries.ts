import type { Hex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { countedOf, earnedOf } from "@link-rewards/core/epoch/value";
import { indexOf, tariffAt } from "@link-rewards/core/law/law";
import { verifyReceipt } from "@link-rewards/core/law/verify";
import { registryDomain } from "@link-rewards/core/signed/deployment";
import type { Lived } from "./history.ts";
import { tablesFrom } from "./served.ts";
import {
  arrange,
  bend,
  bendReceipt,
  caseOf,
  empty,
  LAST_ADDRESS,
  MOST,
  NOBODY,
  summed,
  type TableName,
  type Tables,
} from "./tables.ts";

/** What a corrupt quorum could sign in place of lawful tables; some of it is lawful after all. */

/** A whole number below a bound. */
export type Random = (below: number) => number;

type Fault = (tables: Tables, random: Random) => Tables;

/** One or two faults, with nothing, the sums, or all that follows from them made good. */
export function forge({ court, tables }: Lived, random: Random): { what: string; tables: Tables } {
  const names: string[] = [];
  let forged = tables;
  for (let left = random(3) === 0 ? 2 : 1; left > 0; left--) {
    const [name, fault] = oneOf(Object.entries(FAULTS), random);
    forged = fault(forged, random);
    names.push(name);
  }
  const repair = random(3);
  if (repair === 2) forged = repaid(court, forged);
  if (repair > 0) forged = summed(forged);
  forged = fitted(forged);
  if (random(12) === 0) {
    forged = hollowed(forged, random);
    names.push("a zero leaf");
  }
  return { what: [...names, ["", "summed", "repaid"][repair]].join(", "), tables: forged };
}

/** Whether these are the tables that the rules make of the receipts in them. */
export function isLawful({ court }: Lived, tables: Tables): boolean {
  const { law, deployment } = court;
  const domain = registryDomain(deployment);
  const { epoch, contributions, lastRewards } = tables;
  const keys = contributions.map(({ receipt }) => `${receipt.device}${receipt.customer}`);
  if (new Set(keys).size < keys.length) return false;
  for (const row of contributions) {
    const isOfEpoch = row.receipt.epoch === epoch;
    if (!isOfEpoch || isRefused(verifyReceipt(row, { law, domain }))) return false;
  }
  const lawful = tablesFrom(law, deployment, epoch, contributions, lastRewards);
  return JSON.stringify(caseOf(lawful), asText) === JSON.stringify(caseOf(tables), asText);
}

function asText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}

/** What each row earned, and each account with it, as the lines say. */
function repaid({ law }: Lived["court"], tables: Tables): Tables {
  const { feeBps } = tariffAt(law, tables.epoch);
  const contributions = tables.contributions.map((row, i) => {
    const line = tables.invoices.find(({ contribution }) => contribution === i);
    if (line === undefined) return row;
    return { ...row, earned: earnedOf(countedOf(line.value, line.ceiling), feeBps) };
  });
  const rewards = tables.rewards.map((leaf, i) => {
    const own = contributions.filter(({ account }) => indexOf(law, account) === i);
    const before = tables.lastRewards[i]?.cumulative ?? 0n;
    return { ...leaf, cumulative: own.reduce((sum, { earned }) => sum + earned, before) };
  });
  return { ...tables, contributions, rewards };
}

/** Numbers that rows can hold. */
function fitted(tables: Tables): Tables {
  const fit = <T extends object>(row: T): T =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        typeof value === "bigint" ? BigInt.asUintN(96, value) : value,
      ]),
    ) as T;
  return {
    ...tables,
    contributions: tables.contributions.map(fit),
    invoices: tables.invoices.map(fit),
    rewards: tables.rewards.map(fit),
    total: BigInt.asUintN(96, tables.total),
  };
}

function oneOf<T>(list: readonly T[], random: Random): T {
  return list[random(list.length)] as T;
}

function amount(near: bigint, random: Random): bigint {
  const far = BigInt(random(2 ** 30)) ** 3n;
  return oneOf([near + 1n, near - 1n, near * 2n + 3n, near / 2n, 0n, MOST, far], random);
}

function number(near: number, random: Random): number {
  return oneOf([near + 1, Math.max(0, near - 1), 0, 2 ** 32 - 1, random(9)], random);
}

const address = (tables: Tables, random: Random): Hex =>
  oneOf([...tables.rewards.map(({ account }) => account), NOBODY, LAST_ADDRESS], random);

function place(tables: Tables, table: TableName, random: Random): number {
  return random(Math.max(1, tables[table].length));
}

/** The row that a line points at; of one that points beyond them the last. */
function pointedAt({ contributions, invoices }: Tables, line: number): number {
  return Math.min(invoices[line]?.contribution ?? 0, contributions.length - 1);
}

/** A fault of rows is none of a table without any. */
const ofRows =
  (table: TableName, fault: Fault): Fault =>
  (tables, random) =>
    tables[table].length === 0 ? tables : fault(tables, random);

const positionsOf = (tables: Tables, table: TableName) => [...tables[table].keys()];

function swapped(tables: Tables, table: TableName, random: Random): Tables {
  const order = positionsOf(tables, table);
  const [a, b] = [place(tables, table, random), place(tables, table, random)];
  [order[a], order[b]] = [order[b] as number, order[a] as number];
  return arrange(tables, table, order);
}

function shifted(tables: Tables, table: TableName, field: string, random: Random): Tables {
  const by = BigInt(1 + random(3));
  const move = (from: Tables, position: number, amount: bigint): Tables => {
    const value = (from[table][position] as unknown as Record<string, bigint>)[field] ?? 0n;
    return bend(from, table, position, { [field]: value + amount } as never);
  };
  const first = move(tables, place(tables, table, random), by);
  return move(first, place(tables, table, random), -by);
}

const FAULTS: Readonly<Record<string, Fault>> = {
  "a receipt bent": ofRows("contributions", (tables, random) => {
    const position = place(tables, "contributions", random);
    const { receipt } = tables.contributions[position] as Tables["contributions"][0];
    const bent = oneOf(
      [
        { device: address(tables, random) },
        { customer: address(tables, random) },
        { epoch: number(receipt.epoch, random) },
        { sequence: number(0, random) },
        { egressBytes: BigInt.asUintN(64, amount(receipt.egressBytes, random)) },
        { storageByteSeconds: BigInt.asUintN(96, amount(receipt.storageByteSeconds, random)) },
        { computeMilliseconds: BigInt.asUintN(64, amount(receipt.computeMilliseconds, random)) },
      ],
      random,
    );
    return bendReceipt(tables, position, bent);
  }),
  "a signature bent": ofRows("contributions", (tables, random) => {
    const position = place(tables, "contributions", random);
    const row = tables.contributions[position] as Tables["contributions"][0];
    const at = random(64);
    const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const bent = oneOf(
      [
        { customerSignature: flip(row.customerSignature) },
        { deviceSignature: flip(row.deviceSignature) },
        { deviceSignature: row.customerSignature },
        { customerSignature: new Uint8Array(64) },
      ],
      random,
    );
    return bend(tables, "contributions", position, bent);
  }),
  "a row bent": ofRows("contributions", (tables, random) => {
    const position = place(tables, "contributions", random);
    const row = tables.contributions[position] as Tables["contributions"][0];
    const bent = oneOf(
      [
        { account: address(tables, random) },
        { earned: amount(row.earned, random) },
        { subtotal: amount(row.subtotal, random) },
      ],
      random,
    );
    return bend(tables, "contributions", position, bent);
  }),
  "a line bent": ofRows("invoices", (tables, random) => {
    const position = place(tables, "invoices", random);
    const line = tables.invoices[position] as Tables["invoices"][0];
    const bent = oneOf(
      [
        { customer: address(tables, random) },
        { device: address(tables, random) },
        { contribution: number(line.contribution, random) },
        { value: amount(line.value, random) },
        { ceiling: amount(line.ceiling, random) },
        { subtotal: amount(line.subtotal, random) },
        { above: number(line.above, random) },
      ],
      random,
    );
    return bend(tables, "invoices", position, bent);
  }),
  "a leaf bent": (tables, random) => {
    const position = place(tables, "rewards", random);
    const leaf = tables.rewards[position] as Tables["rewards"][0];
    const bent = oneOf(
      [
        { account: address(tables, random) },
        { cumulative: amount(leaf.cumulative, random) },
        { prefix: amount(leaf.prefix, random) },
      ],
      random,
    );
    return bend(tables, "rewards", position, bent);
  },
  "a customer's ceiling moved": ofRows("invoices", (tables, random) => {
    const line = oneOf(tables.invoices, random);
    const ceiling = amount(line.ceiling, random);
    const invoices = tables.invoices.map((each) =>
      each.customer === line.customer ? { ...each, ceiling } : each,
    );
    return { ...tables, invoices };
  }),
  "the total moved": (tables, random) => ({ ...tables, total: amount(tables.total, random) }),
  "a gap between leaves": (tables, random) => {
    const first = place(tables, "rewards", random);
    const by = BigInt(1 + random(3));
    const rewards = tables.rewards.map((leaf, i) =>
      i < first ? leaf : { ...leaf, prefix: leaf.prefix + by },
    );
    return { ...tables, rewards, total: tables.total + by };
  },
  "an account robbed for another": (tables, random) => {
    const [from, to] = [place(tables, "rewards", random), place(tables, "rewards", random)];
    const loot = tables.rewards[from]?.cumulative ?? 0n;
    const robbed = bend(tables, "rewards", from, { cumulative: 0n });
    const richer = (robbed.rewards[to]?.cumulative ?? 0n) + loot;
    return summed(bend(robbed, "rewards", to, { cumulative: richer }));
  },
  "earned that cancels out": ofRows("contributions", (tables, random) =>
    shifted(tables, "contributions", "earned", random),
  ),
  "subtotals that cancel out": ofRows("contributions", (tables, random) =>
    shifted(tables, "contributions", "subtotal", random),
  ),
  "values that cancel out": ofRows("invoices", (tables, random) =>
    shifted(tables, "invoices", "value", random),
  ),
  "cumulatives that cancel out": (tables, random) =>
    shifted(tables, "rewards", "cumulative", random),
  "pointers permuted": ofRows("invoices", (tables, random) => {
    const by = 1 + random(tables.invoices.length);
    const count = tables.invoices.length;
    const invoices = tables.invoices.map((line) => ({
      ...line,
      contribution: (line.contribution + by) % count,
    }));
    return { ...tables, invoices };
  }),
  "rows in another order": ofRows("contributions", (tables, random) =>
    swapped(tables, "contributions", random),
  ),
  "lines in another order": ofRows("invoices", (tables, random) =>
    swapped(tables, "invoices", random),
  ),
  "leaves in another order": (tables, random) => swapped(tables, "rewards", random),
  "a row and its line there twice": ofRows("contributions", (tables, random) => {
    const line = place(tables, "invoices", random);
    const row = pointedAt(tables, line);
    const rows = positionsOf(tables, "contributions").toSpliced(row, 0, row);
    const lines = positionsOf(tables, "invoices").toSpliced(line, 0, line);
    const twice = arrange(arrange(tables, "contributions", rows), "invoices", lines);
    const invoices = twice.invoices.map((each, i) => ({
      ...each,
      contribution: each.contribution + (each.contribution > row || i === line ? 1 : 0),
    }));
    return { ...twice, invoices };
  }),
  "a row in place of another": ofRows("contributions", (tables, random) => {
    const order = positionsOf(tables, "contributions");
    order[place(tables, "contributions", random)] = place(tables, "contributions", random);
    return arrange(tables, "contributions", order);
  }),
  "a line in place of another": ofRows("invoices", (tables, random) => {
    const order = positionsOf(tables, "invoices");
    order[place(tables, "invoices", random)] = place(tables, "invoices", random);
    return arrange(tables, "invoices", order);
  }),
  "a row and its line dropped": ofRows("contributions", (tables, random) => {
    const line = place(tables, "invoices", random);
    const row = pointedAt(tables, line);
    const rows = positionsOf(tables, "contributions").filter((at) => at !== row);
    const lines = positionsOf(tables, "invoices").filter((at) => at !== line);
    const fewer = arrange(arrange(tables, "contributions", rows), "invoices", lines);
    const invoices = fewer.invoices.map((each) => ({
      ...each,
      contribution: each.contribution - (each.contribution > row ? 1 : 0),
    }));
    return { ...fewer, invoices };
  }),
};

/** Last of all: no sum that is made good may touch it. */
function hollowed(tables: Tables, random: Random): Tables {
  const table = oneOf(["contributions", "invoices", "rewards"] as const, random);
  if (tables[table].length === 0) return tables;
  return empty(tables, table, place(tables, table, random));
}
