// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CompactSignature} from "../libraries/CompactSignature.sol";
import {IEpochClock} from "./IEpochClock.sol";
import {IEpochLedger} from "./IEpochLedger.sol";
import {ILedgerLink} from "./ILedgerLink.sol";

/// @title IOracleQuorum
/// @notice The oracle members, their bonds, and the threshold of them that must sign a report.
/// @dev Signatures are checked in the transaction that uses them, against the members of that block: there is no vote
/// to keep open, and a member that is gone counts for nothing. Governance is whoever holds `DEFAULT_ADMIN_ROLE` of
/// AccessControl.
interface IOracleQuorum is IEpochClock, ILedgerLink {
    /// @notice A member joins from `fromEpoch` on, as soon as its bond is paid; `threshold` members must sign, at once.
    event MemberAdded(address indexed member, uint256 slot, uint32 fromEpoch, uint256 threshold);

    /// @notice Governance removed a member; `threshold` members must sign. Both hold at once.
    event MemberRemoved(address indexed member, uint256 slot, uint256 threshold);

    /// @notice Governance changed how many members must sign, at once.
    event ThresholdSet(uint256 threshold);

    /// @notice A member left by itself, at once.
    event MemberExited(address indexed member, uint256 slot);

    /// @notice A member was ejected and lost its bond of `bond` wei: half to the prover, half burned.
    event MemberSlashed(address indexed member, uint256 slot, uint256 bond, address indexed prover);

    /// @notice `from` paid `amount` wei of a member's bond.
    event BondDeposited(address indexed member, address indexed from, uint256 amount);

    /// @notice A member that left got its bond of `amount` wei back.
    event BondWithdrawn(address indexed member, uint256 amount);

    /// @notice The address is or was a member; a new member needs a new key.
    error MemberAlreadyKnown(address member);

    /// @notice The address is not a member, or has left.
    error MemberUnknown(address member);

    /// @notice The threshold is not more than half of the members, or more than there are. With no members it must be
    /// one.
    error InvalidThreshold(uint256 threshold, uint256 members);

    /// @notice No more members at once, or no more slots.
    error QuorumFull(uint256 members, uint256 slots);

    /// @notice `signer` is not an active member in this block.
    error SignerNotActive(address signer);

    /// @notice There are two signatures of `signer`.
    error DuplicateSigner(address signer);

    /// @notice There are fewer signatures than the threshold.
    error TooFewSignatures(uint256 signatures, uint256 threshold);

    /// @notice The bond is held until `releaseTime` (unix seconds); 2^256 − 1 while the member has not left.
    error BondHeld(address member, uint256 releaseTime);

    /// @notice The member signed the proposal that is pending.
    error SignedPendingProposal(address member);

    /// @notice The member has no bond here.
    error NoBond(address member);

    /// @notice The two reports are the same, or about different epochs or attempts.
    error NotEquivocation();

    /// @notice The two reports were signed by different keys.
    error DifferentSigners(address signerA, address signerB);

    // Constants

    /// @notice The most members at one time.
    function MAX_MEMBERS() external view returns (uint256);

    /// @notice The most members ever: slots are never reused, so that a slot names one member for ever.
    function MAX_SLOTS() external view returns (uint256);

    // Parameters

    /// @notice The token that bonds are paid in, an {ILinkToken}.
    function token() external view returns (IERC20);

    /// @notice The bond that a member needs to be active, in wei.
    function minimumBond() external view returns (uint256);

    // Members

    /// @notice Adds `member` from the next epoch on and sets the threshold at once. Only governance. Emits
    /// {MemberAdded}.
    function addMember(address member, uint256 threshold_) external;

    /// @notice Removes `member` and sets the threshold, both at once. Only governance. Emits {MemberRemoved}.
    function removeMember(address member, uint256 threshold_) external;

    /// @notice Sets how many members must sign, at once: after members were slashed or left, the rest may be fewer than
    /// the threshold. Only governance. Emits {ThresholdSet}.
    function setThreshold(uint256 threshold_) external;

    /// @notice The caller stops being a member, at once. Its bond stays here for {releaseSeconds}. Emits
    /// {MemberExited}.
    function exit() external;

    /// @notice How many members must sign a report: more than half of those there were when it was set. 1 at first.
    function threshold() external view returns (uint256);

    /// @notice How many members have not left, active or not.
    function members() external view returns (uint256);

    /// @notice A member's record; false and zeros for a stranger.
    /// @return known Whether it is or was a member.
    /// @return slot Its slot.
    /// @return bond The bond that is here, in wei.
    /// @return fromEpoch The first epoch in which it can be active.
    /// @return leftAt When it left or was removed or ejected (unix seconds); 0 while it has not.
    function memberOf(
        address member
    )
        external
        view
        returns (bool known, uint256 slot, uint256 bond, uint32 fromEpoch, uint256 leftAt);

    /// @notice Who is or was the member in a slot; zero when the slot was never used.
    function memberAt(uint256 slot) external view returns (address);

    /// @notice Whether a signature of `member` counts in this block; false for a stranger.
    function isActive(address member) external view returns (bool);

    // Bonds

    /// @notice Adds `amount` wei from the caller, who must have allowed it, to the bond of `member`, who must not have
    /// left. Emits {BondDeposited}.
    function depositBond(address member, uint256 amount) external;

    /// @notice Pays `member`, who has left, its bond: not before {releaseSeconds} have passed, nor while a proposal it
    /// signed is pending. By anyone. Emits {BondWithdrawn}.
    function withdrawBond(address member) external;

    /// @notice How long a bond stays here at least after its member left, in seconds: one epoch. As long as it is here,
    /// it can be slashed.
    function releaseSeconds() external view returns (uint256);

    // Signatures

    /// @notice Checks that at least {threshold} members, distinct and active in this block, signed `digest`.
    /// @dev Reverts with {TooFewSignatures}, {SignerNotActive} or {DuplicateSigner} when not.
    /// @return signers The slots of the signers, as a bit set.
    function verify(
        bytes32 digest,
        CompactSignature[] calldata signatures
    ) external view returns (uint256 signers);

    // Slashing

    /// @notice Ejects and slashes a member that signed two reports about one epoch and attempt. By anyone, also after
    /// the member left, as long as its bond is here. Emits {MemberSlashed}.
    function proveEquivocation(
        IEpochLedger.Report calldata reportA,
        IEpochLedger.Report calldata reportB,
        CompactSignature calldata signatureA,
        CompactSignature calldata signatureB
    ) external;

    /// @notice Ejects and slashes the members in `signers`, a bit set of slots, for `prover`. Only the ledger.
    /// Emits {MemberSlashed} for each.
    function slash(uint256 signers, address prover) external;
}
