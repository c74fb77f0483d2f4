import { type Address, ZERO_ADDRESS } from "../encoding/bytes.ts";
import { RESOURCES } from "../signed/receipt.ts";
import { type Hearing, objections } from "./objections.ts";
import { addressIn, amountIn, CONTRIBUTION, numberIn, type Row } from "./rows.ts";

/** A contribution and its place in its table. */
export type Contributed = {
  readonly row: Row;
  readonly position: number;
  readonly device: Address;
  /** Of the device, by the law. */
  readonly owner: Address | undefined;
};

export function contributedIn(row: Row, position: number, { law, case_ }: Hearing): Contributed {
  const device = addressIn(row, CONTRIBUTION.device);
  return { row, position, device, owner: law.ownerAt(device, case_.epoch) };
}

/** What a contribution must be by itself. */
export const contribution = objections<Contributed>({
  "its receipt is of another epoch": ({ row }, { case_ }) =>
    numberIn(row, CONTRIBUTION.epoch) !== case_.epoch,
  "its receipt has sequence 0": ({ row }) => numberIn(row, CONTRIBUTION.sequence) === 0,
  "its device earns for nobody": ({ owner }) => owner === undefined,
  "it is over what its device's class can deliver": ({ row, device }, { law, case_ }) => {
    const limit = law.limitAt(device, case_.epoch);
    return RESOURCES.some((resource) => amountIn(row, CONTRIBUTION[resource]) > limit[resource]);
  },
  "no key of its customer signed it": ({ row, position }, { law, case_, signersOfRow }) => {
    const key = signersOfRow(row, position).customer;
    const customer = addressIn(row, CONTRIBUTION.customer);
    return key === undefined || law.capAt(customer, key, case_.epoch) === 0n;
  },
  "its device did not sign it": ({ row, position, device }, { signersOfRow }) =>
    signersOfRow(row, position).device !== device,
  "its account is not its device's": ({ row, owner = ZERO_ADDRESS }) =>
    owner !== addressIn(row, CONTRIBUTION.account),
});

/** The registry looks at a P-256 key only when nothing before its signature speaks against the receipt. */
const BEFORE_THE_KEY = contribution.findIndex(({ says }) => says === "its device did not sign it");
export const beforeTheKey = contribution.slice(0, BEFORE_THE_KEY);
