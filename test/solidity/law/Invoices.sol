// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {Receipt} from "../../../contracts/libraries/Receipts.sol";
import {Trees} from "../Trees.sol";
import {Draft, Drafts} from "./Draft.sol";

/// @title Invoices
/// @notice What an epoch's service is worth and what of it counts, as the rules compute it; and what an invoice table
/// shows of a customer.
library Invoices {
    using Drafts for Draft;

    uint256 private constant MOST = type(uint96).max;

    /// @notice What a receipt is worth at a tariff.
    function valueOf(
        IEpochLedger.Tariff memory tariff,
        Receipt memory receipt
    ) internal pure returns (uint96) {
        uint256 value =
            (uint256(receipt.egressBytes) * tariff.egressPrice +
                uint256(receipt.storageByteSeconds) * tariff.storagePrice +
                uint256(receipt.computeMilliseconds) * tariff.computePrice) / 1e12;
        return uint96(value > MOST ? MOST : value);
    }

    /// @notice Fills in what a customer, whose lines are `[first, end)`, paid for of each.
    function close(
        InvoiceLine[] memory lines,
        uint256 first,
        uint256 end,
        uint256 paid
    ) internal pure {
        uint96 ceiling = ceilingOf(lines, first, end, paid);
        uint96 subtotal = 0;
        uint32 above = 0;
        for (uint256 i = first; i < end; ++i) {
            InvoiceLine memory line = lines[i];
            line.ceiling = ceiling;
            subtotal += uint96(countedOf(line));
            if (line.value > ceiling) ++above;
            (line.subtotal, line.above) = (subtotal, above);
        }
    }

    /// @notice The most of any one line that is covered, smallest bills first.
    function ceilingOf(
        InvoiceLine[] memory lines,
        uint256 first,
        uint256 end,
        uint256 paid
    ) internal pure returns (uint96) {
        uint256 uncovered = end - first;
        uint256 rest = paid;
        // Again and again, whatever is worth no more than an equal part of the rest is paid in full.
        bool[] memory isCovered = new bool[](uncovered);
        for (bool changed = true; changed && uncovered != 0;) {
            changed = false;
            uint256 part = rest / uncovered;
            for (uint256 i = first; i < end; ++i) {
                if (isCovered[i - first] || lines[i].value > part) continue;
                (isCovered[i - first], changed) = (true, true);
                rest -= lines[i].value;
                --uncovered;
            }
        }
        return uint96(uncovered == 0 ? MOST : rest / uncovered);
    }

    function countedOf(InvoiceLine memory line) internal pure returns (uint256) {
        return line.value < line.ceiling ? line.value : line.ceiling;
    }

    function earnedOf(uint256 counted, uint256 feeBps) internal pure returns (uint96) {
        return uint96((counted * (10_000 - feeBps)) / 10_000);
    }

    /// @notice What counted of a customer's lines, as those say that {openingsFor} it.
    function countedFor(Draft memory draft, address customer) internal pure returns (uint256) {
        uint256 before = _linesUpTo(draft, customer);
        if (before == 0 || draft.lines[before - 1].customer != customer) return 0;
        return draft.lines[before - 1].subtotal;
    }

    /// @notice Whether what {openingsFor} a customer shows can be opened.
    function isOpenableFor(Draft memory draft, address customer) internal pure returns (bool) {
        uint256 n = draft.lines.length;
        if (n == 0) return true;
        uint256 before = _linesUpTo(draft, customer);
        return
            (before == 0 || draft.isOpenable(IJudge.Table.Invoices, before - 1)) &&
            (before == n || draft.isOpenable(IJudge.Table.Invoices, before));
    }

    /// @notice The lines that show what counted for a customer: its last, or the place where it would be.
    function openingsFor(
        Draft memory draft,
        address customer
    ) internal pure returns (ICustomerEscrow.InvoiceOpening[] memory openings) {
        uint256 n = draft.lines.length;
        if (n == 0) return openings;
        uint256 before = _linesUpTo(draft, customer);
        return openingsAt(draft, before == 0 ? 0 : before - 1, before == 0 || before == n ? 1 : 2);
    }

    function openingsAt(
        Draft memory draft,
        uint256 position,
        uint256 count
    ) internal pure returns (ICustomerEscrow.InvoiceOpening[] memory openings) {
        openings = new ICustomerEscrow.InvoiceOpening[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 index = position + i;
            openings[i] = ICustomerEscrow.InvoiceOpening(
                draft.lines[index % draft.lines.length],
                uint32(index),
                Trees.proof(draft.lineHashes, index)
            );
        }
    }

    /// @dev How many lines come no later than the customer's last.
    function _linesUpTo(Draft memory draft, address customer) private pure returns (uint256 lines) {
        while (lines < draft.lines.length && draft.lines[lines].customer <= customer) ++lines;
    }
}
