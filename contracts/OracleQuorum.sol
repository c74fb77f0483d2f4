// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {EpochClock} from "./EpochClock.sol";
import {LawEvents} from "./LawEvents.sol";
import {LedgerLink} from "./LedgerLink.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IEpochClock} from "./interfaces/IEpochClock.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {IJudge} from "./interfaces/IJudge.sol";
import {ILinkToken} from "./interfaces/ILinkToken.sol";
import {IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {CompactSignature, CompactSignatures} from "./libraries/CompactSignature.sol";
import {Tree} from "./libraries/Tree.sol";

/// @title OracleQuorum
/// @notice Implements {IOracleQuorum}, where each function is described.
contract OracleQuorum is IOracleQuorum, EpochClock, LedgerLink, LawEvents, AccessControl {
    using CompactSignatures for CompactSignature;
    using SafeERC20 for IERC20;
    using SafeERC20 for ILinkToken;
    using Tree for bytes32;

    /// @dev What a signature asks of a member, in two slots. `key` signs from `keyFrom` on, `previousKey` before that.
    /// `bond` in wei; `untilEpoch` is zero while it has not left; `leftIn`, the epoch that was running when it left by
    /// itself or was removed, tells when its bond is free: who was slashed has none.
    struct Member {
        address key;
        uint96 bond;
        address previousKey;
        uint32 keyFrom;
        uint32 fromEpoch;
        uint32 untilEpoch;
        uint32 leftIn;
        uint96 fees;
    }

    /// @dev What holds in `epoch` and the two epochs after it, and from then on: changes come in any order, none later
    /// than that, and the past is never asked for.
    struct Terms {
        uint32 epoch;
        uint8[3] seats;
        uint8[3] thresholds;
    }

    /// @dev The same in one slot, the earliest epoch in the lowest byte.
    struct PackedTerms {
        uint32 epoch;
        uint24 seats;
        uint24 thresholds;
    }

    // Constants

    uint256 public constant MAX_MEMBERS = 32;
    // The ledger keeps the signers of a proposal as a bit set of 128.
    uint256 public constant MAX_SLOTS = 128;

    // A tenth, so that a culprit that proves its own fraud first still loses.
    uint256 private constant PROVER_PART = 10;

    // Parameters

    IERC20 public immutable token;
    uint256 public immutable minimumBond;

    // State

    PackedTerms private _terms;

    Member[] private _memberBySlot;
    // Every key that ever was a member's; zero for a stranger.
    mapping(address key => uint256) private _slotPlusOne;

    /// @param token_ The LinkToken.
    /// @param clock The registry, whose clock is copied.
    /// @param minimumBond_ The bond that a member needs to be active, in wei; not zero.
    /// @param governance Who adds and removes members and sets the threshold.
    constructor(
        IERC20 token_,
        IEpochClock clock,
        uint256 minimumBond_,
        address governance
    ) EpochClock(clock.genesis(), clock.epochSeconds(), clock.graceSeconds()) {
        require(address(token_) != address(0) && governance != address(0), ZeroAddress());
        require(minimumBond_ != 0 && minimumBond_ <= type(uint96).max, InvalidBond(minimumBond_));
        token = token_;
        minimumBond = minimumBond_;
        _terms.thresholds = _pack([1, 1, 1]);
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
    }

    // Members

    function addMember(address member, uint256 threshold_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint256 slot = _memberBySlot.length;
        require(members() < MAX_MEMBERS && slot < MAX_SLOTS, QuorumFull(members(), slot));
        _useKey(member, slot);
        uint32 fromEpoch = _epochAfterNext();
        Member storage state = _memberBySlot.push();
        state.key = member;
        state.fromEpoch = fromEpoch;
        Terms memory terms = _currentTerms();
        ++terms.seats[2];
        _store(terms);
        emit MemberAdded(member, slot, fromEpoch, _nextRevision());
        if (threshold_ != terms.thresholds[2]) _setThreshold(threshold_);
        else _requireThreshold(threshold_);
    }

    function removeMember(address member) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint256 slot = _presentSlot(member);
        // Not sooner: members that are removed must still be able to finish the epoch that is due.
        uint32 fromEpoch = _epochAfterNext();
        _leaveFrom(slot, fromEpoch, 2);
        emit MemberRemoved(_memberBySlot[slot].key, slot, fromEpoch, _nextRevision());
    }

    function setThreshold(uint256 threshold_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setThreshold(threshold_);
    }

    function exit() external {
        uint256 slot = _ownSlot();
        uint32 fromEpoch = _nextEpoch();
        _leaveFrom(slot, fromEpoch, 1);
        emit MemberExited(msg.sender, slot, fromEpoch, _nextRevision());
    }

    function rotate(address successor) external {
        uint256 slot = _ownSlot();
        _useKey(successor, slot);
        Member storage state = _memberBySlot[slot];
        // Until a rotation takes effect the key before it signs: a further one must not take that away.
        if (state.keyFrom <= currentEpoch()) state.previousKey = state.key;
        uint32 fromEpoch = _nextEpoch();
        state.key = successor;
        state.keyFrom = fromEpoch;
        emit MemberRotated(msg.sender, successor, slot, fromEpoch, _nextRevision());
    }

    function threshold() public view returns (uint256) {
        Terms memory terms = _currentTerms();
        return _thresholdIn(terms);
    }

    function seats() external view returns (uint256) {
        return _currentTerms().seats[0];
    }

    function members() public view returns (uint256) {
        // Changes go no further, so what holds two epochs on holds until the next change.
        return uint8(_terms.seats >> 16);
    }

    function memberOf(
        address member
    )
        external
        view
        returns (bool known, uint256 slot, uint256 bond, uint32 fromEpoch, uint32 untilEpoch)
    {
        uint256 slotPlusOne = _slotPlusOne[member];
        if (slotPlusOne == 0) return (false, 0, 0, 0, 0);
        slot = slotPlusOne - 1;
        Member storage state = _memberBySlot[slot];
        return (true, slot, state.bond, state.fromEpoch, state.untilEpoch);
    }

    function memberAt(uint256 slot) external view returns (address) {
        return slot < _memberBySlot.length ? _memberBySlot[slot].key : address(0);
    }

    function isActive(address member) external view returns (bool) {
        uint256 slotPlusOne = _slotPlusOne[member];
        return slotPlusOne != 0 && _isActive(member, slotPlusOne - 1, currentEpoch());
    }

    function _isActive(address key, uint256 slot, uint32 epoch) private view returns (bool) {
        Member storage state = _memberBySlot[slot];
        return
            key == (state.keyFrom <= epoch ? state.key : state.previousKey) &&
            state.bond >= minimumBond &&
            state.fromEpoch <= epoch &&
            (state.untilEpoch == 0 || epoch < state.untilEpoch);
    }

    /// @dev A key is one member's for ever: what it signed must name one slot.
    function _useKey(address key, uint256 slot) private {
        require(key != address(0), ZeroAddress());
        require(_slotPlusOne[key] == 0, MemberAlreadyKnown(key));
        _slotPlusOne[key] = slot + 1;
    }

    /// @dev The slot of a member that has not left, by any of its keys: it cannot rotate out of its removal.
    function _presentSlot(address member) private view returns (uint256 slot) {
        uint256 slotPlusOne = _slotPlusOne[member];
        require(slotPlusOne != 0, MemberUnknown(member));
        slot = slotPlusOne - 1;
        require(_memberBySlot[slot].untilEpoch == 0, MemberUnknown(member));
    }

    /// @dev The slot of the caller, by the newest of its keys: one that was handed on decides nothing more.
    function _ownSlot() private view returns (uint256 slot) {
        slot = _presentSlot(msg.sender);
        require(_memberBySlot[slot].key == msg.sender, MemberUnknown(msg.sender));
    }

    function _leaveFrom(uint256 slot, uint32 untilEpoch, uint256 seatGoesIn) private {
        Member storage state = _memberBySlot[slot];
        Terms memory terms = _currentTerms();
        state.leftIn = terms.epoch;
        _leave(state, terms, untilEpoch, seatGoesIn);
        _store(terms);
    }

    /// @dev Its signatures count before `untilEpoch`; its seat is gone from the epoch `seatGoesIn` after the running one.
    function _leave(
        Member storage state,
        Terms memory terms,
        uint32 untilEpoch,
        uint256 seatGoesIn
    ) private {
        state.untilEpoch = untilEpoch;
        for (uint256 i = seatGoesIn; i < 3; ++i) {
            // A member that has not begun yet has no seat before its first epoch.
            if (state.fromEpoch <= terms.epoch + i) --terms.seats[i];
        }
    }

    // Terms

    /// @dev The stored terms, moved on to the running epoch.
    function _currentTerms() private view returns (Terms memory terms) {
        PackedTerms memory stored = _terms;
        uint32 epoch = currentEpoch();
        uint256 passed = epoch - stored.epoch;
        terms.epoch = epoch;
        for (uint256 i = 0; i < 3; ++i) {
            uint256 shift = 8 * Math.min(i + passed, 2);
            terms.seats[i] = uint8(stored.seats >> shift);
            terms.thresholds[i] = uint8(stored.thresholds >> shift);
        }
    }

    function _store(Terms memory terms) private {
        _terms = PackedTerms(terms.epoch, _pack(terms.seats), _pack(terms.thresholds));
    }

    function _pack(uint8[3] memory bytes_) private pure returns (uint24) {
        return uint24(bytes_[0]) | (uint24(bytes_[1]) << 8) | (uint24(bytes_[2]) << 16);
    }

    /// @dev No signatures must never be enough, also with no members left.
    function _thresholdIn(Terms memory terms) private pure returns (uint256) {
        return Math.max(1, Math.min(terms.thresholds[0], terms.seats[0]));
    }

    function _setThreshold(uint256 threshold_) private {
        _requireThreshold(threshold_);
        Terms memory terms = _currentTerms();
        // At most MAX_MEMBERS.
        terms.thresholds[2] = uint8(threshold_);
        _store(terms);
        emit ThresholdSet(threshold_, _epochAfterNext(), _nextRevision());
    }

    /// @dev More than half, so that no two reports can both have enough signers.
    function _requireThreshold(uint256 threshold_) private view {
        uint256 count = members();
        require(
            2 * threshold_ > count && threshold_ <= Math.max(count, 1),
            InvalidThreshold(threshold_, count)
        );
    }

    // Bonds

    function depositBond(address member, uint256 amount) external {
        uint256 slot = _presentSlot(member);
        Member storage state = _memberBySlot[slot];
        state.bond = SafeCast.toUint96(state.bond + amount);
        emit BondDeposited(slot, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function withdrawBond(uint256 slot) external {
        require(slot < _memberBySlot.length, NoBond(slot));
        Member storage state = _memberBySlot[slot];
        require(_isReleased(state), BondHeld(slot, state.leftIn));
        uint256 bond = state.bond;
        require(bond != 0, NoBond(slot));
        state.bond = 0;
        emit BondWithdrawn(slot, state.key, bond);
        token.safeTransfer(state.key, bond);
    }

    function _isReleased(Member storage state) private view returns (bool) {
        IEpochLedger link = IEpochLedger(ledger);
        if (state.untilEpoch == 0 || block.timestamp < link.provableUntil()) return false;
        (uint32 lastFinalEpoch, , , ) = link.lastFinal();
        if (lastFinalEpoch > state.leftIn) return true;
        uint256 closedAt = link.closedAt();
        return closedAt != 0 && block.timestamp >= closedAt + epochSeconds;
    }

    // Fees

    function withdrawFees(uint256 slot) external {
        require(slot < _memberBySlot.length, NoFees(slot));
        Member storage state = _memberBySlot[slot];
        uint256 fees = state.fees;
        require(fees != 0, NoFees(slot));
        state.fees = 0;
        emit FeesWithdrawn(slot, state.key, fees);
        token.safeTransfer(state.key, fees);
    }

    function feesOf(uint256 slot) external view returns (uint256) {
        return slot < _memberBySlot.length ? _memberBySlot[slot].fees : 0;
    }

    function credit(
        uint256 signers,
        uint256 seats_,
        uint96 fee
    ) external onlyLedger returns (uint96 credited) {
        // There are at least as many seats as signers, and one signer.
        uint96 each = uint96(fee / seats_);
        if (each == 0) return 0;
        for (uint256 slot = 0; signers >> slot != 0; ++slot) {
            if ((signers >> slot) & 1 == 0) continue;
            Member storage state = _memberBySlot[slot];
            if (state.bond == 0) {
                // It was slashed since it signed.
                signers &= ~(1 << slot);
                continue;
            }
            state.fees += each;
            credited += each;
        }
        emit FeesCredited(signers, each);
    }

    // Signatures

    function verify(
        bytes32 digest,
        CompactSignature[] calldata signatures
    ) external view returns (uint256 signers, uint256 seats_) {
        Terms memory terms = _currentTerms();
        uint256 least = _thresholdIn(terms);
        require(signatures.length >= least, TooFewSignatures(signatures.length, least));
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = signatures[i].recover(digest);
            uint256 slotPlusOne = _slotPlusOne[signer];
            require(
                slotPlusOne != 0 && _isActive(signer, slotPlusOne - 1, terms.epoch),
                SignerNotActive(signer)
            );
            uint256 bit = 1 << (slotPlusOne - 1);
            require(signers & bit == 0, DuplicateSigner(signer));
            signers |= bit;
        }
        // Whoever is active has a seat: never fewer seats than signers.
        seats_ = terms.seats[0];
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
        _slashOne(signatureA.recover(digestA), signatureB.recover(digestB));
    }

    function proveOmission(OmissionProof calldata omission) external {
        IEpochLedger link = IEpochLedger(ledger);
        IEpochLedger.Report calldata report = omission.report;
        IDeviceRegistry.Acknowledgement calldata word = omission.acknowledgement;
        IJudge judge = link.judgeOf(report.rulesHash);
        // Whenever it says that it had stored it: the date is the culprit's own.
        require(address(judge) != address(0), NotOmission());
        bytes32 digest = judge.omitted(
            report.epoch,
            report.contributionRoot,
            report.contributions,
            omission.omission
        );
        require(
            digest != 0 &&
                word.root.contains(word.receipts, omission.index, digest, omission.proof),
            NotOmission()
        );
        _slashOne(
            omission.reportSignature.recover(link.reportDigest(report)),
            omission.acknowledgementSignature.recover(link.registry().acknowledgementDigest(word))
        );
    }

    /// @dev Both keys signed, and are of one member, whose bond is still here.
    function _slashOne(address signerA, address signerB) private {
        uint256 slotPlusOne = _slotPlusOne[signerA];
        require(slotPlusOne == _slotPlusOne[signerB], DifferentSigners(signerA, signerB));
        require(slotPlusOne != 0, MemberUnknown(signerA));
        require(_memberBySlot[slotPlusOne - 1].bond != 0, NoBond(slotPlusOne - 1));
        _slash(1 << (slotPlusOne - 1), msg.sender);
    }

    function slash(uint256 signers, address prover) external onlyLedger {
        _slash(signers, prover);
    }

    function _slash(uint256 signers, address prover) private {
        Terms memory terms = _currentTerms();
        uint256 bonds = 0;
        for (uint256 slot = 0; signers >> slot != 0; ++slot) {
            if ((signers >> slot) & 1 == 1) bonds += _eject(slot, prover, terms);
        }
        _store(terms);
        _share(bonds, prover);
    }

    /// @dev Takes the whole bond of a member, and its membership if it has not left. A member that was slashed before
    /// has no bond left to take. Nothing in here reverts: that would save the culprits.
    function _eject(
        uint256 slot,
        address prover,
        Terms memory terms
    ) private returns (uint256 bond) {
        Member storage state = _memberBySlot[slot];
        bond = state.bond;
        state.bond = 0;
        // Zero is for who has not left; and in epoch 0 nobody is active.
        if (state.untilEpoch == 0) _leave(state, terms, uint32(Math.max(terms.epoch, 1)), 2);
        emit MemberSlashed(state.key, slot, bond, prover, terms.epoch, _nextRevision());
    }

    function _share(uint256 bonds, address prover) private {
        uint256 part = prover == address(0) ? 0 : bonds / PROVER_PART;
        // Burning is the one thing that is asked of the token beyond ERC-20.
        ILinkToken link = ILinkToken(address(token));
        link.burn(bonds - part);
        if (part != 0) link.safeTransfer(prover, part);
    }
}
