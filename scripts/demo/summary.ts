import { cp, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { lowercaseHex } from "@link-rewards/core/encoding/bytes";
import {
  CONTRIBUTION_BYTES,
  decodeContributions,
  decodeInvoices,
  decodeRewards,
} from "@link-rewards/core/epoch/records";
import { countedOf, sumOf } from "@link-rewards/core/epoch/value";
import type { Receipt } from "@link-rewards/core/signed/receipt";
import { divergenceIn } from "../../device/inspector/check.ts";
import { type Order, orderReader } from "../../device/inspector/order.ts";
import { parseRecord, recordPath } from "../../device/inspector/record.ts";
import { exactTokens, table, tokens } from "../../oracle/commands/print.ts";
import { openBundles } from "../../oracle/edge/bundles.ts";
import type { Cast, DemoCustomer } from "./cast.ts";
import type { Money } from "./money.ts";
import type { Operator } from "./operator.ts";

export type EpochSummary = {
  readonly epoch: number;
  readonly contributions: number;
  readonly value: string;
  readonly counted: string;
  readonly delta: string;
  readonly fee: string;
  readonly root: string;
  readonly contributionRoot: string;
  readonly invoiceRoot: string;
  readonly bundleHash: string;
  readonly auditAgrees: boolean;
};

/** Where the inspector's records differ from the order drawn, as who checks them finds it; undefined when nowhere. */
export async function strayedVisits(
  { chain, customers }: Cast,
  epochs: number,
): Promise<string | undefined> {
  const orderOf = orderReader(chain);
  const { folder } = customers.find(({ inspector }) => inspector) as DemoCustomer;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const record = parseRecord(await readFile(recordPath(join(folder, "turns"), epoch), "utf8"));
    const divergence = divergenceIn(record, (await orderOf(epoch)) as Order);
    if (divergence !== undefined)
      return `out of turn in epoch ${epoch}, line ${divergence.line}: ${divergence.reason}`;
  }
  return undefined;
}

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
      message?: string;
      isDamaged?: boolean;
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
    const at = 2 * CONTRIBUTION_BYTES + 55;
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await file.write(byte, 0, 1, at);
  } finally {
    await file.close();
  }
  const { code, epochs } = await audit(operator, copy);
  return { code, copy, message: epochs.find(({ isDamaged }) => isDamaged)?.message };
}

/** How the bills of a customer that paid too little for `epoch` were covered: the smallest ones in full. */
export async function coverOf(operator: Operator, { wallet }: DemoCustomer, epoch: number) {
  const bundles = openBundles(operator.bundles);
  const lines = decodeInvoices(await bundles.read(epoch, "invoices.bin")).filter(
    ({ customer }) => customer === lowercaseHex(wallet.address),
  );
  const inFull = lines.filter(({ value, ceiling }) => value <= ceiling);
  return { bills: lines.length, inFull: inFull.length, ceiling: lines[0]?.ceiling ?? 0n };
}

/** What each owner served, earned and holds, what each customer received and paid, and where all money is. */
export async function tables(
  { devnet, owners, customers }: Cast,
  operator: Operator,
  money: Money,
): Promise<string> {
  const { distributor, token, escrow } = devnet.suite;
  const bundles = openBundles(operator.bundles);
  const latest = Number(await distributor.latestEpoch());
  const served = new Map<string, Served>();
  const billed = new Map<string, Billed>();
  for (let epoch = 1; epoch <= latest; epoch++) {
    const contributions = decodeContributions(await bundles.read(epoch, "contributions.bin"));
    for (const { account, receipt } of contributions)
      served.set(account, addServed(served.get(account) ?? NOTHING_SERVED, receipt));
    for (const line of decodeInvoices(await bundles.read(epoch, "invoices.bin"))) {
      const { value, counted } = billed.get(line.customer) ?? NOTHING_BILLED;
      billed.set(line.customer, {
        value: value + line.value,
        counted: counted + countedOf(line.value, line.ceiling),
      });
    }
  }
  const leaves = decodeRewards(await bundles.read(latest, "rewards.bin"));
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
    customers.map(async ({ name, wallet }) => {
      const { value, counted } = billed.get(lowercaseHex(wallet.address)) ?? NOTHING_BILLED;
      const payments = await escrow.queryFilter(escrow.filters.VoucherCollected(wallet.address));
      const refunds = await escrow.queryFilter(escrow.filters.Refunded(wallet.address));
      return [
        name,
        tokens(value),
        tokens(sumOf(payments.map(({ args }) => args.amount))),
        tokens(counted),
        tokens(sumOf(refunds.map(({ args }) => args.amount))),
        tokens(await escrow.balanceOf(wallet.address)),
      ];
    }),
  );
  return [
    table(
      ["owner", "delivered", "kept", "computed", "earned LTK", "claimed LTK", "holds LTK"],
      ownerRows,
    ),
    table(
      ["customer", "received for LTK", "paid LTK", "counted LTK", "refund LTK", "balance LTK"],
      customerRows,
    ),
    table(
      ["all tokens", "LTK"],
      Object.entries({ ...money.in, ...money.out }).map(([place, wei]) => [
        `${place in money.in ? "in" : "now"}: ${PLACES[place as keyof typeof PLACES]}`,
        exactTokens(wei),
      ]),
    ),
  ].join("\n");
}

const PLACES = {
  deposits: "deposits of customers",
  emissionShare: "the programme's share",
  claimed: "claimed by owners",
  claimable: "claimable by owners",
  fees: "fees of members",
  burned: "fees of nobody, burned",
  balances: "balances of customers",
  withdrawn: "withdrawn by customers",
  programme: "left in the programme",
  rounding: "lost in rounding",
} as const satisfies Record<keyof Money["in"] | keyof Money["out"], string>;

type Billed = { readonly value: bigint; readonly counted: bigint };
const NOTHING_BILLED: Billed = { value: 0n, counted: 0n };

type Served = Pick<Receipt, "egressBytes" | "storageByteSeconds" | "computeMilliseconds">;

const NOTHING_SERVED: Served = { egressBytes: 0n, storageByteSeconds: 0n, computeMilliseconds: 0n };

function addServed(a: Served, b: Served): Served {
  return {
    egressBytes: a.egressBytes + b.egressBytes,
    storageByteSeconds: a.storageByteSeconds + b.storageByteSeconds,
    computeMilliseconds: a.computeMilliseconds + b.computeMilliseconds,
  };
}
