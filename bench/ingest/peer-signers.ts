import { Signature, verifyTypedData } from "ethers";
import { type Address, fromHex, lowercaseHex, toHex } from "../../oracle/core/bytes.ts";
import { RECEIPT, unpackSignedReceipt } from "../../oracle/core/receipt.ts";
import { recover } from "../../oracle/core/signature.ts";
import { recoverSigners, SIGNERS_BYTES } from "../../oracle/core/signers.ts";
import { DOMAIN_NAME, DOMAIN_VERSION } from "../../oracle/core/typed.ts";
import { deployment } from "../world.ts";
import type { PeerTask } from "./service.ts";

/** noble's curve over our hashing, which is faster than its own. */
export function recoverWithNoble({ domain, records, recordBytes }: PeerTask): Uint8Array {
  return recoverSigners(domain, records, recordBytes, recover);
}

const DOMAIN = {
  name: DOMAIN_NAME,
  version: DOMAIN_VERSION,
  chainId: deployment.chainId,
  verifyingContract: deployment.contracts.deviceRegistry,
};
const TYPES = { Receipt: RECEIPT.fields.map(({ name, type }) => ({ name, type })) };

/** As its documentation has it. */
export function recoverWithEthers({ records, recordBytes }: PeerTask): Uint8Array {
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
