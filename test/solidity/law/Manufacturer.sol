// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Cast} from "../Suite.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Manufacturer
/// @notice Authorises hardware, and now and then takes it back.
contract Manufacturer is Actor {
    constructor(World world_) Actor(world_) {}

    function enrol(uint256 seed) external logged {
        address[] memory devices = new address[](1);
        devices[0] = world.devices(seed % Cast.DEVICES);
        uint8 class = uint8(_random(seed, 0) % 2);
        address manufacturer = world.MANUFACTURER();
        (bool enrolled, , , , ) = registry.deviceOf(devices[0]);
        bytes memory call = abi.encodeCall(registry.enrol, (devices, class));
        if (enrolled) {
            _refused("a device was enrolled twice", manufacturer, address(registry), call);
            return;
        }
        VM.prank(manufacturer);
        registry.enrol(devices, class);
        world.did("enrol");
    }

    function revoke(uint256 seed) external logged {
        address[] memory devices = new address[](2);
        devices[0] = world.devices(seed % Cast.DEVICES);
        devices[1] = devices[0];
        (bool enrolled, , , , ) = registry.deviceOf(devices[0]);
        // Seldom: a campaign should not run out of devices.
        if (!enrolled || _random(seed, 0) % 4 != 0) return;
        address manufacturer = world.MANUFACTURER();
        VM.prank(manufacturer);
        registry.revoke(devices, "found on the market");
        _refused(
            "a reason with a line break was published",
            manufacturer,
            address(registry),
            abi.encodeCall(registry.revoke, (devices, "found\non the market"))
        );
        if (registry.ownerAt(devices[0], registry.currentEpoch()) != address(0)) {
            world.broken("a revocation did not void the running epoch");
        }
        world.did("revoke");
    }
}
