// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Guardian
/// @notice Vetoes, and pauses claims for as long as it may: whoever is the guardian of ledger or distributor now.
contract Guardian is Actor {
    constructor(World world_) Actor(world_) {}

    function veto(uint256 seed) external logged {
        bytes32 digest = ledger.reportDigest(world.pendingReport());
        bytes memory call = abi.encodeCall(ledger.veto, (digest));
        // Seldom more than once: after two, nothing is proposed any more when it takes too long.
        bool again = world.isPending() && world.vetoesCounted() != 0;
        if (again && _random(seed, 0) % 8 != 0) return;
        if (_tried(world.guardian(true), address(ledger), call) != world.isPending()) {
            world.broken("the guardian could not veto what is pending, or vetoed what is not");
        }
        if (!world.isPending()) return;
        world.vetoed();
        world.did("veto");
    }

    function pause(uint256 seed) external logged {
        bool due = world.time() >= world.nextPauseAt();
        if (due && _random(seed, 0) % 2 == 0) return;
        bytes memory call = abi.encodeCall(distributor.pause, ());
        if (_tried(world.guardian(false), address(distributor), call) != due) {
            world.broken("claims were paused again before the cool-down ended, or could not be");
        }
        if (!due) return;
        world.claimsPaused();
        world.did("pause");
    }

    function resume(uint256) external logged {
        bytes memory call = abi.encodeCall(distributor.resume, ());
        if (!_tried(world.guardian(false), address(distributor), call)) {
            world.broken("the guardian could not end a pause");
        }
        world.claimsResumed();
        world.did("resume");
    }
}
