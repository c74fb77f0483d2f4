// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Actor} from "./Actor.sol";
import {Court} from "./Court.sol";
import {World} from "./World.sol";

/// @title Bystander
/// @notice Anyone: lets time pass, finalizes what is ripe, disproves what is false, ends attempts that came to nothing.
contract Bystander is Court {
    constructor(World world_) Actor(world_) {}

    /// @notice Moves to where something begins or ends, a second before or after it, or just on.
    function wait(uint256 seed) external logged {
        uint256 choice = _random(seed, 0) % 6;
        uint32 next = world.lastEpoch() + 1;
        uint256 to = world.time() + (_random(seed, 1) % (choice == 5 ? 45 days : 3 days));
        if (choice == 0) to = world.sealTimeOf(next);
        if (choice == 1) to = world.endOf(world.currentEpoch());
        if (choice == 2) to = world.sealTimeOf(world.sealedEpochs() + 1);
        if (choice == 3) to = world.abandonableAt();
        if (choice == 4 && world.isPending()) to = _windowEnd();
        world.moveTo(to + (_random(seed, 2) % 3) - 1);
        world.did("wait");
    }

    /// @notice What is pending, and what was vetoed.
    function disprove(uint256 seed) external logged {
        if (world.watched()) _disprove(seed, false);
    }

    /// @notice Sees to it that what was demanded of a report comes to light, or its signers lose their bonds.
    function settleDemands(uint256 seed) external logged {
        uint256 position = seed % world.reports();
        if (!world.isOpenAt(position) || world.openReportAt(position).waiting == 0) return;
        _settleDemands(position, seed);
        world.did("settleDemands");
    }

    /// @notice What was demanded of reports that are gone is given back.
    function reclaimAll(uint256 seed) external logged {
        _reclaimAll(seed);
    }

    /// @notice Waits for the end of the window, and finalizes what nothing can be held against.
    function finalize(uint256 seed) external logged {
        if (!world.isPending()) return;
        address passerBy = _passerBy(seed);
        bytes memory call = abi.encodeCall(ledger.finalize, (world.pendingReport()));
        if (world.time() < world.finalizableAt()) {
            _refused(
                "a root became final before its window ended, or while a demand waited",
                passerBy,
                address(ledger),
                call
            );
        }
        // Now and then while demands wait: nobody answers them any more.
        if (world.watched() && _random(seed, 1) % 2 == 0 && _disprove(seed, true)) return;
        _settleDemands(0, seed);
        if (!world.isPending()) {
            _refused("a silent root became final", passerBy, address(ledger), call);
            return;
        }
        if (world.time() < world.finalizableAt()) {
            _refused(
                "a root became final before what was shown could be disproven",
                passerBy,
                address(ledger),
                call
            );
        }
        world.moveTo(world.finalizableAt() + (_random(seed, 0) % 2 days));
        if (world.watched() && _disprove(seed, true)) {
            _refused("a disproven root became final", passerBy, address(ledger), call);
            return;
        }
        if (_tried(passerBy, address(ledger), call)) {
            world.finalized();
            world.did("finalize");
        } else {
            world.broken("a root whose window had ended could not become final");
        }
    }

    function abandon(uint256 seed) external logged {
        bool due =
            world.closedAt() == 0 && !world.isPending() && world.time() >= world.abandonableAt();
        uint32 epoch = world.lastEpoch() + 1;
        bytes memory call = abi.encodeCall(ledger.abandon, (epoch));
        if (_tried(_passerBy(seed), address(ledger), call) != due) {
            world.broken("an attempt was ended before its time, or could not be ended after");
        }
        if (!due) return;
        world.abandoned();
        world.did("abandon");
    }

    /// @notice Closes the ledger for good, when nothing was final for long enough; mostly it is too early.
    function close(uint256 seed) external logged {
        // Seldom: it ends most of what a campaign can do.
        bool wait_ = !world.isPending() && world.closedAt() == 0 && _random(seed, 0) % 16 == 0;
        if (wait_) world.moveTo(world.closableAt() + (_random(seed, 1) % 1 days));
        bool due =
            world.closedAt() == 0 && !world.isPending() && world.time() >= world.closableAt();
        if (due && !wait_) return;
        if (_tried(_passerBy(seed), address(ledger), abi.encodeCall(ledger.close, ())) != due) {
            world.broken("the ledger was closed before its time, or could not be after");
        }
        if (!due) return;
        world.closed();
        world.did("close");
    }

    /// @dev While a demand waits, the time for its answer.
    function _windowEnd() private view returns (uint256) {
        World.OpenReport memory report = world.openReportAt(0);
        return report.waiting == 0 ? report.until : world.dueOf(report.digest);
    }
}
