// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IGuarded
/// @notice A contract with a guardian, who can hold up what looks wrong and has no other power: in the ledger it vetoes
/// a proposal, in the distributor it pauses claims for a short time.
interface IGuarded {
    /// @notice The guardian's role: the same in every guarded contract, but granted in each of them.
    function GUARDIAN_ROLE() external view returns (bytes32);
}
