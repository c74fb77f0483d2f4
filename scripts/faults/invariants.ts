import { EXIT } from "@link-rewards/host/program";
import type { Evidence, FinalEpoch } from "./evidence.ts";
import { payoutsOf } from "./payouts.ts";
import { name } from "./words.ts";

/** What must hold when all is over; each that does not, in a sentence. */
export function brokenInvariants(evidence: Evidence): readonly string[] {
  const broken = [
    ...evidence.epochs.flatMap(brokenBytes),
    ...brokenWords(evidence),
    ...brokenProposals(evidence),
    ...brokenTransactions(evidence),
    ...brokenVouchers(evidence),
    ...brokenPayouts(evidence),
  ];
  const { lastFinal, planned } = evidence;
  if (lastFinal < planned) broken.push(`only ${lastFinal} of ${planned} epochs are final`);
  return [...new Set(broken)];
}

/** All members serve the same, of which the chain has the hash. */
function brokenBytes({ epoch, bundleHash, served, unserved }: FinalEpoch): readonly string[] {
  const [first] = served;
  const textOf = (hashes: ReadonlyMap<string, string>) => [...hashes].join("\n");
  return served
    .flatMap(({ member, bundleHash: own, hashes }) => {
      if (own !== bundleHash)
        return [`epoch ${epoch}: ${name(member)} serves bundle ${own}, final is ${bundleHash}`];
      if (first === undefined || textOf(first.hashes) === textOf(hashes)) return [];
      return [`epoch ${epoch}: ${name(member)} serves other bytes than ${name(first.member)}`];
    })
    .concat(
      unserved.map(
        ({ member, reason }) =>
          `epoch ${epoch}: ${name(member)} does not serve the final bundle: ${reason}`,
      ),
    );
}

/** What was acknowledged by who is not gone is in the final bundle, or something later is. */
function brokenWords({ epochs, acknowledged, goneFrom }: Evidence): readonly string[] {
  const broken: string[] = [];
  for (const { epoch, rows } of epochs) {
    for (const word of acknowledged) {
      if (word.epoch !== epoch || !("receipt" in word)) continue;
      if ((goneFrom.get(word.member) ?? Number.POSITIVE_INFINITY) <= epoch) continue;
      const { device, customer, sequence } = word.receipt;
      const counts = rows.find(
        ({ receipt }) => receipt.device === device && receipt.customer === customer,
      );
      if (counts !== undefined && counts.receipt.sequence >= sequence) continue;
      const instead = counts === undefined ? "nothing" : `sequence ${counts.receipt.sequence}`;
      broken.push(
        `epoch ${epoch}: ${name(word.member)} acknowledged sequence ${sequence} of ${device} for ${customer}, the final bundle has ${instead}`,
      );
    }
  }
  return broken;
}

/** One for each epoch; none undone, nobody punished. */
function brokenProposals({ proposed, vetoed, revoked, slashed }: Evidence): readonly string[] {
  return [
    ...[...Map.groupBy(proposed, (epoch) => epoch)]
      .filter(([, times]) => times.length > 1)
      .map(([epoch, times]) => `epoch ${epoch} was proposed ${times.length} times`),
    ...vetoed.map((epoch) => `the report of epoch ${epoch} was vetoed`),
    ...revoked.map((epoch) => `the report of epoch ${epoch} was revoked`),
    ...slashed.map((member) => `the bond of ${member} was slashed`),
  ];
}

/** Of all that members sent and the chain has: nothing did the same as another. */
function brokenTransactions({ done }: Evidence): readonly string[] {
  return [...Map.groupBy(done, ({ member, call }) => `${member} ${call}`).values()].flatMap(
    (times) => {
      const [first] = times;
      if (first === undefined || times.length === 1 || first.name === "abandon") return [];
      return [`${name(first.member)} had the same ${first.name} mined ${times.length} times`];
    },
  );
}

/** What was promised and taken in by who collected is paid, once. */
function brokenVouchers({
  epochs,
  customers,
  acknowledged,
  collectors,
  collected,
}: Evidence): readonly string[] {
  const broken: string[] = [];
  const mostOf = (amounts: readonly bigint[]) =>
    amounts.reduce((most, amount) => (amount > most ? amount : most), 0n);
  for (const { epoch, paid: paidBy } of epochs) {
    for (const customer of customers) {
      const own = acknowledged.flatMap((word) =>
        word.epoch === epoch && "voucher" in word && word.voucher.customer === customer
          ? [{ member: word.member, amount: word.voucher.amount }]
          : [],
      );
      const promised = mostOf(own.map(({ amount }) => amount));
      const due = mostOf(
        own.filter(({ member }) => collectors[epoch - 1]?.has(member)).map(({ amount }) => amount),
      );
      const paid = paidBy.get(customer) ?? 0n;
      if (paid < due)
        broken.push(
          `epoch ${epoch}: ${customer} promised ${due} wei to who collected, paid are ${paid}`,
        );
      const taken = collected
        .filter((each) => each.epoch === epoch && each.customer === customer)
        .reduce((sum, { amount }) => sum + amount, 0n);
      if (taken !== paid || (promised > 0n && paid > promised))
        broken.push(`epoch ${epoch}: ${customer} promised ${promised} wei, ${taken} were taken`);
    }
  }
  return broken;
}

/** What was paid for each epoch is what a second computation says, in the files, on chain and in owners' hands. */
function brokenPayouts({
  epochs,
  prices,
  audit,
  claim,
  balances,
  left,
}: Evidence): readonly string[] {
  const broken: string[] = [];
  const totals = new Map<string, bigint>();
  for (const { epoch, rows, rewards, paid, released } of epochs) {
    const { byAccount, delta, fee } = payoutsOf(rows, prices, paid);
    for (const [account, earned] of byAccount)
      totals.set(account, (totals.get(account) ?? 0n) + earned);
    const listed = new Map(
      rewards.map(({ account, cumulative }) => [account as string, cumulative]),
    );
    for (const account of new Set([...totals.keys(), ...listed.keys()])) {
      const [has, expected] = [listed.get(account) ?? 0n, totals.get(account) ?? 0n];
      if (has !== expected)
        broken.push(`epoch ${epoch}: ${account} has ${has} wei in the bundle, not ${expected}`);
    }
    if (released?.delta !== delta || released.fee !== fee)
      broken.push(
        `epoch ${epoch}: released ${released?.delta} and ${released?.fee} wei of fee, not ${delta} and ${fee}`,
      );
  }
  for (const [what, ended] of [
    ["audit", audit],
    ["claim", claim],
  ] as const)
    if (ended !== undefined && ended.code !== EXIT.ok)
      broken.push(`the ${what} ended with ${ended.code}: ${ended.last}`);
  for (const [account, earned] of totals) {
    const has = balances.get(account) ?? 0n;
    if (has !== earned)
      broken.push(`${account} has ${has} wei after its claim, earned are ${earned}`);
  }
  if (epochs.length > 0 && left !== 0n)
    broken.push(`${left} wei are left in the distributor after all claims`);
  return broken;
}
