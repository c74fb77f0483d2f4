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
/// @notice The hash of an invoice line.
library InvoiceLines {
    /// @notice `keccak256` of the fields in their order, 84 bytes big-endian.
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
}
