// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IEpochClock} from "./IEpochClock.sol";
import {ILawEvents} from "./ILawEvents.sol";
import {ILedgerLink} from "./ILedgerLink.sol";

/// @title IRewardProgramme
/// @notice Holds the emission share and buys service with it, like any customer: its gateways are inspectors, and what
/// their vouchers promise is drawn from here. What is not drawn is not issued.
/// @dev An inspector is an admitted customer of the escrow, with keys of its own. For an epoch in which it is an
/// inspector, its vouchers are paid from here and never from its balance, and its refunds come back here. Governance is
/// whoever holds `DEFAULT_ADMIN_ROLE` of AccessControl.
interface IRewardProgramme is IEpochClock, ILawEvents, ILedgerLink {
    /// @notice `inspector` buys for the programme from `fromEpoch` on.
    event InspectorAdded(address indexed inspector, uint32 fromEpoch, uint64 revision);

    /// @notice `inspector` no longer buys for the programme from `fromEpoch` on.
    event InspectorRemoved(address indexed inspector, uint32 fromEpoch, uint64 revision);

    /// @notice `amount` wei were drawn for a voucher of `inspector` for `epoch`.
    event Drawn(address indexed inspector, uint32 indexed epoch, uint96 amount);

    /// @notice The programme can be retired in favour of `successor` from `retirableAt` until `expiresAt` (unix
    /// seconds).
    event RetirementScheduled(address indexed successor, uint256 retirableAt, uint256 expiresAt);

    /// @notice The retirement was called off.
    event RetirementCancelled(address indexed successor);

    /// @notice What the programme held and no open epoch can draw, `amount` wei, went to `successor`.
    event Retired(address indexed successor, uint256 amount);

    /// @notice A year has no whole epoch, or the emission share, in wei, is over what 96 bits hold.
    error InvalidEmission(uint256 emissionShare, uint256 epochsPerYear);

    /// @notice The address is an inspector already, or is not one.
    error InspectorUnchanged(address inspector);

    /// @notice There are `inspectors` inspectors, as many as there can be.
    error TooManyInspectors(uint256 inspectors);

    /// @notice Only the escrow may draw.
    error NotEscrow(address caller);

    /// @notice The retirement is possible from `retirableAt` until `expiresAt` (unix seconds); zeros when none is
    /// scheduled.
    error NotRetirable(uint256 retirableAt, uint256 expiresAt);

    // Constants

    /// @notice The most inspectors at one time: a share must stay worth something.
    function MAX_INSPECTORS() external view returns (uint256);

    /// @notice The least time between scheduling and doing a retirement, in seconds.
    function RETIREMENT_DELAY_SECONDS() external view returns (uint256);

    /// @notice How long a retirement that has come due can be done, in seconds.
    function RETIREMENT_WINDOW_SECONDS() external view returns (uint256);

    // Parameters

    /// @notice The token it buys with, an {ILinkToken}.
    function token() external view returns (IERC20);

    /// @notice What all epochs together may issue, in wei. It must be sent here.
    function emissionShare() external view returns (uint256);

    // Emission

    /// @notice The most an epoch may issue, in wei: half of {emissionShare} in the first year, half of the rest in each
    /// year after, in equal parts for the epochs of the year; 0 for epoch 0.
    function emission(uint32 epoch) external view returns (uint256);

    // Inspectors

    /// @notice Lets `inspector` buy from the next epoch on. Only governance. Emits {InspectorAdded}.
    function addInspector(address inspector) external;

    /// @notice Stops `inspector` from the next epoch on; its vouchers for epochs before that are still paid. Only
    /// governance. Emits {InspectorRemoved}.
    function removeInspector(address inspector) external;

    /// @notice Whether `inspector` buys for the programme in `epoch`.
    /// @dev For a future epoch it is what is scheduled now.
    function isInspectorAt(address inspector, uint32 epoch) external view returns (bool);

    /// @notice How many inspectors there are in `epoch`.
    /// @dev For a future epoch it is what is scheduled now.
    function inspectorsAt(uint32 epoch) external view returns (uint256);

    /// @notice The most that one inspector can draw for `epoch`, in wei: `emission(epoch) / inspectorsAt(epoch)`; 0
    /// when there is none.
    function shareAt(uint32 epoch) external view returns (uint256);

    /// @notice What was drawn for `inspector` and `epoch`, in wei.
    function drawn(address inspector, uint32 epoch) external view returns (uint256);

    // Purchases

    /// @notice Pays the escrow what a voucher of `inspector` for `epoch` promises and was not drawn yet, as far as its
    /// share and what is held here reach. Only the escrow. Emits {Drawn}, unless that is nothing.
    /// @param promised What the inspector owes for that epoch in all, in wei.
    /// @return amount What was drawn now, in wei.
    function draw(
        address inspector,
        uint32 epoch,
        uint96 promised
    ) external returns (uint96 amount);

    // Retirement

    /// @notice Announces that `successor` will get what is not issued, {RETIREMENT_DELAY_SECONDS} from now at the
    /// earliest; replaces an earlier announcement. Only governance. Emits {RetirementScheduled}.
    function scheduleRetirement(address successor) external;

    /// @notice Calls the retirement off. Only governance. Emits {RetirementCancelled}.
    function cancelRetirement() external;

    /// @notice Sends what is held here to the successor, once the retirement is due and until it expires, but not what
    /// inspectors can draw for epochs that have begun and are not sealed. Only governance. Can be repeated for what
    /// they leave, and for refunds that come in meanwhile. Emits {Retired}.
    function retire() external;

    /// @notice Whom a scheduled retirement favours, and from when until when it is possible (unix seconds); zeros when
    /// none is scheduled.
    function retirement()
        external
        view
        returns (address successor, uint256 retirableAt, uint256 expiresAt);
}
