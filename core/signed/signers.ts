import { type Address, fromHex, toHex, ZERO_ADDRESS } from "../encoding/bytes.ts";
import { BYTES_OF } from "../encoding/fields.ts";
import { type Recover, recover as recoverPure, SIGNATURE_BYTES } from "../encoding/signature.ts";
import { HASH_BYTES } from "../encoding/tree.ts";
import { RECEIPT_BYTES, receiptDigests, type SignedReceipt } from "./receipt.ts";

/** Who signed a receipt, as far as its signatures are any. core/law/verify.ts applies the law to it. */
export type Signers = {
  readonly customer: Address | undefined;
  readonly device: Address | undefined;
};

/** One after the other: the address of the customer's key, the device's. Zeros: that signature is none. */
const ADDRESS_BYTES = BYTES_OF.address;
export const SIGNERS_BYTES = 2 * ADDRESS_BYTES;

/** Recovered when asked for: the second recovery is saved where the first already refuses. */
export function signersOf(digest: Uint8Array, signed: SignedReceipt, recover: Recover): Signers {
  return {
    get customer() {
      return recover(digest, signed.customerSignature);
    },
    get device() {
      return recover(digest, signed.deviceSignature);
    },
  };
}

/** Records of one size, each beginning with a packed signed receipt. */
export type SignedRecords = {
  readonly records: Uint8Array;
  readonly recordBytes: number;
  /** The DeviceRegistry's. */
  readonly domain: Uint8Array;
  /** The receipts' digests, 32 bytes each, where they are known already. */
  readonly digests?: Uint8Array | undefined;
};

/** As {@link recoverSigners}, wherever it is done: on other threads, or together with what others asked for. */
export type SignerRecovery = (
  signed: SignedRecords,
  onProgress?: (done: number, total: number) => void,
) => Promise<Uint8Array>;

/**
 * The signers of packed receipts, 40 bytes for each: nearly all the time that verifying takes, and nothing of the law in
 * it, so that it can be done elsewhere, in any number of pieces.
 */
export function recoverSigners(
  { records, recordBytes, domain, digests: known }: SignedRecords,
  recover: Recover = recoverPure,
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
    write(i * SIGNERS_BYTES, recover(digest, records.subarray(first, second)));
    write(
      i * SIGNERS_BYTES + ADDRESS_BYTES,
      recover(digest, records.subarray(second, second + SIGNATURE_BYTES)),
    );
  }
  return signers;
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
