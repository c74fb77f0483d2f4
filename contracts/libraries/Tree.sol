// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Tree
/// @notice A positional Merkle tree over the rows of a table: leaf `i` is the hash of row `i`, and padding up to a power
/// of two is the zero hash.
/// @dev A leaf is the hash of a row, which never has 64 bytes, and a node the hash of 64, so no node can pass for a leaf.
/// A proof has exactly the tree's depth and a position below `rows`, so neither padding nor a node above the leaves can
/// be proven.
library Tree {
    /// @notice Whether a tree of `rows` rows, at least one, has `depth` levels below its root: `ceil(log2(rows))`.
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
        return node == root;
    }
}
