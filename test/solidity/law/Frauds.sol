// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {RewardLeaf} from "../../../contracts/libraries/RewardLeaf.sol";
import {Trees} from "../Trees.sol";

/// @notice A report and the tables behind it. Where a corrupt builder left a leaf empty, its hash is zero.
/// @param leaves The reward table.
/// @param hashes The hashes of its rows.
/// @param lines The invoice lines; none when a corrupt builder made up a root that nobody can open.
/// @param isHonest Whether all of it is as the rules want it.
/// @param counted What counted of all lines.
struct Draft {
    IEpochLedger.Report report;
    RewardLeaf[] leaves;
    bytes32[] hashes;
    InvoiceLine[] lines;
    bool isHonest;
    uint256 counted;
}

/// @notice What a proof can show, one for each proof function.
enum Fraud {
    None,
    EmptyLeaf,
    Misplaced,
    Gap,
    Regression
}

/// @title Frauds
/// @notice What is wrong with a reward table, read off the rules of the design rather than off the contracts.
library Frauds {
    /// @notice Whether the leaf at `index`, for a gap the place between it and the leaf before it, shows `fraud`.
    function shows(
        Fraud fraud,
        Draft memory draft,
        Draft memory last,
        address[] memory accounts,
        uint256 index
    ) internal pure returns (bool) {
        if (fraud == Fraud.Gap) return _gapAt(draft, index);
        if (index >= draft.leaves.length) return false;
        if (fraud == Fraud.EmptyLeaf) return draft.hashes[index] == 0;
        if (draft.hashes[index] == 0) return false;
        RewardLeaf memory leaf = draft.leaves[index];
        if (fraud == Fraud.Misplaced) return leaf.account != accounts[index];
        return
            fraud == Fraud.Regression &&
            index < last.leaves.length &&
            last.hashes[index] != 0 &&
            leaf.cumulative < last.leaves[index].cumulative;
    }

    /// @notice One of the frauds a table shows, chosen by `seed`; `Fraud.None` when it shows none.
    function find(
        Draft memory draft,
        Draft memory last,
        address[] memory accounts,
        uint256 seed
    ) internal pure returns (Fraud found, uint256 foundAt) {
        uint256 seen = 0;
        for (uint8 f = 1; f <= uint8(type(Fraud).max); ++f) {
            for (uint256 index = 0; index <= draft.leaves.length; ++index) {
                if (!shows(Fraud(f), draft, last, accounts, index)) continue;
                ++seen;
                if (uint256(keccak256(abi.encode(seed, seen))) % seen == 0) {
                    (found, foundAt) = (Fraud(f), index);
                }
            }
        }
    }

    /// @notice The call that puts what is at `index` before the ledger as a proof of `fraud`.
    function proofOf(
        Fraud fraud,
        Draft memory draft,
        Draft memory last,
        uint256 index
    ) internal pure returns (bytes memory) {
        IEpochLedger.Report memory report = draft.report;
        if (fraud == Fraud.EmptyLeaf) {
            bytes32[] memory proof = Trees.proof(draft.hashes, index);
            return abi.encodeCall(IEpochLedger.proveEmptyLeaf, (report, uint32(index), proof));
        }
        if (fraud == Fraud.Misplaced) {
            return abi.encodeCall(IEpochLedger.proveMisplaced, (report, opening(draft, index)));
        }
        if (fraud == Fraud.Gap) {
            return
                abi.encodeCall(
                    IEpochLedger.proveGap,
                    (report, around(draft, index), uint32(index))
                );
        }
        return
            abi.encodeCall(
                IEpochLedger.proveRegression,
                (report, opening(last, index), opening(draft, index))
            );
    }

    /// @notice The leaf at `index` and the way to the root; beyond the leaves, what comes nearest.
    function opening(
        Draft memory draft,
        uint256 index
    ) internal pure returns (IEpochLedger.Opening memory) {
        uint256 leaves = draft.leaves.length;
        return
            IEpochLedger.Opening(
                leaves == 0 ? RewardLeaf(address(0), 0, 0) : draft.leaves[index % leaves],
                uint32(index),
                Trees.proof(draft.hashes, index)
            );
    }

    /// @notice The leaves before and at `index`, as far as there are.
    function around(
        Draft memory draft,
        uint256 index
    ) internal pure returns (IEpochLedger.Opening[] memory openings) {
        bool first = index == 0;
        bool last = index >= draft.leaves.length;
        openings = new IEpochLedger.Opening[]((first ? 0 : 1) + (last ? 0 : 1));
        if (!first) openings[0] = opening(draft, index - 1);
        if (!last) openings[openings.length - 1] = opening(draft, index);
    }

    function _gapAt(Draft memory draft, uint256 index) private pure returns (bool) {
        uint256 leaves = draft.leaves.length;
        if (index > leaves) return false;
        if (index != 0 && draft.hashes[index - 1] == 0) return false;
        if (index != leaves && draft.hashes[index] == 0) return false;
        uint256 end = 0;
        if (index != 0)
            end = uint256(draft.leaves[index - 1].prefix) + draft.leaves[index - 1].cumulative;
        return end != (index == leaves ? draft.report.total : draft.leaves[index].prefix);
    }
}
