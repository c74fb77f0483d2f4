// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {IGuarded} from "./interfaces/IGuarded.sol";

/// @title Guarded
/// @notice Implements {IGuarded}, where each function is described.
abstract contract Guarded is IGuarded, EpochClock, AccessControl {
    using Checkpoints for Checkpoints.Trace160;

    // State

    Checkpoints.Trace160 private _guardianByEpoch;

    /// @param guardian The guardian from the beginning.
    constructor(address guardian) {
        _setGuardian(0, guardian);
    }

    modifier onlyGuardian() {
        address guardian = guardianAt(currentEpoch());
        require(msg.sender == guardian, NotGuardian(msg.sender, guardian));
        _;
    }

    // Guardian

    function setGuardian(address guardian) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setGuardian(_epochAfterNext(), guardian);
    }

    function guardianAt(uint32 epoch) public view returns (address) {
        return address(_guardianByEpoch.upperLookupRecent(epoch));
    }

    function _setGuardian(uint32 fromEpoch, address guardian) private {
        require(guardian != address(0), ZeroAddress());
        _guardianByEpoch.push(fromEpoch, uint160(guardian));
        emit GuardianSet(guardian, fromEpoch);
    }
}
