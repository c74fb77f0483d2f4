import { cp, open } from "node:fs/promises";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { decodeContributions, decodeRewards } from "@link-rewards/core/epoch/records";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { table, tokens } from "../../oracle/commands/print.ts";
import { openBundles } from "../../oracle/edge/bundles.ts";
import { auditInput, auditReport, rewardsOf } from "../../oracle/outsider/audit.ts";
import type { Cast } from "./cast.ts";
import type { Operator } from "./operator.ts";

export type EpochSummary = {
  readonly epoch: number;
  readonly contributions: number;
  readonly value: string;
  readonly counted: string;
  readonly pot: string;
  readonly root: string;
  readonly contributionRoot: string;
  readonly bundleHash: string;
  readonly auditAgrees: boolean;
};

/** `link-oracle audit all` over the public files, as an outsider runs it. */
export async function audit(operator: Operator, bundles: string) {
  const { code, stdout, stderr } = await operator.run(
    "audit",
    "all",
    "--bundles",
    bundles,
    "--json",
  );
  if (stdout === "") throw new Error(`the audit ended with ${code}: ${stderr}`);
  const { agrees, epochs } = JSON.parse(stdout) as {
    agrees: boolean;
    epochs: (Omit<EpochSummary, "auditAgrees"> & {
      verdict: string;
      divergence?: { file: string; record?: number; message: string };
    })[];
  };
  return { code, agrees, epochs };
}

/** Changes one byte of a copy and returns what the audit says of it. */
export async function auditTampered(cast: Cast, operator: Operator) {
  const copy = join(cast.devnet.folder, "tampered-bundles");
  await cp(operator.bundles, copy, { recursive: true });
  const file = await open(join(copy, "2", "contributions.bin"), "r+");
  try {
    // In the third record's bytes delivered.
    const at = 2 * 224 + 55;
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
  const { code, epochs } = await audit(operator, copy);
  return { code, divergence: epochs.find(({ verdict }) => verdict === "differs")?.divergence };
}

export type Balances = {
  readonly releasedWei: bigint;
  readonly paidWei: bigint;
  readonly claimableWei: bigint;
  readonly claims: number;
  readonly problems: readonly string[];
};

/** To the wei: what was paid out and what can be claimed is what the ledger released, and the distributor holds the rest. */
export async function checkBalances({ devnet }: Cast, operator: Operator): Promise<Balances> {
  const { ledger, distributor, token } = devnet.suite;
  const { epoch, total } = await ledger.lastFinal();
  const leaves = decodeRewards(
    await openBundles(operator.bundles).read(Number(epoch), "rewards.bin"),
  );
  let claimableWei = 0n;
  for (const { account, cumulative } of leaves) {
    claimableWei += cumulative - (await distributor.claimed(account));
  }
  const claims = await distributor.queryFilter(distributor.filters.Claimed());
  const paidWei = claims.reduce((sum, { args }) => sum + args.amount, 0n);
  const held = await token.balanceOf(await distributor.getAddress());
  const problems: string[] = [];
  if (paidWei + claimableWei !== total) {
    problems.push(
      `paid out ${paidWei} and claimable ${claimableWei} are not the released ${total} wei`,
    );
  }
  if (held !== claimableWei)
    problems.push(`the distributor holds ${held} wei, owed are ${claimableWei}`);
  return { releasedWei: total, paidWei, claimableWei, claims: claims.length, problems };
}

/** What each owner served, earned and holds, and what each customer owed and paid: recomputed from the public files. */
export async function tables(
  { devnet, chain, owners, customers }: Cast,
  operator: Operator,
): Promise<string> {
  const { distributor, token, escrow } = devnet.suite;
  const served = new Map<string, Served>();
  const owed = new Map<string, bigint>();
  const input = await auditInput(chain, operator.bundles);
  for (const { proposal } of input.law.finals.values()) {
    if (proposal === undefined) continue;
    const previous = await rewardsOf(input, proposal.report.epoch - 1);
    const { computed } = await auditReport(input, proposal.report, previous);
    const records = computed?.contributions.records ?? new Uint8Array();
    for (const [i, { account, receipt }] of decodeContributions(records).entries()) {
      const value = computed?.valued.values[i] ?? 0n;
      served.set(account, addServed(served.get(account) ?? NOTHING_SERVED, receipt));
      owed.set(receipt.customer, (owed.get(receipt.customer) ?? 0n) + value);
    }
  }
  const leaves = decodeRewards(
    await input.source.read(Number(await distributor.latestEpoch()), "rewards.bin"),
  );
  const ownerRows = await Promise.all(
    owners.map(async ({ address }, i) => {
      const account = lowercaseHex(address);
      const { egressBytes, storageByteSeconds, computeMilliseconds } =
        served.get(account) ?? NOTHING_SERVED;
      return [
        `owner ${i + 1}`,
        `${(Number(egressBytes) / 1e6).toFixed(1)} MB`,
        `${(Number(storageByteSeconds) / 1e6).toFixed(1)} MB·s`,
        `${computeMilliseconds} ms`,
        tokens(leaves.find((leaf) => leaf.account === account)?.cumulative ?? 0n),
        tokens(await distributor.claimed(address)),
        tokens(await token.balanceOf(address)),
      ];
    }),
  );
  const customerRows = await Promise.all(
    customers.map(async ({ name, wallet }) => [
      name,
      tokens(owed.get(lowercaseHex(wallet.address)) ?? 0n),
      tokens(await escrow.collected(wallet.address)),
      tokens(await escrow.balanceOf(wallet.address)),
    ]),
  );
  return [
    table(
      ["owner", "delivered", "kept", "computed", "earned LTK", "claimed LTK", "holds LTK"],
      ownerRows,
    ),
    table(["customer", "received for LTK", "paid LTK", "left in escrow LTK"], customerRows),
  ].join("\n");
}

type Served = Pick<Receipt, "egressBytes" | "storageByteSeconds" | "computeMilliseconds">;

const NOTHING_SERVED: Served = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };

function addServed(a: Served, b: Served): Served {
  return {
    egressBytes: a.egressBytes + b.egressBytes,
    storageByteSeconds: a.storageByteSeconds + b.storageByteSeconds,
    computeMilliseconds: a.computeMilliseconds + b.computeMilliseconds,
  };
}
