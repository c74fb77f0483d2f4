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
/// to keep open, and a member that is gone counts for nothing.
interface IOracleQuorum is IEpochClock, ILedgerLink {
    /// @notice A member joins from `fromEpoch` on, as soon as its bond is paid.
    event MemberAdded(address indexed member, uint256 slot, uint32 fromEpoch, uint256 threshold);

    /// @notice Governance removed a member, at once.
    event MemberRemoved(address indexed member, uint256 slot, uint256 threshold);

    /// @notice Governance changed how many members must sign, at once.
    event ThresholdSet(uint256 threshold);

    /// @notice A member left by itself, at once.
    event MemberExited(address indexed member, uint256 slot);

    /// @notice A member was ejected and lost its bond: half to the prover, half burned.
    event MemberSlashed(address indexed member, uint256 slot, uint256 bond, address indexed prover);

    /// @notice `from` paid `amount` wei of a member's bond.
    event BondDeposited(address indexed member, address indexed from, uint256 amount);

    /// @notice A member that left took its bond back.
    event BondWithdrawn(address indexed member, uint256 amount);

    /// @notice The address is or was a member; a new member needs a new key.
    error MemberAlreadyKnown(address member);

    /// @notice The address is not a member, or has left.
    error MemberUnknown(address member);

    /// @notice Not more than half of the members, or more than there are.
    error InvalidThreshold(uint256 threshold, uint256 members);

    /// @notice No more members at once, or no more slots.
    error QuorumFull(uint256 members, uint256 slots);

    /// @notice A signature of somebody who is not an active member in this block.
    error SignerNotActive(address signer);

    /// @notice One member's signature twice.
    error DuplicateSigner(address signer);

    /// @notice Fewer signatures than the threshold.
    error TooFewSignatures(uint256 signatures, uint256 threshold);

    /// @notice The member has not left, or its bond is held until `releaseTime`.
    error BondHeld(address member, uint256 releaseTime);

    /// @notice The member signed the proposal that is pending.
    error SignedPendingProposal(address member);

    /// @notice There is no bond to take.
    error NoBond(address member);

    /// @notice The two reports are one, or of different epochs or attempts.
    error NotEquivocation();

    /// @notice The two reports were signed by different keys.
    error DifferentSigners(address signerA, address signerB);

    /// @notice The most members at one time.
    function MAX_MEMBERS() external view returns (uint256);

    /// @notice The most members ever: slots are never reused, so that a slot names one member for ever.
    function MAX_SLOTS() external view returns (uint256);

    /// @notice The token that bonds are paid in, a {ILinkToken}.
    function token() external view returns (IERC20);

    /// @notice The bond a member needs to be active, in wei.
    function minimumBond() external view returns (uint256);

    /// @notice How long a bond stays slashable after its member left, in seconds.
    function releaseSeconds() external view returns (uint256);

    /// @notice How many members must sign a report. Always more than half of the members there were when it was set.
    function threshold() external view returns (uint256);

    /// @notice How many members have not left.
    function members() external view returns (uint256);

    /// @notice Adds `member` from the next epoch on and sets the threshold. Only governance. Emits {MemberAdded}.
    function addMember(address member, uint256 threshold_) external;

    /// @notice Removes `member` at once and sets the threshold. Only governance. Emits {MemberRemoved}.
    function removeMember(address member, uint256 threshold_) external;

    /// @notice Sets how many members must sign, at once: after members were slashed or left, the rest may be fewer than
    /// the threshold. Only governance. Emits {ThresholdSet}.
    function setThreshold(uint256 threshold_) external;

    /// @notice The caller stops being a member, at once. Its bond stays here for {releaseSeconds}. Emits {MemberExited}.
    function exit() external;

    /// @notice Pays `amount` wei of the caller's as bond of `member`; needs an allowance. Emits {BondDeposited}.
    function depositBond(address member, uint256 amount) external;

    /// @notice Pays `member`, who has left, its bond: not before {releaseSeconds} have passed, nor while a proposal it
    /// signed is pending. By anyone. Emits {BondWithdrawn}.
    function withdrawBond(address member) external;

    /// @notice Checks that enough distinct active members signed `digest`.
    /// @return signers The slots of the signers, as a bit set.
    function verify(
        bytes32 digest,
        CompactSignature[] calldata signatures
    ) external view returns (uint256 signers);

    /// @notice Ejects and slashes a member that signed two reports of one epoch and attempt. By anyone, also after the
    /// member left, as long as its bond is here. Emits {MemberSlashed}.
    function proveEquivocation(
        IEpochLedger.Report calldata reportA,
        IEpochLedger.Report calldata reportB,
        CompactSignature calldata signatureA,
        CompactSignature calldata signatureB
    ) external;

    /// @notice Ejects and slashes the members in `signers`, for `prover`. Only the ledger. Emits {MemberSlashed}.
    function slash(uint256 signers, address prover) external;

    /// @notice A member's slot, bond, first epoch, and the time it left; `known` is false for a stranger.
    function memberOf(
        address member
    )
        external
        view
        returns (bool known, uint256 slot, uint256 bond, uint32 fromEpoch, uint256 leftAt);

    /// @notice The member in a slot; zero when the slot was never used.
    function memberAt(uint256 slot) external view returns (address);

    /// @notice Whether a signature of `member` counts in this block.
    function isActive(address member) external view returns (bool);
}
