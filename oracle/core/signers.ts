import { type Address, fromHex, toHex, ZERO_ADDRESS } from "./bytes.ts";
import { BYTES_OF } from "./fields.ts";
import { RECEIPT_BYTES, receiptDigests, type SignedReceipt } from "./receipt.ts";
import { type Recover, recover as recoverPure, SIGNATURE_BYTES } from "./signature.ts";
import { HASH_BYTES } from "./tree.ts";

/** Who signed a receipt, as far as its signatures are any. */
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

/**
 * The signers of packed receipts: nearly all the time that verifying takes, and nothing of the law in it, so that it can
 * be done elsewhere, in any number of pieces. Each record of `recordBytes` begins with a signed receipt.
 */
export function recoverSigners(
  domain: Uint8Array,
  records: Uint8Array,
  recordBytes: number,
  recover: Recover = recoverPure,
): Uint8Array {
  const count = Math.floor(records.length / recordBytes);
  const digests = receiptDigests(domain, records, recordBytes);
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
