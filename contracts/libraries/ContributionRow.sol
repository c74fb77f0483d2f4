// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CompactSignature} from "./CompactSignature.sol";
import {Receipt} from "./Receipts.sol";

/// @notice A receipt and its two signatures.
/// @param receipt The receipt.
/// @param customerSignature By a key of its customer.
/// @param deviceSignature By its device: `vs` is `s` alone when its key is of P-256.
struct SignedReceipt {
    Receipt receipt;
    CompactSignature customerSignature;
    CompactSignature deviceSignature;
}

/// @notice A row of contributions.bin: a signed receipt and what it earned.
/// @param signed The signed receipt.
/// @param account The account that it earned for.
/// @param earned What it earned, in wei.
/// @param subtotal What all rows up to it earned, this one included, in wei.
struct ContributionRow {
    SignedReceipt signed;
    address account;
    uint96 earned;
    uint96 subtotal;
}

/// @title ContributionRows
/// @notice Reads the rows of contributions.bin. All numbers are big-endian.
library ContributionRows {
    /// @notice The bytes of a signed receipt: the receipt 76, the customer's signature 64, the device's 64.
    uint256 internal constant SIGNED_RECEIPT_BYTES = 204;
    /// @notice The bytes of a row: a signed receipt 204, account 20, earned 12, subtotal 12.
    uint256 internal constant BYTES = 248;

    /// @notice Reads a row of {BYTES} bytes.
    function decode(bytes calldata row) internal pure returns (ContributionRow memory) {
        (address account, uint96 earned, uint96 subtotal) = decodeEarned(row);
        return ContributionRow(decodeSigned(row[:204]), account, earned, subtotal);
    }

    /// @notice Reads the last fields of a row of {BYTES} bytes, for whoever needs no more.
    function decodeEarned(
        bytes calldata row
    ) internal pure returns (address account, uint96 earned, uint96 subtotal) {
        return (
            address(bytes20(row[204:224])),
            uint96(bytes12(row[224:236])),
            uint96(bytes12(row[236:248]))
        );
    }

    /// @notice Reads a signed receipt of {SIGNED_RECEIPT_BYTES} bytes.
    function decodeSigned(bytes calldata row) internal pure returns (SignedReceipt memory) {
        Receipt memory receipt = Receipt(
            address(bytes20(row[:20])),
            address(bytes20(row[20:40])),
            uint32(bytes4(row[40:44])),
            uint32(bytes4(row[44:48])),
            uint64(bytes8(row[48:56])),
            uint96(bytes12(row[56:68])),
            uint64(bytes8(row[68:76]))
        );
        return
            SignedReceipt(
                receipt,
                CompactSignature(bytes32(row[76:108]), bytes32(row[108:140])),
                CompactSignature(bytes32(row[140:172]), bytes32(row[172:204]))
            );
    }
}
