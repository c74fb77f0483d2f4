// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice A row of invoices.bin: what one contribution costs its customer. The last two run over the customer's lines
/// from its first on, this one included.
/// @param customer Who was served.
/// @param device Who served.
/// @param contribution The position of the contribution in contributions.bin.
/// @param value What it is worth at the tariff, in wei.
/// @param ceiling The most that the customer's payment covers of any one line, in wei; 2^96 − 1 when it covers all.
/// @param subtotal What counted of the customer's lines so far, in wei.
/// @param above How many of them are worth more than the ceiling.
struct InvoiceLine {
    address customer;
    address device;
    uint32 contribution;
    uint96 value;
    uint96 ceiling;
    uint96 subtotal;
    uint32 above;
}

/// @title InvoiceLines
/// @notice The bytes of an invoice line and their hash. All numbers are big-endian.
library InvoiceLines {
    /// @notice The bytes of a line: customer 20, device 20, contribution 4, value 12, ceiling 12, subtotal 12, above 4.
    uint256 internal constant BYTES = 84;

    /// @notice `keccak256` of the line's {BYTES} bytes.
    function hash(InvoiceLine calldata line) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encodePacked(
                    line.customer,
                    line.device,
                    line.contribution,
                    line.value,
                    line.ceiling,
                    line.subtotal,
                    line.above
                )
            );
    }

    /// @notice Reads a line of {BYTES} bytes.
    function decode(bytes calldata row) internal pure returns (InvoiceLine memory) {
        return
            InvoiceLine(
                address(bytes20(row[:20])),
                address(bytes20(row[20:40])),
                uint32(bytes4(row[40:44])),
                uint96(bytes12(row[44:56])),
                uint96(bytes12(row[56:68])),
                uint96(bytes12(row[68:80])),
                uint32(bytes4(row[80:84]))
            );
    }
}
