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

/** In epoch 1, the customer is admitted, has a key, and holds 1,000 LTK in the escrow. */
export async function payingWorld(): Promise<World> {
  const world = await from(deployedWorld);
  const { escrow, token, admission, customer } = world;
  await escrow.connect(admission).admit(customer);
  await escrow.connect(customer).addKey(GATEWAY);
  await token.connect(customer).approve(escrow, MaxUint256);
  await escrow.connect(customer).deposit(DEPOSIT);
  await goTo(world, GENESIS);
  return world;
}

export type Voucher = {
  readonly customer: string;
  readonly epoch: number;
  readonly cumulative: bigint;
};

export function voucherOf(
  { customer }: World,
  epoch: number,
  ltk: number,
  change: Partial<Voucher> = {},
): Voucher {
  const cumulative = parseEther(ltk.toString());
  return { customer: customer.address, epoch, cumulative, ...change };
}

export function signVoucher(
  { escrow }: World,
  voucher: Voucher,
  key: Wallet = GATEWAY,
): Promise<CompactSignature> {
  return signFor(escrow, "Voucher", voucher, key);
}

/** A bystander collects what the customer promised up to `epoch`: `ltk` in all. */
export async function collect(
  world: World,
  epoch: number,
  ltk: number,
  { key = GATEWAY, by = world.bystander }: { key?: Wallet; by?: HardhatEthersSigner } = {},
): Promise<ContractTransactionResponse> {
  const voucher = voucherOf(world, epoch, ltk);
  return world.escrow.connect(by).collect(voucher, await signVoucher(world, voucher, key));
}
