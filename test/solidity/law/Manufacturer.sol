// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {Cast} from "../Suite.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Manufacturer
/// @notice Authorises hardware, and now and then takes it back.
contract Manufacturer is Actor {
    constructor(World world_) Actor(world_) {}

    /// @notice With a key of either kind.
    function enrol(uint256 seed) external logged {
        address device = world.devices(seed % Cast.DEVICES);
        uint8 class = uint8(_random(seed, 0) % 2);
        address manufacturer = world.MANUFACTURER();
        bytes memory call = _enrolment(device, class, world.publicKeyOf(device));
        bool isNew = !_isEnrolled(device);
        if (_tried(manufacturer, address(registry), call) != isNew) {
            world.broken("a device was enrolled twice, or not at all");
        }
        _refused(
            "a key that is no point of the curve was enrolled",
            manufacturer,
            address(registry),
            _enrolment(device, class, abi.encode(_random(seed, 1), _random(seed, 2)))
        );
        if (isNew) world.did("enrol");
    }

    function revoke(uint256 seed) external logged {
        address[] memory devices = new address[](2);
        devices[0] = world.devices(seed % Cast.DEVICES);
        devices[1] = devices[0];
        // Seldom: a campaign should not run out of devices.
        if (!_isEnrolled(devices[0]) || _random(seed, 0) % 4 != 0) return;
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

    function _isEnrolled(address device) private view returns (bool) {
        (IDeviceRegistry.KeyType keyType, , , , ) = registry.deviceOf(device);
        return keyType != IDeviceRegistry.KeyType.None;
    }

    function _enrolment(
        address device,
        uint8 class,
        bytes memory publicKey
    ) private view returns (bytes memory) {
        if (publicKey.length == 0) {
            address[] memory devices = new address[](1);
            devices[0] = device;
            return abi.encodeCall(registry.enrol, (devices, class));
        }
        bytes[] memory publicKeys = new bytes[](1);
        publicKeys[0] = publicKey;
        return abi.encodeCall(registry.enrolP256, (publicKeys, class));
    }
}
