// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {ContributionRow} from "../../../contracts/libraries/ContributionRow.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {RewardLeaf} from "../../../contracts/libraries/RewardLeaf.sol";
import {Trees} from "../Trees.sol";

/// @notice A report and the tables behind it. Where a corrupt builder put another hash than the row's into a tree, nobody
/// can open that row.
/// @param isLawful Whether all of it is what the rules make of its receipts.
/// @param counted What counted of all lines.
struct Draft {
    IEpochLedger.Report report;
    ContributionRow[] contributions;
    InvoiceLine[] lines;
    RewardLeaf[] leaves;
    bytes32[] contributionHashes;
    bytes32[] lineHashes;
    bytes32[] leafHashes;
    bool isLawful;
    uint256 counted;
}

/// @title Drafts
/// @notice Rows, hashes and roots of a draft.
library Drafts {
    /// @notice Hashes all rows, and writes roots and counts into the report.
    function seal(Draft memory draft) internal pure {
        draft.contributionHashes = Trees.hashes(draft.contributions);
        draft.lineHashes = Trees.hashes(draft.lines);
        draft.leafHashes = Trees.hashes(draft.leaves);
        root(draft);
    }

    /// @notice Writes the roots over the hashes, and the number of contributions, into the report.
    function root(Draft memory draft) internal pure {
        draft.report.contributions = uint32(draft.contributions.length);
        draft.report.contributionRoot = Trees.root(draft.contributionHashes);
        draft.report.invoiceRoot = Trees.root(draft.lineHashes);
        draft.report.root = Trees.root(draft.leafHashes);
    }

    function hashesOf(
        Draft memory draft,
        IJudge.Table table
    ) internal pure returns (bytes32[] memory) {
        if (table == IJudge.Table.Contributions) return draft.contributionHashes;
        return table == IJudge.Table.Invoices ? draft.lineHashes : draft.leafHashes;
    }

    function rowOf(
        Draft memory draft,
        IJudge.Table table,
        uint256 position
    ) internal pure returns (bytes memory) {
        if (table == IJudge.Table.Contributions) {
            return Trees.bytesOf(draft.contributions[position]);
        }
        if (table == IJudge.Table.Invoices) return Trees.bytesOf(draft.lines[position]);
        return Trees.bytesOf(draft.leaves[position]);
    }

    /// @notice Whether the row at `position` is the one whose hash stands there.
    function isOpenable(
        Draft memory draft,
        IJudge.Table table,
        uint256 position
    ) internal pure returns (bool) {
        bytes32[] memory hashes = hashesOf(draft, table);
        return
            position < hashes.length &&
            keccak256(rowOf(draft, table, position)) == hashes[position];
    }
}
