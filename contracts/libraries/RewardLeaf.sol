// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice A row of rewards.bin, what a reward root promises one account: the slice `[prefix, prefix + cumulative)` of
/// `[0, total)`.
/// @param account The account the registry indexed at this leaf's position.
/// @param cumulative All it has earned up to and with the root's epoch, in wei.
/// @param prefix The sum of the cumulatives of all earlier leaves, in wei.
struct RewardLeaf {
    address account;
    uint96 cumulative;
    uint96 prefix;
}

/// @title RewardLeaves
/// @notice The bytes of a reward leaf, their hash, and its slice. All numbers are big-endian.
library RewardLeaves {
    /// @notice The bytes of a leaf: account 20, cumulative 12, prefix 12.
    uint256 internal constant BYTES = 44;

    /// @notice `keccak256` of the leaf's {BYTES} bytes.
    function hash(RewardLeaf memory leaf) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(leaf.account, leaf.cumulative, leaf.prefix));
    }

    /// @notice Reads a leaf of {BYTES} bytes.
    function decode(bytes calldata row) internal pure returns (RewardLeaf memory) {
        return
            RewardLeaf(
                address(bytes20(row[:20])),
                uint96(bytes12(row[20:32])),
                uint96(bytes12(row[32:44]))
            );
    }

    /// @notice Where the leaf's slice ends, in wei.
    /// @dev In 256 bits: two 96-bit numbers cannot overflow there.
    function end(RewardLeaf memory leaf) internal pure returns (uint256) {
        return uint256(leaf.prefix) + leaf.cumulative;
    }
}
