// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ILawEvents} from "./interfaces/ILawEvents.sol";

/// @title LawEvents
/// @notice Implements {ILawEvents}, where each function is described.
abstract contract LawEvents is ILawEvents {
    // State

    uint64 public revision;

    /// @dev The number of the law event that is about to be emitted.
    function _nextRevision() internal returns (uint64) {
        return ++revision;
    }
}
