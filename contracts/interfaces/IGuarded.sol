// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochClock} from "./IEpochClock.sol";
import {ISharedErrors} from "./ISharedErrors.sol";

/// @title IGuarded
/// @notice A contract with a guardian, who can hold up what looks wrong and has no other power: in the ledger it vetoes
/// a proposal, in the distributor it pauses claims for a short time.
/// @dev Each guarded contract has a guardian of its own; governance, whoever holds `DEFAULT_ADMIN_ROLE` of
/// AccessControl there, names it.
interface IGuarded is IEpochClock, ISharedErrors {
    /// @notice `guardian` is the guardian from `fromEpoch` on.
    event GuardianSet(address indexed guardian, uint32 fromEpoch);

    /// @notice Only the guardian in force may call this.
    error NotGuardian(address caller, address guardian);

    /// @notice Names another guardian, after at least one whole epoch more. Only governance. Emits {GuardianSet}.
    function setGuardian(address guardian) external;

    /// @notice The guardian in `epoch`.
    /// @dev For an epoch that is not the running one or the next, it is what is scheduled now.
    function guardianAt(uint32 epoch) external view returns (address);
}
