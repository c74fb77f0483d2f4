import { type Address, fromHex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { escrowDomain, registryDomain } from "@link-rewards/core/signed/deployment";
import { receiptDigest } from "@link-rewards/core/signed/receipt";
import { voucherDigest } from "@link-rewards/core/signed/voucher";
import type { Chain } from "@link-rewards/host/chain/chain";
import { type HDNodeWallet, Wallet } from "ethers";
import { connectOracle } from "../../device/oracle-client.ts";
import { admitCustomer, bindDevices, type Devnet } from "../local/devnet.ts";
import { type LocalDevice, newDevice } from "../local/local-device.ts";
import type { Operator } from "./operator.ts";

/** Somebody who is a customer and owns a device, and whose device serves nobody but itself. */
export type Colluders = {
  readonly wallet: HDNodeWallet;
  readonly device: LocalDevice;
  readonly key: Wallet;
  /** What they put into the escrow, in wei. */
  readonly began: bigint;
};

/** After those of customers, owners, members and new members. */
const COLLUDERS_WALLET = 20;
const BEGAN = 1_000n * 10n ** 18n;
/** Worth all they have, at the demo's tariff. */
const PRETENDED_BYTES = 10n ** 9n;

export async function foundColluders(devnet: Devnet): Promise<Colluders> {
  const wallet = devnet.wallet(COLLUDERS_WALLET);
  const device = newDevice();
  const key = new Wallet(Wallet.createRandom().privateKey);
  await bindDevices(devnet, [{ key: device, account: wallet.address }]);
  await admitCustomer(devnet, wallet, key.address, BEGAN);
  return { wallet, device, key, began: BEGAN };
}

/** They sign for service that never happened, and pay for it: nothing tells that from real service. */
export async function collude(
  { wallet, device, key, began }: Colluders,
  { deployment }: Chain,
  { url }: Operator,
  epoch: number,
): Promise<void> {
  const { chainId, contracts } = deployment;
  const oracle = connectOracle({ url, chainId, registry: contracts.deviceRegistry });
  const customer: Address = lowercaseHex(wallet.address);
  const receipt = {
    device: device.address,
    customer,
    epoch,
    sequence: 1,
    egressBytes: PRETENDED_BYTES,
    storageByteSeconds: 0n,
    computeMilliseconds: 0n,
  };
  const digest = receiptDigest(registryDomain(deployment), receipt);
  const voucher = { customer, epoch, amount: began };
  const answers = [
    await oracle.postReceipt({
      receipt,
      customerSignature: signWith(key, digest),
      deviceSignature: device.sign(digest),
    }),
    await oracle.postVoucher({
      voucher,
      signature: signWith(key, voucherDigest(escrowDomain(deployment), voucher)),
    }),
  ];
  for (const answer of answers) {
    if (answer.status === "refused") throw new Error(`${answer.refusal}: ${answer.message}`);
  }
}

/** They take out whatever is left: what they claimed, and after a thaw what they did not spend. */
export async function cashOut({ wallet }: Colluders, devnet: Devnet): Promise<bigint> {
  const { escrow, token } = devnet.suite;
  const balance = await escrow.balanceOf(wallet);
  if (balance > 0n) {
    await (await escrow.connect(wallet).thaw(balance)).wait();
    await devnet.warpTo((await devnet.now()) + devnet.parameters.thawSeconds);
    await (await escrow.connect(wallet).withdraw()).wait();
  }
  return token.balanceOf(wallet);
}

function signWith({ privateKey }: Wallet, digest: Uint8Array): Uint8Array {
  return sign(digest, fromHex(lowercaseHex(privateKey)));
}
