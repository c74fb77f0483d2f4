// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IEpochClock} from "./interfaces/IEpochClock.sol";

/// @title EpochClock
/// @notice Implements {IEpochClock} over three immutables. The registry is given them; the other contracts that need a
/// clock copy the registry's.
abstract contract EpochClock is IEpochClock {
    // Parameters

    uint256 public immutable genesis;
    uint256 public immutable epochSeconds;
    uint256 public immutable graceSeconds;

    /// @param genesis_ When epoch 1 begins, in unix seconds.
    /// @param epochSeconds_ Length of every epoch, in seconds.
    /// @param graceSeconds_ Time between the end of an epoch and its seal time, in seconds.
    constructor(uint256 genesis_, uint256 epochSeconds_, uint256 graceSeconds_) {
        require(
            graceSeconds_ < epochSeconds_ &&
                epochSeconds_ <= 365 days &&
                genesis_ <= type(uint40).max,
            InvalidEpochClock(genesis_, epochSeconds_, graceSeconds_)
        );
        genesis = genesis_;
        epochSeconds = epochSeconds_;
        graceSeconds = graceSeconds_;
    }

    // Epochs

    function currentEpoch() public view returns (uint32) {
        if (block.timestamp < genesis) return 0;
        return SafeCast.toUint32((block.timestamp - genesis) / epochSeconds + 1);
    }

    function endOf(uint256 epoch) public view returns (uint256) {
        return genesis + epoch * epochSeconds;
    }

    function sealTimeOf(uint256 epoch) public view returns (uint256) {
        return endOf(epoch) + graceSeconds;
    }

    /// @dev When a change made now takes effect, so that the running epoch's facts stay as they are.
    function _nextEpoch() internal view returns (uint32) {
        return currentEpoch() + 1;
    }

    /// @dev When a change takes effect that others must have at least one whole epoch to see coming.
    function _epochAfterNext() internal view returns (uint32) {
        return currentEpoch() + 2;
    }
}
