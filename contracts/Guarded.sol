// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IGuarded} from "./interfaces/IGuarded.sol";

/// @title Guarded
/// @notice Implements {IGuarded}: the one place where the guardian's role gets its value.
abstract contract Guarded is IGuarded {
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
}
