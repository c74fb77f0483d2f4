import {
  type Addressable,
  type BaseWallet,
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
  Voucher: fields("address customer,uint32 epoch,uint96 amount"),
  Report: fields(
    "uint32 epoch,uint32 attempt,bytes32 prevRoot,bytes32 root,bytes32 contributionRoot,bytes32 invoiceRoot,uint32 contributions,uint96 total,bytes32 bundleHash,bytes32 rulesHash",
  ),
  SetPayee: fields("address account,address payee,uint256 nonce,uint256 deadline"),
} as const;

export type TypeName = keyof typeof TYPES;
export type CompactSignature = { readonly r: string; readonly vs: string };

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

/** A signature of `value` for `contract`. */
export async function signFor(
  contract: Addressable | string,
  type: TypeName,
  value: object,
  wallet: BaseWallet,
): Promise<CompactSignature> {
  return signDigest(wallet, digestOf(await domainOf(contract), type, value));
}
