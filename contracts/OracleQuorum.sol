// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EpochClock} from "./EpochClock.sol";
import {LedgerLink} from "./LedgerLink.sol";
import {IEpochClock} from "./interfaces/IEpochClock.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {ILinkToken} from "./interfaces/ILinkToken.sol";
import {IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {CompactSignature, CompactSignatures} from "./libraries/CompactSignature.sol";

/// @title OracleQuorum
/// @notice Implements {IOracleQuorum}, where each function is described.
contract OracleQuorum is IOracleQuorum, EpochClock, LedgerLink, AccessControl {
    using CompactSignatures for CompactSignature;
    using SafeERC20 for IERC20;
    using SafeERC20 for ILinkToken;

    /// @dev `bond` in wei; `leftAt` in unix seconds, zero while a member; `slotPlusOne` is zero for a stranger.
    struct Member {
        uint96 bond;
        uint40 leftAt;
        uint32 fromEpoch;
        uint16 slotPlusOne;
    }

    // Constants

    uint256 public constant MAX_MEMBERS = 32;
    // The ledger keeps the signers of a proposal as a bit set of 128.
    uint256 public constant MAX_SLOTS = 128;

    // Parameters

    IERC20 public immutable token;
    uint256 public immutable minimumBond;

    // State

    uint256 public threshold = 1;
    uint256 public members;

    address[] private _memberBySlot;
    mapping(address member => Member) private _members;

    /// @param token_ The LinkToken.
    /// @param clock The registry, whose clock is copied.
    /// @param minimumBond_ The bond that a member needs to be active, in wei.
    /// @param governance Who adds and removes members and sets the threshold.
    constructor(
        IERC20 token_,
        IEpochClock clock,
        uint256 minimumBond_,
        address governance
    ) EpochClock(clock.genesis(), clock.epochSeconds(), clock.graceSeconds()) {
        require(address(token_) != address(0) && governance != address(0), ZeroAddress());
        token = token_;
        minimumBond = minimumBond_;
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
    }

    // Members

    function addMember(address member, uint256 threshold_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(member != address(0), ZeroAddress());
        require(_members[member].slotPlusOne == 0, MemberAlreadyKnown(member));
        uint256 slot = _memberBySlot.length;
        require(members < MAX_MEMBERS && slot < MAX_SLOTS, QuorumFull(members, slot));
        uint32 fromEpoch = _nextEpoch();
        _memberBySlot.push(member);
        _members[member].slotPlusOne = uint16(slot + 1);
        _members[member].fromEpoch = fromEpoch;
        _setThreshold(threshold_, ++members);
        emit MemberAdded(member, slot, fromEpoch, threshold_);
    }

    function removeMember(
        address member,
        uint256 threshold_
    ) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _leave(member);
        _setThreshold(threshold_, members);
        emit MemberRemoved(member, _members[member].slotPlusOne - 1, threshold_);
    }

    function setThreshold(uint256 threshold_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setThreshold(threshold_, members);
        emit ThresholdSet(threshold_);
    }

    function exit() external {
        _leave(msg.sender);
        emit MemberExited(msg.sender, _members[msg.sender].slotPlusOne - 1);
    }

    function memberOf(
        address member
    )
        external
        view
        returns (bool known, uint256 slot, uint256 bond, uint32 fromEpoch, uint256 leftAt)
    {
        Member memory state = _members[member];
        known = state.slotPlusOne != 0;
        slot = known ? state.slotPlusOne - 1 : 0;
        return (known, slot, state.bond, state.fromEpoch, state.leftAt);
    }

    function memberAt(uint256 slot) external view returns (address) {
        return slot < _memberBySlot.length ? _memberBySlot[slot] : address(0);
    }

    function isActive(address member) external view returns (bool) {
        return _isActive(_members[member], currentEpoch());
    }

    function _isActive(Member memory member, uint32 epoch) private view returns (bool) {
        return
            member.slotPlusOne != 0 &&
            member.leftAt == 0 &&
            member.fromEpoch <= epoch &&
            member.bond >= minimumBond;
    }

    /// @dev A member that has not left.
    function _present(address member) private view returns (Member storage state) {
        state = _members[member];
        require(state.slotPlusOne != 0 && state.leftAt == 0, MemberUnknown(member));
    }

    function _leave(address member) private {
        _present(member).leftAt = uint40(block.timestamp);
        --members;
    }

    function _setThreshold(uint256 threshold_, uint256 members_) private {
        // At least one, even with no members left: no signatures must never be enough.
        require(
            2 * threshold_ > members_ && threshold_ <= Math.max(members_, 1),
            InvalidThreshold(threshold_, members_)
        );
        threshold = threshold_;
    }

    // Bonds

    function depositBond(address member, uint256 amount) external {
        Member storage state = _present(member);
        state.bond = SafeCast.toUint96(state.bond + amount);
        emit BondDeposited(member, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function withdrawBond(address member) external {
        Member storage state = _members[member];
        uint256 releaseTime =
            state.leftAt == 0 ? type(uint256).max : state.leftAt + releaseSeconds();
        require(block.timestamp >= releaseTime, BondHeld(member, releaseTime));
        uint256 bond = state.bond;
        require(bond != 0, NoBond(member));
        uint256 signers = IEpochLedger(ledger).proposal().signers;
        require((signers >> (state.slotPlusOne - 1)) & 1 == 0, SignedPendingProposal(member));
        state.bond = 0;
        emit BondWithdrawn(member, bond);
        token.safeTransfer(member, bond);
    }

    function releaseSeconds() public view returns (uint256) {
        // Longer than any attempt and its window: the ledger keeps those below half an epoch.
        return epochSeconds;
    }

    // Signatures

    function verify(
        bytes32 digest,
        CompactSignature[] calldata signatures
    ) external view returns (uint256 signers) {
        require(signatures.length >= threshold, TooFewSignatures(signatures.length, threshold));
        uint32 epoch = currentEpoch();
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = signatures[i].recover(digest);
            Member memory member = _members[signer];
            require(_isActive(member, epoch), SignerNotActive(signer));
            uint256 bit = 1 << (member.slotPlusOne - 1);
            require(signers & bit == 0, DuplicateSigner(signer));
            signers |= bit;
        }
    }

    // Slashing

    function proveEquivocation(
        IEpochLedger.Report calldata reportA,
        IEpochLedger.Report calldata reportB,
        CompactSignature calldata signatureA,
        CompactSignature calldata signatureB
    ) external {
        bytes32 digestA = IEpochLedger(ledger).reportDigest(reportA);
        bytes32 digestB = IEpochLedger(ledger).reportDigest(reportB);
        require(
            digestA != digestB &&
                reportA.epoch == reportB.epoch &&
                reportA.attempt == reportB.attempt,
            NotEquivocation()
        );
        address signer = signatureA.recover(digestA);
        address signerB = signatureB.recover(digestB);
        require(signer == signerB, DifferentSigners(signer, signerB));
        require(_members[signer].bond != 0, NoBond(signer));
        _share(_eject(signer, msg.sender), msg.sender);
    }

    function slash(uint256 signers, address prover) external onlyLedger {
        uint256 bonds = 0;
        for (uint256 slot = 0; signers >> slot != 0; ++slot) {
            if ((signers >> slot) & 1 == 1) bonds += _eject(_memberBySlot[slot], prover);
        }
        _share(bonds, prover);
    }

    /// @dev Takes the whole bond of a member, and its membership if it has not left. A member that was slashed before
    /// has no bond left to take.
    function _eject(address member, address prover) private returns (uint256 bond) {
        Member storage state = _members[member];
        bond = state.bond;
        state.bond = 0;
        if (state.leftAt == 0) _leave(member);
        emit MemberSlashed(member, state.slotPlusOne - 1, bond, prover);
    }

    /// @dev A prover may be the culprit itself, so only half goes to it.
    function _share(uint256 bonds, address prover) private {
        // Burning is the one thing that is asked of the token beyond ERC-20.
        ILinkToken link = ILinkToken(address(token));
        link.burn(bonds - bonds / 2);
        link.safeTransfer(prover, bonds / 2);
    }
}
