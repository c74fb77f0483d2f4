// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {RewardLeaf} from "../../../contracts/libraries/RewardTree.sol";
import {Trees} from "../Trees.sol";

/// @notice A report and the tree behind it. Where a corrupt builder left a leaf empty, its hash is zero.
struct Draft {
    IEpochLedger.Report report;
    RewardLeaf[] leaves;
    bytes32[] hashes;
}

/// @notice What a proof can show, one for each proof function.
enum Fraud {
    None,
    EmptyLeaf,
    Malformed,
    Overlap,
    Regression
}

/// @title Frauds
/// @notice What is wrong with a tree, read off the rules of the design rather than off the contracts.
library Frauds {
    /// @notice Whether the leaves at `a` and `b` (`b` matters for an overlap only) show `fraud`.
    function shows(
        Fraud fraud,
        Draft memory draft,
        Draft memory last,
        address[] memory accounts,
        uint256 a,
        uint256 b
    ) internal pure returns (bool) {
        if (a >= draft.leaves.length) return false;
        if (fraud == Fraud.EmptyLeaf) return draft.hashes[a] == 0;
        if (draft.hashes[a] == 0) return false;
        RewardLeaf memory leaf = draft.leaves[a];
        if (fraud == Fraud.Malformed) {
            return _endOf(leaf) > draft.report.total || leaf.account != accounts[a];
        }
        if (fraud == Fraud.Overlap) {
            if (a == b || b >= draft.leaves.length || draft.hashes[b] == 0) return false;
            RewardLeaf memory other = draft.leaves[b];
            uint256 start = leaf.prefix > other.prefix ? leaf.prefix : other.prefix;
            uint256 end = _endOf(leaf) < _endOf(other) ? _endOf(leaf) : _endOf(other);
            return start < end;
        }
        if (fraud == Fraud.Regression) {
            return
                a < last.leaves.length &&
                last.hashes[a] != 0 &&
                leaf.cumulative < last.leaves[a].cumulative;
        }
        return false;
    }

    /// @notice One of the frauds a tree shows, chosen by `seed`; `Fraud.None` when it shows none.
    function find(
        Draft memory draft,
        Draft memory last,
        address[] memory accounts,
        uint256 seed
    ) internal pure returns (Fraud found, uint256 atA, uint256 atB) {
        uint256 seen = 0;
        for (uint8 f = 1; f <= uint8(type(Fraud).max); ++f) {
            for (uint256 a = 0; a < draft.leaves.length; ++a) {
                uint256 others = Fraud(f) == Fraud.Overlap ? draft.leaves.length : 1;
                for (uint256 b = 0; b < others; ++b) {
                    if (!shows(Fraud(f), draft, last, accounts, a, b)) continue;
                    ++seen;
                    if (uint256(keccak256(abi.encode(seed, seen))) % seen == 0) {
                        (found, atA, atB) = (Fraud(f), a, b);
                    }
                }
            }
        }
    }

    /// @notice The call that puts the leaves at `a` and `b` before the ledger as a proof of `fraud`.
    function proofOf(
        Fraud fraud,
        Draft memory draft,
        Draft memory last,
        uint256 a,
        uint256 b
    ) internal pure returns (bytes memory) {
        if (fraud == Fraud.EmptyLeaf) {
            return
                abi.encodeCall(
                    IEpochLedger.proveEmptyLeaf,
                    (draft.report, uint32(a), Trees.proof(draft.hashes, a))
                );
        }
        if (fraud == Fraud.Malformed) {
            return abi.encodeCall(IEpochLedger.proveMalformed, (draft.report, opening(draft, a)));
        }
        if (fraud == Fraud.Overlap) {
            return
                abi.encodeCall(
                    IEpochLedger.proveOverlap,
                    (draft.report, opening(draft, a), opening(draft, b))
                );
        }
        return
            abi.encodeCall(
                IEpochLedger.proveRegression,
                (draft.report, opening(last, a), opening(draft, a))
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

    function _endOf(RewardLeaf memory leaf) private pure returns (uint256) {
        return uint256(leaf.prefix) + leaf.cumulative;
    }
}
