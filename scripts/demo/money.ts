import { decodeInvoices, decodeRewards } from "@link-rewards/core/epoch/records";
import { sumOf } from "@link-rewards/core/epoch/value";
import { openBundles } from "../../oracle/edge/bundles.ts";
import type { Cast } from "./cast.ts";
import type { Operator } from "./operator.ts";

/** What went into the contracts and where it is now, in wei: the two add up. */
export type Money = {
  readonly in: { readonly deposits: bigint; readonly emissionShare: bigint };
  readonly out: {
    readonly claimed: bigint;
    readonly claimable: bigint;
    readonly fees: bigint;
    readonly burned: bigint;
    readonly balances: bigint;
    readonly withdrawn: bigint;
    readonly programme: bigint;
    readonly rounding: bigint;
  };
  readonly refunded: bigint;
  readonly claims: number;
  readonly problems: readonly string[];
};

/** Rounding leaves at most this much of a contribution, once in what is earned and once in the fee. */
const ROUNDING_OF_A_CONTRIBUTION = 2n;

/** After the last epoch: every refund is taken, whatever can be claimed is counted from the public files. */
export async function countMoney(
  { devnet, customers, colluders, insolvent }: Cast,
  operator: Operator,
) {
  const { escrow, quorum, distributor, programme, token } = devnet.suite;
  const bundles = openBundles(operator.bundles);
  const latest = Number(await distributor.latestEpoch());
  const leaves = decodeRewards(await bundles.read(latest, "rewards.bin"));
  let [claimable, rows] = [0n, 0n];
  for (const { account, cumulative } of leaves)
    claimable += cumulative - (await distributor.claimed(account));
  for (let epoch = 1; epoch <= latest; epoch++)
    rows += BigInt(decodeInvoices(await bundles.read(epoch, "invoices.bin")).length);

  const payers = [...customers, colluders, insolvent].map(({ wallet }) => wallet);
  const balances = sumOf(await Promise.all(payers.map((payer) => escrow.balanceOf(payer))));
  const events = {
    deposited: await escrow.queryFilter(escrow.filters.Deposited()),
    withdrawn: await escrow.queryFilter(escrow.filters.Withdrawn()),
    settled: await escrow.queryFilter(escrow.filters.EpochSettled()),
    refunded: await escrow.queryFilter(escrow.filters.Refunded()),
    claimed: await distributor.queryFilter(distributor.filters.Claimed()),
  };
  const amounts = (of: readonly { readonly args: { readonly amount: bigint } }[]) =>
    sumOf(of.map(({ args }) => args.amount));
  const credited = sumOf(events.settled.map(({ args }) => args.credited));
  const fees = sumOf(events.settled.map(({ args }) => args.fee));
  const held = await token.balanceOf(escrow);
  const money: Omit<Money, "problems"> = {
    in: {
      deposits: amounts(events.deposited),
      emissionShare: devnet.parameters.emissionShare,
    },
    out: {
      claimed: amounts(events.claimed),
      claimable,
      fees: credited,
      burned: fees - credited,
      balances,
      withdrawn: amounts(events.withdrawn),
      programme: await token.balanceOf(programme),
      rounding: held - balances,
    },
    refunded: amounts(events.refunded),
    claims: events.claimed.length,
  };
  const waiting = sumOf(
    await Promise.all(
      [...Array(Number(await quorum.MAX_SLOTS())).keys()].map((slot) => quorum.feesOf(slot)),
    ),
  );
  const checks = [
    [sumOf(Object.values(money.in)) === sumOf(Object.values(money.out)), "tokens were lost"],
    [money.out.rounding <= ROUNDING_OF_A_CONTRIBUTION * rows, "rounding left too much"],
    [(await token.balanceOf(distributor)) === claimable, "the distributor holds something else"],
    [waiting === credited, "the quorum holds other fees than were credited"],
    [events.refunded.length > 0 && money.refunded > 0n, "nothing came back to the customers"],
  ] as const;
  return { ...money, problems: checks.flatMap(([holds, problem]) => (holds ? [] : [problem])) };
}

/** Brings back to every customer what it paid beyond what counted, as anybody can. */
export async function refundAll(
  { devnet, customers, colluders }: Cast,
  operator: Operator,
): Promise<void> {
  const keyFile = await devnet.keyFile("bystander", devnet.role("bystander"));
  for (const { address } of [...customers.map(({ wallet }) => wallet), colluders.wallet]) {
    const args = ["--bundles", operator.bundlesUrl, "--key-file", keyFile, "--json"];
    const { code, stderr } = await operator.run("refund", address, ...args);
    if (code !== 0) throw new Error(`the refund ended with ${code}: ${stderr}`);
  }
}
