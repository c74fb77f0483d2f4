// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ContributionRow, SignedReceipt} from "../../contracts/libraries/ContributionRow.sol";
import {InvoiceLine} from "../../contracts/libraries/InvoiceLine.sol";
import {Receipt} from "../../contracts/libraries/Receipts.sol";
import {RewardLeaf} from "../../contracts/libraries/RewardLeaf.sol";

/// @title Trees
/// @notice Builds trees of rows in memory, apart from the contracts' own code: small ones, for tests.
library Trees {
    /// @notice Gives each leaf the slice that begins where the one before it ends.
    function pack(
        address[] memory accounts,
        uint96[] memory cumulatives
    ) internal pure returns (RewardLeaf[] memory leaves) {
        leaves = new RewardLeaf[](accounts.length);
        uint96 prefix = 0;
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = RewardLeaf(accounts[i], cumulatives[i], prefix);
            prefix += cumulatives[i];
        }
    }

    function hashes(RewardLeaf[] memory leaves) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) level[i] = hash(leaves[i]);
    }

    function hash(RewardLeaf memory leaf) internal pure returns (bytes32) {
        return keccak256(bytesOf(leaf));
    }

    function bytesOf(RewardLeaf memory leaf) internal pure returns (bytes memory) {
        return bytes.concat(bytes20(leaf.account), bytes12(leaf.cumulative), bytes12(leaf.prefix));
    }

    function hashes(InvoiceLine[] memory lines) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](lines.length);
        for (uint256 i = 0; i < lines.length; ++i) level[i] = hash(lines[i]);
    }

    function hash(InvoiceLine memory line) internal pure returns (bytes32) {
        return keccak256(bytesOf(line));
    }

    function bytesOf(InvoiceLine memory line) internal pure returns (bytes memory) {
        return
            bytes.concat(
                bytes20(line.customer),
                bytes20(line.device),
                bytes4(line.contribution),
                bytes12(line.value),
                bytes12(line.ceiling),
                bytes12(line.subtotal),
                bytes4(line.above)
            );
    }

    function hashes(ContributionRow[] memory rows) internal pure returns (bytes32[] memory level) {
        level = new bytes32[](rows.length);
        for (uint256 i = 0; i < rows.length; ++i) level[i] = hash(rows[i]);
    }

    function hash(ContributionRow memory row) internal pure returns (bytes32) {
        return keccak256(bytesOf(row));
    }

    function bytesOf(ContributionRow memory row) internal pure returns (bytes memory) {
        return
            bytes.concat(
                bytesOf(row.signed),
                bytes20(row.account),
                bytes12(row.earned),
                bytes12(row.subtotal)
            );
    }

    function bytesOf(SignedReceipt memory signed) internal pure returns (bytes memory) {
        Receipt memory receipt = signed.receipt;
        return
            bytes.concat(
                bytes20(receipt.device),
                bytes20(receipt.customer),
                bytes4(receipt.epoch),
                bytes4(receipt.sequence),
                bytes8(receipt.egressBytes),
                bytes12(receipt.storageByteSeconds),
                bytes8(receipt.computeMilliseconds),
                signed.customerSignature.r,
                signed.customerSignature.vs,
                signed.deviceSignature.r,
                signed.deviceSignature.vs
            );
    }

    /// @notice The root over `leaves` hashes, and zero over none.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        if (leaves.length == 0) return 0;
        bytes32[] memory level = _padded(leaves);
        while (level.length > 1) level = _above(level);
        return level[0];
    }

    /// @notice The siblings of position `index`, from the leaf's level upwards; padding included, and round again.
    function proof(
        bytes32[] memory leaves,
        uint256 index
    ) internal pure returns (bytes32[] memory) {
        return proofIn(levels(leaves), index);
    }

    /// @notice The same out of all `levels_` of the tree.
    function proofIn(
        bytes32[][] memory levels_,
        uint256 index
    ) internal pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](levels_.length - 1);
        for (uint256 k = 0; k < siblings.length; ++k) {
            siblings[k] = levels_[k][((index >> k) ^ 1) % levels_[k].length];
        }
    }

    /// @notice All levels of the tree over `leaves`, with padding, from the leaves to the root.
    function levels(bytes32[] memory leaves) internal pure returns (bytes32[][] memory all) {
        all = new bytes32[][](_levelsAbove(leaves.length) + 1);
        all[0] = _padded(leaves);
        for (uint256 k = 1; k < all.length; ++k) all[k] = _above(all[k - 1]);
    }

    /// @dev Zero hashes up to the next power of two.
    function _padded(bytes32[] memory leaves) private pure returns (bytes32[] memory level) {
        level = new bytes32[](2 ** _levelsAbove(leaves.length));
        for (uint256 i = 0; i < leaves.length; ++i) level[i] = leaves[i];
    }

    function _levelsAbove(uint256 leaves) private pure returns (uint256 count) {
        while (2 ** count < leaves) ++count;
    }

    function _above(bytes32[] memory level) private pure returns (bytes32[] memory above) {
        above = new bytes32[](level.length / 2);
        for (uint256 i = 0; i < above.length; ++i) {
            above[i] = keccak256(bytes.concat(level[2 * i], level[2 * i + 1]));
        }
    }
}
