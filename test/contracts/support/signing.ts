import { p256 } from "@noble/curves/nist.js";
import {
  type Addressable,
  type BaseWallet,
  dataSlice,
  getAddress,
  getBytes,
  hexlify,
  keccak256,
  resolveAddress,
  type TypedDataDomain,
  TypedDataEncoder,
} from "ethers";

/** Written out a second time on purpose: the tests hold the contracts to the design, not to the oracle's tables. */
export const TYPES = {
  Receipt: fields(
    "address device,address customer,uint32 epoch,uint32 sequence,uint64 egressBytes,uint96 storageByteSeconds,uint64 computeMilliseconds",
  ),
  Bind: fields("address device,address account,uint64 nonce,uint256 deadline"),
  Acknowledgement: fields("bytes32 root,uint32 receipts,uint64 storedAt"),
  Voucher: fields("address customer,uint32 epoch,uint96 amount"),
  Report: fields(
    "uint32 epoch,uint32 attempt,bytes32 prevRoot,bytes32 root,bytes32 contributionRoot,bytes32 invoiceRoot,uint32 contributions,uint96 total,bytes32 bundleHash,bytes32 rulesHash",
  ),
  SetPayee: fields("address account,address payee,uint256 nonce,uint256 deadline"),
} as const;

export type TypeName = keyof typeof TYPES;
export type CompactSignature = { readonly r: string; readonly vs: string };
export type DeviceSignature = CompactSignature & { readonly publicKey: string };

/** A P-256 key as a device may have one, in place of a wallet's. */
export type P256Wallet = {
  readonly address: string;
  /** x ‖ y. */
  readonly publicKey: string;
  readonly secret: Uint8Array;
};
export type DeviceWallet = BaseWallet | P256Wallet;

export const CHAIN_ID = 31337;

function fields(list: string): { type: string; name: string }[] {
  return list.split(",").map((field) => {
    const [type = "", name = ""] = field.split(" ");
    return { type, name };
  });
}

export async function domainOf(
  contract: Addressable | string,
  chainId = CHAIN_ID,
): Promise<TypedDataDomain> {
  const verifyingContract = await resolveAddress(contract);
  return { name: "LinkRewards", version: "1", chainId, verifyingContract };
}

export function digestOf(domain: TypedDataDomain, type: TypeName, value: object): string {
  return TypedDataEncoder.hash(domain, { [type]: TYPES[type] }, value);
}

export function signDigest(wallet: BaseWallet, digest: string): CompactSignature {
  const { r, yParityAndS } = wallet.signingKey.sign(digest);
  return { r, vs: yParityAndS };
}

export function p256WalletOf(secret: Uint8Array): P256Wallet {
  const publicKey = hexlify(p256.getPublicKey(secret, false).slice(1));
  return { address: getAddress(dataSlice(keccak256(publicKey), 12)), publicKey, secret };
}

export function isP256(device: DeviceWallet): device is P256Wallet {
  return "secret" in device;
}

/** Over the SHA-256 of the digest where the key is P-256, and the same bytes in every run. */
export function signDigestAsDevice(device: DeviceWallet, digest: string): DeviceSignature {
  if (!isP256(device)) return { ...signDigest(device, digest), publicKey: "0x" };
  const signature = p256.sign(getBytes(digest), device.secret, { prehash: true, lowS: true });
  return {
    r: dataSlice(signature, 0, 32),
    vs: dataSlice(signature, 32),
    publicKey: device.publicKey,
  };
}

/** A device's signature of `value` for `contract`. */
export async function signAsDevice(
  contract: Addressable | string,
  type: TypeName,
  value: object,
  device: DeviceWallet,
): Promise<DeviceSignature> {
  return signDigestAsDevice(device, digestOf(await domainOf(contract), type, value));
}

/** A signature of `value` for `contract`. */
export async function signFor(
  contract: Addressable | string,
  type: TypeName,
  value: object,
  wallet: BaseWallet,
): Promise<CompactSignature> {
  return signDigest(wallet, digestOf(await domainOf(contract), type, value));
}
