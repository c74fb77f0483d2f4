// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ILawEvents
/// @notice A contract that numbers its law events: the ones from which anybody can replay what it says.
/// @dev Each law event carries its number in its last argument, `revision`: 1 for the first of the contract, one more
/// with each. Who replays them and misses a number, or ends below {revision} at the same block, was not given all.
interface ILawEvents {
    /// @notice The number of law events so far: the `revision` of the latest, 0 before the first.
    function revision() external view returns (uint64);
}
