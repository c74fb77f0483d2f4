// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ISharedErrors
/// @notice The errors that several contracts of the suite have in common.
interface ISharedErrors {
    /// @notice An address that must be set was zero.
    error ZeroAddress();
}
