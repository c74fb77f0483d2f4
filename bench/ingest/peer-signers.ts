import { type Address, fromHex, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { DOMAIN_NAME, DOMAIN_VERSION } from "@link-rewards/core/encoding/typed";
import { RECEIPT, unpackSignedReceipt } from "@link-rewards/core/signed/receipt";
import {
  PURE_CURVES,
  recoverSigners,
  SIGNERS_BYTES,
  type SignedRecords,
} from "@link-rewards/core/signed/signers";
import { Signature, verifyTypedData } from "ethers";
import { deployment } from "../../test/worlds/paper.ts";

/** noble's curves over our hashing, which is faster than its own. */
export function recoverWithNoble(signed: SignedRecords): Uint8Array {
  return recoverSigners(signed, PURE_CURVES);
}

const DOMAIN = {
  name: DOMAIN_NAME,
  version: DOMAIN_VERSION,
  chainId: deployment.chainId,
  verifyingContract: deployment.contracts.deviceRegistry,
};
const TYPES = { Receipt: RECEIPT.fields.map(({ name, type }) => ({ name, type })) };

/** As its documentation has it. */
export function recoverWithEthers({ records, recordBytes }: SignedRecords): Uint8Array {
  const count = records.length / recordBytes;
  const signers = new Uint8Array(count * SIGNERS_BYTES);
  for (let i = 0; i < count; i++) {
    const record = records.subarray(i * recordBytes, (i + 1) * recordBytes);
    const { receipt, customerSignature, deviceSignature } = unpackSignedReceipt(record);
    for (const [n, signature] of [customerSignature, deviceSignature].entries()) {
      const signer = verifyTypedData(DOMAIN, TYPES, receipt, Signature.from(toHex(signature)));
      signers.set(fromHex(lowercaseHex(signer as Address)), i * SIGNERS_BYTES + 20 * n);
    }
  }
  return signers;
}
