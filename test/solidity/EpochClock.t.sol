// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EpochClock} from "../../contracts/EpochClock.sol";
import {IEpochClock} from "../../contracts/interfaces/IEpochClock.sol";
import {VM} from "./Vm.sol";

contract Clock is EpochClock {
    constructor(
        uint256 genesis_,
        uint256 epochSeconds_,
        uint256 graceSeconds_
    ) EpochClock(genesis_, epochSeconds_, graceSeconds_) {}
}

contract EpochClockTest {
    function testFuzzTheCurrentEpochIsTheOneThatHasBegunAndNotEnded(
        uint32 genesis,
        uint24 epochSeconds,
        uint24 graceSeconds,
        uint40 time
    ) external {
        Clock clock = _clock(genesis, epochSeconds, graceSeconds);
        // No more than 2^32 epochs.
        VM.assume(time < genesis || (time - genesis) / clock.epochSeconds() < type(uint32).max);
        VM.warp(time);
        uint256 epoch = clock.currentEpoch();
        assert((epoch == 0) == (time < genesis));
        assert(time < clock.endOf(epoch));
        assert(epoch == 0 || time >= clock.endOf(epoch - 1));
    }

    function testFuzzAnEpochEndsAtTheSecondTheNextBegins(
        uint32 genesis,
        uint24 epochSeconds,
        uint24 graceSeconds,
        uint16 epoch
    ) external {
        Clock clock = _clock(genesis, epochSeconds, graceSeconds);
        uint256 end = clock.endOf(epoch);
        VM.warp(end);
        assert(clock.currentEpoch() == uint256(epoch) + 1);
        if (end == 0) return;
        VM.warp(end - 1);
        // A second long epoch 0 is the time before genesis all the same.
        assert(clock.currentEpoch() == epoch);
    }

    function testFuzzAnEpochIsSealedAfterItsEndAndBeforeTheNextEnds(
        uint32 genesis,
        uint24 epochSeconds,
        uint24 graceSeconds,
        uint32 epoch
    ) external {
        Clock clock = _clock(genesis, epochSeconds, graceSeconds);
        uint256 sealTime = clock.sealTimeOf(epoch);
        assert(sealTime == clock.endOf(epoch) + clock.graceSeconds());
        assert(sealTime < clock.endOf(uint256(epoch) + 1));
        assert(clock.endOf(uint256(epoch) + 1) - clock.endOf(epoch) == clock.epochSeconds());
    }

    function testFuzzTheGraceIsShorterThanAnEpochAndThatNoLongerThanAYear(
        uint32 epochSeconds,
        uint32 graceSeconds
    ) external {
        bool made;
        try new Clock(0, epochSeconds, graceSeconds) returns (Clock) {
            made = true;
        } catch (bytes memory reason) {
            assert(bytes4(reason) == IEpochClock.InvalidEpochClock.selector);
        }
        assert(made == (graceSeconds < epochSeconds && epochSeconds <= 365 days));
    }

    function _clock(
        uint32 genesis,
        uint24 epochSeconds,
        uint24 graceSeconds
    ) private returns (Clock) {
        uint256 length = uint256(epochSeconds) + 1;
        return new Clock(genesis, length, graceSeconds % length);
    }
}
