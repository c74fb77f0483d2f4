// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Guardian
/// @notice Vetoes, and pauses claims for as long as it may.
contract Guardian is Actor {
    address private immutable GUARDIAN;

    constructor(World world_) Actor(world_) {
        GUARDIAN = world_.GUARDIAN();
    }

    function veto(uint256 seed) external {
        bytes32 digest = ledger.reportDigest(world.pendingReport());
        bytes memory call = abi.encodeCall(ledger.veto, (digest));
        if (world.isPending() && _random(seed, 0) % 2 == 0) return;
        if (_tried(GUARDIAN, address(ledger), call) != world.isPending()) {
            world.broken(5, "the guardian could not veto what is pending, or vetoed what is not");
        }
        if (!world.isPending()) return;
        world.rejected(false);
        world.did("veto");
    }

    function pause(uint256 seed) external {
        bool due = world.time() >= world.nextPauseAt();
        if (due && _random(seed, 0) % 2 == 0) return;
        if (_tried(GUARDIAN, address(distributor), abi.encodeCall(distributor.pause, ())) != due) {
            world.broken(3, "claims were paused again before the cool-down ended, or could not be");
        }
        if (!due) return;
        world.claimsPaused();
        world.did("pause");
    }

    function resume(uint256) external {
        VM.prank(GUARDIAN);
        distributor.resume();
        world.claimsResumed();
        world.did("resume");
    }
}
