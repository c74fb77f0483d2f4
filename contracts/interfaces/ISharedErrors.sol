// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title ISharedErrors
/// @notice The errors that several contracts of the suite have in common.
interface ISharedErrors {
    /// @notice An address that must be set was zero.
    error ZeroAddress();

    /// @notice The text is longer than 256 bytes, or has other characters than printable ASCII.
    error TextNotPrintable();

    /// @notice The ledger was closed for good.
    error LedgerIsClosed();

    /// @notice There are `signatures` signatures for `items` items; each item needs its own.
    error SignatureCountMismatch(uint256 items, uint256 signatures);
}
