import { settlementOf } from "@link-rewards/client/settlement";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused, refuse } from "@link-rewards/core/encoding/refusal";
import { epochAt } from "@link-rewards/core/law/clock";
import { capAt, isCustomerAt, isInspectorAt, paid } from "@link-rewards/core/law/law";
import type {
  CustomerAnswer,
  CustomersAnswer,
  StandingAnswer,
} from "@link-rewards/core/signed/answers";
import { reasonOf } from "@link-rewards/host/chain/errors";
import type { Oracle } from "./oracle.ts";

/** Devices ask in their thousands, and a balance moves only with a block. */
const BALANCES_MS = 10_000;
/** Asked of the node at once; each is two calls. */
const ASKED_AT_ONCE = 100;
/** The newest. A customer with any number of keys must not make the list too long for devices. */
const MOST_KEYS = 32;
/** Epochs in which a customer was served that are looked at, and epochs that are gone through to find them. */
const MOST_SETTLED = 4;
const MOST_LOOKED_AT = 8;

export type Customers = {
  list(): Promise<CustomersAnswer | Refused>;
  standing(customer: Address): Promise<StandingAnswer | Refused | undefined>;
};

/** What the chain says of customers, for devices that have no node of their own. `chainSeconds` is the chain's time. */
export function createCustomers(
  oracle: Pick<Oracle, "chain" | "follower" | "bundles" | "log">,
  chainSeconds: () => number,
): Customers {
  const { chain, follower } = oracle;
  const epochNow = () => epochAt(chain.deployment, chainSeconds());
  let known:
    | { readonly name: string; readonly answer: Promise<CustomersAnswer | Refused>; until: number }
    | undefined;

  async function ask(): Promise<CustomersAnswer | Refused> {
    const law = follower.law();
    const epoch = epochNow();
    const dialled = [...law.customers]
      .filter(([address, { endpoint }]) => endpoint !== "" && isCustomerAt(law, address, epoch))
      .map(([address]) => address)
      .sort();
    return orBusy(async () => {
      const customers: CustomerAnswer[] = [];
      for (let at = 0; at < dialled.length; at += ASKED_AT_ONCE) {
        const some = dialled.slice(at, at + ASKED_AT_ONCE);
        customers.push(...(await Promise.all(some.map((each) => customerIn(oracle, each, epoch)))));
      }
      return { epoch, customers };
    });
  }

  return {
    list() {
      // Who is a customer, and where, may have changed with the epoch or with any event of the escrow.
      const name = `${epochNow()} ${follower.law().revisions.customerEscrow}`;
      if (known?.name !== name || performance.now() >= known.until) {
        const asked = { name, answer: ask(), until: performance.now() + BALANCES_MS };
        known = asked;
        // What could not be asked is asked by the next one.
        void asked.answer.then((answer) => {
          if (isRefused(answer) && known === asked) known = undefined;
        });
      }
      return known.answer;
    },
    async standing(customer) {
      const epoch = epochNow();
      if (!isCustomerAt(follower.law(), customer, epoch)) return undefined;
      return orBusy(async () => ({
        epoch,
        ...(await customerIn(oracle, customer, epoch)),
        settled: await settledBy(oracle, customer),
      }));
    },
  };
}

/** What the node does not tell is asked again later; it is nobody's fault who asks. */
async function orBusy<T>(answer: () => Promise<T>): Promise<T | Refused> {
  try {
    return await answer();
  } catch (error) {
    return refuse("busy", `the chain cannot be asked now: ${reasonOf(error)}`);
  }
}

async function customerIn(
  { chain, follower }: Pick<Oracle, "chain" | "follower">,
  customer: Address,
  epoch: number,
): Promise<CustomerAnswer> {
  const law = follower.law();
  const { escrow } = chain.suite;
  const [balance, { amount: thawing }] = await Promise.all([
    escrow.balanceOf(customer),
    escrow.thawOf(customer),
  ]);
  const { endpoint = "", caps = new Map() } = law.customers.get(customer) ?? {};
  const keys = [...caps.keys()].map((key) => ({ key, cap: capAt(law, customer, key, epoch) }));
  const signing = keys.filter(({ cap }) => cap > 0n).slice(-MOST_KEYS);
  return {
    customer,
    endpoint,
    inspector: isInspectorAt(law, customer, epoch),
    balance: balance.toString(),
    thawing: thawing.toString(),
    keys: signing.map(({ key, cap }) => ({ key, cap: cap.toString() })),
  };
}

/** Out of this member's own bundles: an epoch whose files are not here, or are others, is passed over and told. */
async function settledBy(
  { follower, bundles, log }: Pick<Oracle, "follower" | "bundles" | "log">,
  customer: Address,
): Promise<StandingAnswer["settled"]> {
  const law = follower.law();
  const settled: StandingAnswer["settled"][number][] = [];
  const { epoch: last } = law.lastFinal;
  for (let epoch = last; epoch > Math.max(0, last - MOST_LOOKED_AT); epoch--) {
    if (settled.length === MOST_SETTLED) break;
    const report = law.finals.get(epoch)?.proposal?.report;
    if (report === undefined) continue;
    try {
      const found = await settlementOf(
        (file, from, length) => bundles.range(epoch, file, from, length),
        report,
        customer,
        paid(law, customer, epoch),
      );
      if (found === undefined) throw new Error("our files do not lead to the root");
      if (found === "none") continue;
      const { counted, ceiling } = found;
      settled.push({
        epoch,
        paid: found.paid.toString(),
        counted: counted.toString(),
        ceiling: ceiling.toString(),
      });
    } catch (error) {
      log("settlement not found", { customer, epoch, reason: reasonOf(error) });
    }
  }
  return settled;
}
