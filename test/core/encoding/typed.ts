import { toHex } from "@link-rewards/core/encoding/bytes";
import type { ScalarField, StructOf } from "@link-rewards/core/encoding/fields";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import {
  ACKNOWLEDGEMENT_FIELDS,
  acknowledgementDigest,
} from "@link-rewards/core/signed/acknowledgement";
import { BIND_FIELDS, bindDigest } from "@link-rewards/core/signed/bind";
import { RECEIPT, RECEIPT_FIELDS, receiptDigest } from "@link-rewards/core/signed/receipt";
import { REPORT_FIELDS, reportDigest } from "@link-rewards/core/signed/report";
import { VOUCHER_FIELDS, voucherDigest } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import fc from "fast-check";
import { hexes, structs } from "../arbitraries.ts";

const domains = fc.record({
  chainId: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
  contract: hexes(20),
});

/** The Graph H-07, M-15: typehashes that were wrong because nothing independent computed them too. */
function agreesWithEthers<F extends readonly ScalarField[]>(
  name: string,
  fields: F,
  digestOf: (domain: Uint8Array, value: StructOf<F>) => Uint8Array,
): void {
  it(`digests a ${name} as ethers does, on any chain and contract`, () => {
    fc.assert(
      fc.property(domains, structs(fields), ({ chainId, contract }, value) => {
        const expected = TypedDataEncoder.hash(
          { name: "LinkRewards", version: "1", chainId, verifyingContract: contract },
          { [name]: fields.map((field) => ({ ...field })) },
          value as Record<string, unknown>,
        );
        expect(toHex(digestOf(domainSeparator(chainId, contract), value))).to.equal(expected);
      }),
    );
  });
}

describe("EIP-712", () => {
  agreesWithEthers("Receipt", RECEIPT_FIELDS, receiptDigest);
  agreesWithEthers("Voucher", VOUCHER_FIELDS, voucherDigest);
  agreesWithEthers("Acknowledgement", ACKNOWLEDGEMENT_FIELDS, acknowledgementDigest);
  agreesWithEthers("Bind", BIND_FIELDS, bindDigest);
  agreesWithEthers("Report", REPORT_FIELDS, reportDigest);

  it("spells the receipt's type as the contract does", () => {
    expect(RECEIPT.typeString).to.equal(
      "Receipt(address device,address customer,uint32 epoch,uint32 sequence,uint64 egressBytes,uint96 storageByteSeconds,uint64 computeMilliseconds)",
    );
  });
});
