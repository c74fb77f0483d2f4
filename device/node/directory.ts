import type { Address } from "@link-rewards/core/encoding/bytes";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import type { CustomerAnswer } from "@link-rewards/core/signed/answers";
import type { Standing } from "../chain.ts";
import type { Oracles } from "../oracles.ts";
import { isNodeRefused, type NodeRefused } from "../refusal.ts";
import type { StandingOf } from "./countersign.ts";
import type { Protection } from "./protect.ts";
import type { Endpoint } from "./reach.ts";

export type DirectoryParts = {
  readonly oracles: Pick<Oracles, "customers">;
  /** Without it, what the oracles say of a customer is believed as far as to serve it on credit. */
  readonly standingOf: StandingOf | undefined;
  readonly protection: Pick<Protection, "refusalOf" | "isOwedIn">;
  /** Whom the owner serves; everybody without. */
  readonly customers: readonly Address[] | undefined;
  /** In place of those that the oracles know of. */
  readonly gateways: readonly Endpoint[] | undefined;
};

/** Who the customers are, and whether the gateway of one is let in. */
export type Directory = {
  endpoints(): Promise<readonly Endpoint[]>;
  /** Undefined when the key may sign for the customer, and the customer can pay. */
  judge(customer: Address, key: Address, epoch: number): Promise<NodeRefused | undefined>;
};

/** Without the chain nothing has a price, so nothing is too much. */
export const UNKNOWN_STANDING: Standing = {
  cap: MAX_AMOUNT,
  tariff: { egressPrice: 0n, storagePrice: 0n, computePrice: 0n, feeBps: 0 },
};

/** A customer may publish several, with spaces between: no more of them are dialled. */
const MOST_ENDPOINTS_OF_A_CUSTOMER = 4;

export function openDirectory({
  oracles,
  standingOf,
  protection,
  customers,
  gateways,
}: DirectoryParts): Directory {
  let listed: readonly CustomerAnswer[] = [];

  /** Of several oracles one that knows more is enough, for it is not the last word: the chain's is, or the oracles' at the receipt. */
  function judgeByOracles(customer: Address, key: Address): NodeRefused | undefined {
    const said = listed.filter((each) => each.customer === customer);
    if (!said.some(({ keys }) => keys.some((each) => each.key === key))) {
      return { refusal: "key-unknown", message: `no oracle knows ${key} as a key of ${customer}` };
    }
    const canPay = ({ inspector, balance, thawing }: CustomerAnswer) =>
      inspector || BigInt(balance) > BigInt(thawing);
    if (said.some(canPay)) return undefined;
    return { refusal: "customer-uncovered", message: `${customer} has nothing in the escrow` };
  }

  return {
    async endpoints() {
      // Where the chain judges and the owner says where to dial, nobody else has to be asked.
      if (gateways !== undefined && standingOf !== undefined) return gateways;
      listed = await oracles.customers();
      if (gateways !== undefined) return gateways;
      return listed
        .filter(({ customer }) => customers === undefined || customers.includes(customer))
        .flatMap(({ customer, endpoint }) =>
          endpoint
            .split(/\s+/)
            .filter((url) => url !== "")
            .slice(0, MOST_ENDPOINTS_OF_A_CUSTOMER)
            .map((url) => ({ customer, url })),
        );
    },
    async judge(customer, key, epoch) {
      const standing =
        standingOf === undefined
          ? (judgeByOracles(customer, key) ?? UNKNOWN_STANDING)
          : await standingOf(customer, key, epoch);
      if (isNodeRefused(standing)) return standing;
      const refused = protection.refusalOf(customer, standing);
      // It is served no more, and should still sign for what it got: of the epoch before, too, in its grace.
      return protection.isOwedIn(customer, epoch - 1) ? undefined : refused;
    },
  };
}
