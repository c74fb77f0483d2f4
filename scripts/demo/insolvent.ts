import type { Address } from "@link-rewards/core/encoding/bytes";
import { type HDNodeWallet, Wallet } from "ethers";
import { admitCustomer, type Devnet } from "../local/devnet.ts";

/** A customer whose whole balance is on its way out of the escrow. */
export type Insolvent = { readonly wallet: HDNodeWallet; readonly key: Wallet };

/** A customer that all devices refuse, and why. */
export type RefusedCustomer = {
  readonly customer: Address;
  readonly epoch: number;
  readonly refusal: string;
  /** As one of the devices said it. */
  readonly message: string;
  readonly devices: number;
};

/** After those of customers, owners, members, new members and colluders. */
const INSOLVENT_WALLET = 21;
const BALANCE = 1_000n * 10n ** 18n;

export async function foundInsolvent(devnet: Devnet): Promise<Insolvent> {
  const wallet = devnet.wallet(INSOLVENT_WALLET);
  const key = new Wallet(Wallet.createRandom().privateKey);
  await admitCustomer(devnet, wallet, key.address, BALANCE);
  await (await devnet.suite.escrow.connect(wallet).thaw(BALANCE)).wait();
  return { wallet, key };
}
