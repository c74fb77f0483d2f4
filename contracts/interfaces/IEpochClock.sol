// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title IEpochClock
/// @notice Fixed stretches of time, numbered from 1. Epoch 0 is the time before genesis.
interface IEpochClock {
    /// @notice An epoch of zero seconds or more than a year, a grace that is not shorter than an epoch, or a genesis
    /// (unix seconds) beyond 40 bits.
    error InvalidEpochClock(uint256 genesis, uint256 epochSeconds, uint256 graceSeconds);

    // Parameters

    /// @notice Unix time at which epoch 1 begins, in seconds.
    function genesis() external view returns (uint256);

    /// @notice Length of every epoch, in seconds.
    function epochSeconds() external view returns (uint256);

    /// @notice Time after an epoch's end in which its receipts and payments still count, in seconds.
    function graceSeconds() external view returns (uint256);

    // Epochs

    /// @notice The epoch that is running; 0 before genesis.
    function currentEpoch() external view returns (uint32);

    /// @notice Unix time at which `epoch` is over and the next begins, in seconds; {genesis} for epoch 0.
    function endOf(uint256 epoch) external view returns (uint256);

    /// @notice Unix time from which on nothing more counts for `epoch`: its end and the grace, in seconds.
    function sealTimeOf(uint256 epoch) external view returns (uint256);
}
