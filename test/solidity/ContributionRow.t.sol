// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {
    ContributionRow,
    ContributionRows,
    SignedReceipt
} from "../../contracts/libraries/ContributionRow.sol";
import {Receipt} from "../../contracts/libraries/Receipts.sol";
import {Trees} from "./Trees.sol";

contract ContributionRowTest {
    function testFuzzARowComesBackFromItsBytes(ContributionRow calldata row) external view {
        bytes memory packed = bytes.concat(
            _packed(row.signed),
            abi.encodePacked(row.account, row.earned, row.subtotal)
        );
        assert(packed.length == ContributionRows.BYTES && packed.length == 248);
        assert(keccak256(packed) == Trees.hash(row));
        assert(keccak256(abi.encode(this.decode(packed))) == keccak256(abi.encode(row)));
    }

    function testFuzzASignedReceiptComesBackFromItsBytes(
        SignedReceipt calldata signed
    ) external view {
        bytes memory packed = _packed(signed);
        assert(packed.length == ContributionRows.SIGNED_RECEIPT_BYTES && packed.length == 204);
        assert(keccak256(abi.encode(this.decodeSigned(packed))) == keccak256(abi.encode(signed)));
    }

    /// @dev In a call of its own, for the calldata.
    function decode(bytes calldata row) external pure returns (ContributionRow memory) {
        return ContributionRows.decode(row);
    }

    function decodeSigned(bytes calldata row) external pure returns (SignedReceipt memory) {
        return ContributionRows.decodeSigned(row);
    }

    function _packed(SignedReceipt calldata signed) private pure returns (bytes memory) {
        Receipt calldata receipt = signed.receipt;
        return
            bytes.concat(
                abi.encodePacked(
                    receipt.device,
                    receipt.customer,
                    receipt.epoch,
                    receipt.sequence,
                    receipt.egressBytes,
                    receipt.storageByteSeconds,
                    receipt.computeMilliseconds
                ),
                abi.encodePacked(
                    signed.customerSignature.r,
                    signed.customerSignature.vs,
                    signed.deviceSignature.r,
                    signed.deviceSignature.vs
                )
            );
    }
}
