// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

/// @notice What a reward root promises one account: the slice `[prefix, prefix + cumulative)` of `[0, total)`.
/// @param account The account the registry indexed at this leaf's position.
/// @param cumulative All it has earned up to and with the root's epoch, in wei.
/// @param prefix The sum of the cumulatives of all earlier leaves, in wei.
struct RewardLeaf {
    address account;
    uint96 cumulative;
    uint96 prefix;
}

/// @title RewardTree
/// @notice A positional Merkle tree: leaf `i` belongs to the account with registry index `i`, and padding up to a power
/// of two is the zero hash.
/// @dev A leaf is the hash of 44 bytes and a node the hash of 64, so no node can pass for a leaf. A proof has exactly
/// the tree's depth and an index below `leaves`, so neither padding nor a node above the leaves can be proven.
library RewardTree {
    /// @notice `keccak256(account ‖ cumulative ‖ prefix)`, 44 bytes big-endian.
    function hash(RewardLeaf memory leaf) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(leaf.account, leaf.cumulative, leaf.prefix));
    }

    /// @notice Whether a tree of `leaves` leaves, at least one, has `depth` levels below its root:
    /// `ceil(log2(leaves))`.
    function hasDepth(uint256 leaves, uint256 depth) internal pure returns (bool) {
        return depth == 0 ? leaves == 1 : (leaves - 1) >> (depth - 1) == 1;
    }

    /// @notice Whether `node` stands at position `index` among the `leaves` leaves under `root`.
    /// @param proof The siblings from the leaf's level upwards.
    function contains(
        bytes32 root,
        uint256 leaves,
        uint256 index,
        bytes32 node,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        if (index >= leaves || !hasDepth(leaves, proof.length)) return false;
        for (uint256 level = 0; level < proof.length; ++level) {
            bytes32 sibling = proof[level];
            (bytes32 left, bytes32 right) = index & 1 == 0 ? (node, sibling) : (sibling, node);
            node = Hashes.efficientKeccak256(left, right);
            index >>= 1;
        }
        return node == root;
    }

    /// @notice Whether `leaf` lies inside `[0, total)`.
    /// @dev In 256 bits: two 96-bit numbers cannot overflow there.
    function within(RewardLeaf memory leaf, uint256 total) internal pure returns (bool) {
        return uint256(leaf.prefix) + leaf.cumulative <= total;
    }

    /// @notice Whether two leaves promise the same wei twice. A slice of length zero overlaps nothing.
    function overlap(RewardLeaf memory a, RewardLeaf memory b) internal pure returns (bool) {
        return
            a.cumulative != 0 &&
            b.cumulative != 0 &&
            uint256(a.prefix) < uint256(b.prefix) + b.cumulative &&
            uint256(b.prefix) < uint256(a.prefix) + a.cumulative;
    }
}
