import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import type { ContractTransactionResponse, Wallet } from "ethers";
import { MaxUint256, parseEther } from "ethers";
import {
  deployedWorld,
  from,
  GENESIS,
  goTo,
  type World,
  walletOf,
} from "../../worlds/contracts.ts";
import { type CompactSignature, signFor } from "./signing.ts";

export const GATEWAY = walletOf("gateway");
export const DEPOSIT = parseEther("1000");
export const MAX_96 = 2n ** 96n - 1n;

export const ltk = (amount: number): bigint => parseEther(amount.toString());

/** In epoch 1, the customer is admitted, has a key without a limit, and holds 1,000 LTK in the escrow. */
export async function payingWorld(): Promise<World> {
  const world = await from(deployedWorld);
  await admitCustomer(world, DEPOSIT);
  await goTo(world, GENESIS);
  return world;
}

/** Admits the customer from the next epoch on, with its gateway's key and a balance. */
export async function admitCustomer(world: World, deposit: bigint): Promise<void> {
  const { escrow, token, admission, customer } = world;
  await escrow.connect(admission).admit(customer);
  await escrow.connect(customer).setKey(GATEWAY, MAX_96);
  await token.connect(customer).approve(escrow, MaxUint256);
  await escrow.connect(customer).deposit(deposit);
}

export type Voucher = {
  readonly customer: string;
  readonly epoch: number;
  readonly amount: bigint;
};

export function voucherOf(
  { customer }: World,
  epoch: number,
  amount: number,
  change: Partial<Voucher> = {},
): Voucher {
  return { customer: customer.address, epoch, amount: ltk(amount), ...change };
}

export function signVoucher(
  { escrow }: World,
  voucher: Voucher,
  key: Wallet = GATEWAY,
): Promise<CompactSignature> {
  return signFor(escrow, "Voucher", voucher, key);
}

type Collecting = {
  readonly key?: Wallet;
  readonly by?: HardhatEthersSigner;
  readonly customer?: string;
};

/** A bystander collects what the customer promised for `epoch`: `amount` LTK in all. */
export async function collect(
  world: World,
  epoch: number,
  amount: number,
  { key = GATEWAY, by = world.bystander, customer = world.customer.address }: Collecting = {},
): Promise<ContractTransactionResponse> {
  const voucher = voucherOf(world, epoch, amount, { customer });
  return world.escrow.connect(by).collect([voucher], [await signVoucher(world, voucher, key)]);
}
