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
/// @notice The hash and the slice of a reward leaf.
library RewardLeaves {
    /// @notice `keccak256(account ‖ cumulative ‖ prefix)`, 44 bytes big-endian.
    function hash(RewardLeaf memory leaf) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(leaf.account, leaf.cumulative, leaf.prefix));
    }

    /// @notice Where the leaf's slice ends, in wei.
    /// @dev In 256 bits: two 96-bit numbers cannot overflow there.
    function end(RewardLeaf memory leaf) internal pure returns (uint256) {
        return uint256(leaf.prefix) + leaf.cumulative;
    }
}
