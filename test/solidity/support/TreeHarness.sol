// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {InvoiceLine, InvoiceLines} from "../../../contracts/libraries/InvoiceLine.sol";
import {RewardLeaf, RewardLeaves} from "../../../contracts/libraries/RewardLeaf.sol";
import {Tree} from "../../../contracts/libraries/Tree.sol";

/// @notice Opens {Tree} and the rows' hashes to tests that are not written in Solidity.
contract TreeHarness {
    using InvoiceLines for InvoiceLine;
    using RewardLeaves for RewardLeaf;
    using Tree for bytes32;
    using Tree for uint256;

    function hash(RewardLeaf calldata leaf) external pure returns (bytes32) {
        return leaf.hash();
    }

    function hashLine(InvoiceLine calldata line) external pure returns (bytes32) {
        return line.hash();
    }

    function hasDepth(uint256 leaves, uint256 depth) external pure returns (bool) {
        return leaves.hasDepth(depth);
    }

    function contains(
        bytes32 root,
        uint256 leaves,
        uint256 index,
        bytes32 node,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return root.contains(leaves, index, node, proof);
    }

    /// @notice The first of `positions` whose node is not under `root`; `type(uint256).max` when all are.
    function firstMissing(
        bytes32 root,
        uint256 leaves,
        uint256[] calldata positions,
        bytes32[] calldata nodes,
        bytes32[][] calldata proofs
    ) external pure returns (uint256) {
        for (uint256 i = 0; i < positions.length; ++i) {
            if (!root.contains(leaves, positions[i], nodes[i], proofs[i])) return positions[i];
        }
        return type(uint256).max;
    }
}
