// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";

/// @notice Binds many devices in one transaction, so that tests with thousands of accounts stay quick.
contract BatchBinder {
    function bind(
        DeviceRegistry registry,
        address[] calldata devices,
        address[] calldata accounts,
        CompactSignature[] calldata signatures
    ) external {
        for (uint256 i = 0; i < devices.length; ++i) {
            registry.bind(devices[i], accounts[i], type(uint256).max, signatures[i]);
        }
    }
}
