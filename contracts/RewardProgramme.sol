// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {LawEvents} from "./LawEvents.sol";
import {LedgerLink} from "./LedgerLink.sol";
import {IEpochClock} from "./interfaces/IEpochClock.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {IRewardProgramme} from "./interfaces/IRewardProgramme.sol";

/// @title RewardProgramme
/// @notice Implements {IRewardProgramme}, where each function is described.
contract RewardProgramme is IRewardProgramme, EpochClock, LedgerLink, LawEvents, AccessControl {
    using Checkpoints for Checkpoints.Trace160;
    using SafeERC20 for IERC20;

    // Constants

    uint256 public constant MAX_INSPECTORS = 1000;
    uint256 public constant RETIREMENT_DELAY_SECONDS = 30 days;
    uint256 public constant RETIREMENT_WINDOW_SECONDS = 30 days;

    // Parameters

    IERC20 public immutable token;
    uint256 public immutable emissionShare;

    uint256 private immutable EPOCHS_PER_YEAR;

    // State

    mapping(address inspector => mapping(uint32 epoch => uint256)) public drawn;

    // 1 while an inspector, 0 otherwise.
    mapping(address inspector => Checkpoints.Trace160) private _inspectorByEpoch;
    Checkpoints.Trace160 private _inspectorsByEpoch;

    address private _successor;
    uint256 private _retirableAt;

    /// @param token_ The LinkToken.
    /// @param clock The registry, whose clock is copied.
    /// @param emissionShare_ What all epochs together may issue, in wei. It must be sent here.
    /// @param governance Who names the inspectors and may retire the programme.
    constructor(
        IERC20 token_,
        IEpochClock clock,
        uint256 emissionShare_,
        address governance
    ) EpochClock(clock.genesis(), clock.epochSeconds(), clock.graceSeconds()) {
        require(address(token_) != address(0) && governance != address(0), ZeroAddress());
        EPOCHS_PER_YEAR = 365 days / epochSeconds;
        require(
            EPOCHS_PER_YEAR != 0 && emissionShare_ <= type(uint96).max,
            InvalidEmission(emissionShare_, EPOCHS_PER_YEAR)
        );
        token = token_;
        emissionShare = emissionShare_;
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
    }

    // Emission

    function emission(uint32 epoch) public view returns (uint256) {
        if (epoch == 0) return 0;
        uint256 year = (epoch - 1) / EPOCHS_PER_YEAR;
        return (emissionShare >> (year + 1)) / EPOCHS_PER_YEAR;
    }

    // Inspectors

    function addInspector(address inspector) external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(inspector != address(0), ZeroAddress());
        uint256 inspectors = _inspectorsByEpoch.latest();
        require(inspectors < MAX_INSPECTORS, TooManyInspectors(inspectors));
        uint32 fromEpoch = _setInspector(inspector, true);
        emit InspectorAdded(inspector, fromEpoch, _nextRevision());
    }

    function removeInspector(address inspector) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint32 fromEpoch = _setInspector(inspector, false);
        emit InspectorRemoved(inspector, fromEpoch, _nextRevision());
    }

    function isInspectorAt(address inspector, uint32 epoch) public view returns (bool) {
        return _inspectorByEpoch[inspector].upperLookupRecent(epoch) == 1;
    }

    function inspectorsAt(uint32 epoch) public view returns (uint256) {
        return _inspectorsByEpoch.upperLookupRecent(epoch);
    }

    function shareAt(uint32 epoch) public view returns (uint256) {
        uint256 inspectors = inspectorsAt(epoch);
        return inspectors == 0 ? 0 : emission(epoch) / inspectors;
    }

    function _setInspector(address inspector, bool is_) private returns (uint32 fromEpoch) {
        Checkpoints.Trace160 storage trace = _inspectorByEpoch[inspector];
        require((trace.latest() == 1) != is_, InspectorUnchanged(inspector));
        fromEpoch = _nextEpoch();
        trace.push(fromEpoch, is_ ? 1 : 0);
        uint160 inspectors = _inspectorsByEpoch.latest();
        _inspectorsByEpoch.push(fromEpoch, is_ ? inspectors + 1 : inspectors - 1);
    }

    // Purchases

    function draw(
        address inspector,
        uint32 epoch,
        uint96 promised
    ) external returns (uint96 amount) {
        require(msg.sender == address(IEpochLedger(ledger).escrow()), NotEscrow(msg.sender));
        if (!isInspectorAt(inspector, epoch)) return 0;
        uint256 before = drawn[inspector][epoch];
        uint256 most = Math.min(promised, shareAt(epoch));
        uint256 held = token.balanceOf(address(this));
        // At most `promised`, which has 96 bits.
        amount = uint96(Math.min(Math.saturatingSub(most, before), held));
        if (amount == 0) return 0;
        drawn[inspector][epoch] = before + amount;
        emit Drawn(inspector, epoch, amount);
        token.safeTransfer(msg.sender, amount);
    }

    // Retirement

    function scheduleRetirement(address successor) external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(successor != address(0), ZeroAddress());
        _successor = successor;
        _retirableAt = block.timestamp + RETIREMENT_DELAY_SECONDS;
        emit RetirementScheduled(successor, _retirableAt, _expiresAt());
    }

    function cancelRetirement() external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(_retirableAt != 0, NotRetirable(0, 0));
        emit RetirementCancelled(_successor);
        _successor = address(0);
        _retirableAt = 0;
    }

    function retire() external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(
            _retirableAt != 0 && block.timestamp >= _retirableAt && block.timestamp < _expiresAt(),
            NotRetirable(_retirableAt, _expiresAt())
        );
        uint256 amount = Math.saturatingSub(token.balanceOf(address(this)), _reserved());
        emit Retired(_successor, amount);
        token.safeTransfer(_successor, amount);
    }

    function retirement() external view returns (address, uint256, uint256) {
        return (_successor, _retirableAt, _expiresAt());
    }

    /// @dev What inspectors can still draw for the epochs that have begun and are not sealed.
    function _reserved() private view returns (uint256 amount) {
        if (IEpochLedger(ledger).closedAt() != 0) return 0;
        uint32 epoch = currentEpoch();
        if (inspectorsAt(epoch) != 0) amount = emission(epoch);
        if (epoch < 2 || block.timestamp >= sealTimeOf(epoch - 1)) return amount;
        if (inspectorsAt(epoch - 1) != 0) amount += emission(epoch - 1);
    }

    function _expiresAt() private view returns (uint256) {
        return _retirableAt == 0 ? 0 : _retirableAt + RETIREMENT_WINDOW_SECONDS;
    }
}
