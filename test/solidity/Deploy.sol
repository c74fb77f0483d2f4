// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {VM} from "./Vm.sol";

/// @notice Deploys the contract called `name` from its artifact, for the caller.
/// @dev With `new`, every test contract would carry the code of the whole suite, and the compiler would optimize it again
/// each time.
function deploy(string memory name, bytes memory arguments) returns (address deployed) {
    bytes memory code = bytes.concat(VM.getCode(name), arguments);
    assembly ("memory-safe") {
        deployed := create(0, add(code, 0x20), mload(code))
    }
    require(deployed != address(0), NotDeployed(name));
}

error NotDeployed(string name);
