// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title Tree
/// @notice A positional Merkle tree over the rows of a table: leaf `i` is the hash of row `i`, and padding up to a power
/// of two is the zero hash.
/// @dev A leaf is the hash of a row, which never has 64 bytes, and a node the hash of 64, so no node can pass for a leaf.
/// A proof has exactly the tree's depth and a position below `rows`, so neither padding nor a node above the leaves can
/// be proven.
library Tree {
    /// @notice The levels below the root of a tree of `rows` rows, at least one: `ceil(log2(rows))`.
    function depthOf(uint256 rows) internal pure returns (uint256) {
        return rows == 1 ? 0 : Math.log2(rows - 1) + 1;
    }

    /// @notice Whether a tree of `rows` rows, at least one, has `depth` levels below its root.
    function hasDepth(uint256 rows, uint256 depth) internal pure returns (bool) {
        return depth == 0 ? rows == 1 : (rows - 1) >> (depth - 1) == 1;
    }

    /// @notice Whether `node` stands at `position` among the `rows` leaves under `root`.
    /// @param proof The siblings from the leaf's level upwards.
    function contains(
        bytes32 root,
        uint256 rows,
        uint256 position,
        bytes32 node,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        if (position >= rows || !hasDepth(rows, proof.length)) return false;
        return climb(node, position, proof) == root;
    }

    /// @notice The node that `node` at `position` of its level and the siblings above it lead to.
    /// @param proof The siblings from the node's level upwards.
    function climb(
        bytes32 node,
        uint256 position,
        bytes32[] calldata proof
    ) internal pure returns (bytes32) {
        // Every claim pays for each level, so this is written for gas: the scratch space holds a pair of siblings.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let end := add(proof.offset, shl(5, proof.length))
            for {
                let sibling := proof.offset
            } lt(sibling, end) {
                sibling := add(sibling, 32)
            } {
                let side := shl(5, and(position, 1))
                mstore(side, node)
                mstore(xor(side, 32), calldataload(sibling))
                node := keccak256(0, 64)
                position := shr(1, position)
            }
        }
        return node;
    }

    /// @notice The node `levels` above the neighbouring `nodes` of one level, the first of which begins its subtree;
    /// what is missing on the right is padding.
    /// @param nodes At least one, at most `2^levels`.
    /// @param height The level of `nodes`: 0 for leaves.
    function rootOver(
        bytes32[] memory nodes,
        uint256 height,
        uint256 levels
    ) internal pure returns (bytes32) {
        bytes32 padding = 0;
        for (uint256 i = 0; i < height; ++i) {
            padding = Hashes.efficientKeccak256(padding, padding);
        }
        uint256 count = nodes.length;
        for (uint256 i = 0; i < levels; ++i) {
            uint256 above = (count + 1) / 2;
            for (uint256 j = 0; j < above; ++j) {
                bytes32 right = 2 * j + 1 < count ? nodes[2 * j + 1] : padding;
                nodes[j] = Hashes.efficientKeccak256(nodes[2 * j], right);
            }
            count = above;
            padding = Hashes.efficientKeccak256(padding, padding);
        }
        return nodes[0];
    }
}
