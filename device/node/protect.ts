import type { Address } from "@link-rewards/core/encoding/bytes";
import type { Cover, Standing } from "../chain.ts";
import type { Log } from "../log.ts";
import type { NodeRefused } from "../refusal.ts";
import { type Exposed, type Exposure, exposedSum } from "./exposure.ts";
import type { Payment, Payments } from "./payments.ts";

/** What an owner allows customers to owe the device in all epochs that are not final and paid, in wei. */
export type Allowance = {
  readonly most: bigint;
  readonly of: ReadonlyMap<Address, bigint>;
};

/** The owner's protection against customers that do not pay. */
export type Protection = {
  allowed(customer: Address): bigint;
  /** Why this customer is not served; undefined when it is. It is told once, whenever it changes. */
  refusalOf(customer: Address, standing: Standing): NodeRefused | undefined;
  /** The same as of now, for the owner: of its cover, what was found when it came last. */
  knownRefusalOf(customer: Address): NodeRefused | undefined;
  /** In the middle of an answer: whether no more may go out. */
  isReached(customer: Address): boolean;
  /** Whether there is something to sign for, which a refused customer should still do. */
  isOwedIn(customer: Address, epoch: number): boolean;
};

/** A terabyte delivered, at the prices of the parameter sets that are shipped: 100 LTK. */
export const DEFAULT_ALLOWANCE: Allowance = { most: 100n * 10n ** 18n, of: new Map() };

export type ProtectParts = {
  readonly exposure: Pick<Exposure, "of" | "forgivenThrough">;
  readonly payments: Pick<Payments, "last" | "sealed" | "promised">;
  readonly allowance: Allowance;
  readonly log: Log;
};

export function protect({ exposure, payments, allowance, log }: ProtectParts): Protection {
  const said = new Map<Address, NodeRefused>();
  const allowed = (customer: Address) => allowance.of.get(customer) ?? allowance.most;

  /** By what it paid and owes. */
  function owing(customer: Address, exposed: readonly Exposed[]): NodeRefused | undefined {
    return (
      unpaid(payments.last(customer), exposure.forgivenThrough(customer)) ??
      unpaidSince(exposed, (each) => payments.sealed(each, customer)) ??
      overExposed(exposed, allowed(customer))
    );
  }

  function judge(customer: Address, { cover }: Standing): NodeRefused | undefined {
    const exposed = exposure.of(customer);
    const promised = (epoch: number) => payments.promised(epoch, customer);
    return owing(customer, exposed) ?? (cover && uncovered(cover, exposed, promised));
  }

  return {
    allowed,
    refusalOf(customer, standing) {
      const refused = judge(customer, standing);
      const before = said.get(customer);
      if (refused === undefined) said.delete(customer);
      else said.set(customer, refused);
      if (refused !== undefined && refused.refusal !== before?.refusal)
        log("warn", "customer-refused", { customer, ...refused });
      if (refused === undefined && before !== undefined)
        log("info", "customer-served-again", { customer });
      return refused;
    },
    knownRefusalOf(customer) {
      const last = said.get(customer);
      const known = owing(customer, exposure.of(customer));
      return known ?? (last?.refusal === "customer-uncovered" ? last : undefined);
    },
    isReached: (customer) => exposedSum(exposure.of(customer)) >= allowed(customer),
    isOwedIn: (customer, epoch) =>
      exposure.of(customer).some((each) => each.epoch >= epoch && each.state === "open"),
  };
}

function unpaid(last: Payment | undefined, forgiven: number): NodeRefused | undefined {
  if (last === undefined || last.isWhole || last.epoch <= forgiven) return undefined;
  const { epoch, paid, by } = last;
  const says = by === "oracles" ? "most oracles say that it" : "it";
  const message = `${says} paid ${paid} wei for epoch ${epoch}, which did not cover all that it was served`;
  return { refusal: "customer-unpaid", message };
}

/** What was not paid for an epoch at its seal never will be. */
function unpaidSince(
  exposed: readonly Exposed[],
  paidFor: (epoch: number) => bigint | undefined,
): NodeRefused | undefined {
  for (const { epoch, signed } of exposed) {
    const paid = paidFor(epoch);
    if (paid === undefined || paid >= signed) continue;
    const message = `it paid ${paid} wei for epoch ${epoch}, which is sealed; what it signed for here is worth ${signed}`;
    return { refusal: "customer-unpaid", message };
  }
  return undefined;
}

/** Whatever it promised others is paid out of the same balance. */
function uncovered(
  { spendable, paid }: Cover,
  exposed: readonly Exposed[],
  promisedFor: (epoch: number) => bigint,
): NodeRefused | undefined {
  let owed = 0n;
  for (const [epoch, amount] of paid) {
    const here = exposed.find((each) => each.epoch === epoch)?.worth ?? 0n;
    const promised = promisedFor(epoch);
    const due = here > promised ? here : promised;
    if (due > amount) owed += due - amount;
  }
  if (spendable > owed) return undefined;
  const message = `${spendable} wei in the escrow do not thaw, and ${owed} are owed for epochs that are not sealed`;
  return { refusal: "customer-uncovered", message };
}

function overExposed(exposed: readonly Exposed[], allowed: bigint): NodeRefused | undefined {
  const worth = exposedSum(exposed);
  if (worth < allowed) return undefined;
  const epochs = exposed.filter((each) => each.worth > 0n).map((each) => each.epoch);
  const message = `${worth} wei were served and are not final, or final and not paid (epochs ${epochs.join(", ") || "none"}); the owner allows ${allowed}`;
  return { refusal: "exposure-reached", message };
}
