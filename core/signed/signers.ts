import { type Address, fromHex, type Hex, toHex, ZERO_ADDRESS } from "../encoding/bytes.ts";
import { BYTES_OF } from "../encoding/fields.ts";
import {
  type PublicKeys,
  type VerifyP256,
  verifyP256 as verifyP256Pure,
} from "../encoding/p256.ts";
import { type Recover, recover as recoverPure, SIGNATURE_BYTES } from "../encoding/signature.ts";
import { HASH_BYTES } from "../encoding/tree.ts";
import { RECEIPT_BYTES, receiptDigests, type SignedReceipt } from "./receipt.ts";

/**
 * Who signed a receipt, as far as its signatures are any; core/law/verify.ts applies the law to it. Of a device whose key
 * is P-256, `device` is its address when it signed, else undefined.
 */
export type Signers = {
  readonly customer: Address | undefined;
  readonly device: Address | undefined;
};

/** One after the other: the address of the customer's key, the device's. Zeros: that signature is none. */
const ADDRESS_BYTES = BYTES_OF.address;
export const SIGNERS_BYTES = 2 * ADDRESS_BYTES;

/** What signatures are checked with. An edge may bring faster ones. */
export type Curves = { readonly recover: Recover; readonly verifyP256: VerifyP256 };

export const PURE_CURVES: Curves = { recover: recoverPure, verifyP256: verifyP256Pure };

/** Recovered when asked for: the second recovery is saved where the first already refuses. */
export function signersOf(
  digest: Uint8Array,
  signed: SignedReceipt,
  publicKeys: PublicKeys,
  curves: Curves = PURE_CURVES,
): Signers {
  const { receipt, customerSignature, deviceSignature } = signed;
  return {
    get customer() {
      return curves.recover(digest, customerSignature);
    },
    get device() {
      return deviceSigner(digest, deviceSignature, receipt.device, publicKeys, curves);
    },
  };
}

/** Which curve it is says the law, through `publicKeys`, and nothing that the sender says. */
function deviceSigner(
  digest: Uint8Array,
  signature: Uint8Array,
  device: Address | undefined,
  publicKeys: PublicKeys,
  { recover, verifyP256 }: Curves,
): Address | undefined {
  const publicKey = device && publicKeys.get(device);
  if (publicKey === undefined) return recover(digest, signature);
  return verifyP256(digest, signature, publicKey) ? device : undefined;
}

/** Records of one size, each beginning with a packed signed receipt. */
export type SignedRecords = {
  readonly records: Uint8Array;
  readonly recordBytes: number;
  /** The DeviceRegistry's. */
  readonly domain: Uint8Array;
  /** At least those of the records' devices. */
  readonly publicKeys: PublicKeys;
  /** The receipts' digests, 32 bytes each, where they are known already. */
  readonly digests?: Uint8Array | undefined;
  /**
   * Where the device did not sign, the customer's is left zeros: of a stranger's forgeries, which name devices and cannot
   * sign for them, one of two signatures is looked at. Not for a judge, who is asked about either.
   */
  readonly deviceDecides?: boolean | undefined;
};

/** Those of the records' devices alone: what has to go along to another thread, where there is no law. */
export function publicKeysAmong({
  records,
  recordBytes,
  publicKeys,
}: Pick<SignedRecords, "records" | "recordBytes" | "publicKeys">): ReadonlyMap<Address, Hex> {
  const among = new Map<Address, Hex>();
  if (publicKeys.size === 0) return among;
  for (let first = 0; first < records.length; first += recordBytes) {
    const device = deviceOf(records, first);
    const publicKey = publicKeys.get(device);
    if (publicKey !== undefined) among.set(device, publicKey);
  }
  return among;
}

/** As {@link recoverSigners}, wherever it is done: on other threads, or together with what others asked for. */
export type SignerRecovery = (
  signed: SignedRecords,
  onProgress?: (done: number, total: number) => void,
) => Promise<Uint8Array>;

/** Whose key signed a digest, wherever it is found out; undefined: nobody's. */
export type KeyRecovery = (
  digest: Uint8Array,
  signature: Uint8Array,
) => Promise<Address | undefined>;

/**
 * The signers of packed receipts, 40 bytes for each: nearly all the time that verifying takes, and nothing of the law in
 * it, so that it can be done elsewhere, in any number of pieces.
 */
export function recoverSigners(
  {
    records,
    recordBytes,
    domain,
    publicKeys,
    digests: known,
    deviceDecides = false,
  }: SignedRecords,
  curves: Curves = PURE_CURVES,
): Uint8Array {
  const count = Math.floor(records.length / recordBytes);
  const digests = known ?? receiptDigests(domain, records, recordBytes);
  const signers = new Uint8Array(count * SIGNERS_BYTES);
  const write = (offset: number, signer: Address | undefined) => {
    if (signer !== undefined) signers.set(fromHex(signer), offset);
  };
  for (let i = 0; i < count; i++) {
    const digest = digests.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
    const first = i * recordBytes + RECEIPT_BYTES;
    const second = first + SIGNATURE_BYTES;
    const signature = records.subarray(second, second + SIGNATURE_BYTES);
    const device = deviceOf(records, i * recordBytes);
    const signer = deviceSigner(digest, signature, device, publicKeys, curves);
    write(i * SIGNERS_BYTES + ADDRESS_BYTES, signer);
    if (deviceDecides && signer !== device) continue;
    write(i * SIGNERS_BYTES, curves.recover(digest, records.subarray(first, second)));
  }
  return signers;
}

/** A receipt begins with its device. */
function deviceOf(records: Uint8Array, offset: number): Address {
  return toHex(records.subarray(offset, offset + ADDRESS_BYTES));
}

/** The signers of record `i`. */
export function signersAt(signers: Uint8Array, i: number): Signers {
  return {
    customer: signerAt(signers, i * SIGNERS_BYTES),
    device: signerAt(signers, i * SIGNERS_BYTES + ADDRESS_BYTES),
  };
}

function signerAt(signers: Uint8Array, offset: number): Address | undefined {
  const signer = toHex(signers.subarray(offset, offset + ADDRESS_BYTES));
  // No key's address: it would be a preimage of zeros under keccak.
  return signer === ZERO_ADDRESS ? undefined : signer;
}
