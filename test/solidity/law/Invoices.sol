// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {Trees} from "../Trees.sol";
import {Draft} from "./Frauds.sol";

/// @title Invoices
/// @notice What an epoch's service is worth and what of it counts, as the rules compute it; and what an invoice table
/// shows of a customer.
library Invoices {
    uint256 private constant MOST = type(uint96).max;

    /// @notice The value of amounts that `served` chooses, at a tariff: some hundred thousand tokens at the usual one.
    function valueAt(
        IEpochLedger.Tariff memory tariff,
        uint256 served
    ) internal pure returns (uint96) {
        uint256 egressBytes = (served >> 8) % 1e17;
        uint256 storageByteSeconds = (served >> 72) % 1e22;
        uint256 computeMilliseconds = (served >> 168) % 1e16;
        uint256 value =
            (egressBytes * tariff.egressPrice +
                storageByteSeconds * tariff.storagePrice +
                computeMilliseconds * tariff.computePrice) / 1e12;
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

    /// @notice What counted of a customer's lines, as the table says.
    function countedFor(Draft memory draft, address customer) internal pure returns (uint256 sum) {
        for (uint256 i = 0; i < draft.lines.length; ++i) {
            if (draft.lines[i].customer == customer) sum = draft.lines[i].subtotal;
        }
    }

    /// @notice Whether anything can be shown of the table at all.
    function isOpenable(Draft memory draft) internal pure returns (bool) {
        return draft.lines.length == draft.report.contributions;
    }

    /// @notice The lines that show what counted for a customer: its last, or the place where it would be.
    function openingsFor(
        Draft memory draft,
        address customer
    ) internal pure returns (ICustomerEscrow.InvoiceOpening[] memory openings) {
        uint256 n = draft.lines.length;
        if (n == 0) return openings;
        // How many lines come no later than the customer's last.
        uint256 before = 0;
        while (before < n && draft.lines[before].customer <= customer) ++before;
        return openingsAt(draft, before == 0 ? 0 : before - 1, before == 0 || before == n ? 1 : 2);
    }

    function openingsAt(
        Draft memory draft,
        uint256 position,
        uint256 count
    ) internal pure returns (ICustomerEscrow.InvoiceOpening[] memory openings) {
        bytes32[] memory hashes = Trees.hashes(draft.lines);
        openings = new ICustomerEscrow.InvoiceOpening[](count);
        for (uint256 i = 0; i < count; ++i) {
            uint256 index = position + i;
            openings[i] = ICustomerEscrow.InvoiceOpening(
                draft.lines[index % draft.lines.length],
                uint32(index),
                Trees.proof(hashes, index)
            );
        }
    }
}
