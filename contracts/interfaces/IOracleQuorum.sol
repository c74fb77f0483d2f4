// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CompactSignature} from "../libraries/CompactSignature.sol";
import {IDeviceRegistry} from "./IDeviceRegistry.sol";
import {IEpochClock} from "./IEpochClock.sol";
import {IEpochLedger} from "./IEpochLedger.sol";
import {ILawEvents} from "./ILawEvents.sol";
import {ILedgerLink} from "./ILedgerLink.sol";

/// @title IOracleQuorum
/// @notice The oracle members, their bonds and fees, and the threshold of them that must sign a report.
/// @dev Signatures are checked in the transaction that uses them, against the members of that block: there is no vote
/// to keep open. What gives power takes at least one whole epoch: a new member, a removal, another threshold, and the
/// lower threshold that follows when members are slashed. A member has one slot for ever, and one key at a time.
/// Governance is whoever holds `DEFAULT_ADMIN_ROLE` of AccessControl.
interface IOracleQuorum is IEpochClock, ILawEvents, ILedgerLink {
    /// @notice What shows that a member signed a report without a receipt for which it had given its word.
    /// @param report The report.
    /// @param reportSignature The member's signature over it.
    /// @param acknowledgement The member's word.
    /// @param acknowledgementSignature Its signature over that.
    /// @param index The receipt's position under the acknowledgement's root.
    /// @param proof The siblings from the receipt's digest upwards.
    /// @param omission What the judge wants to see, see {IJudge-omitted}.
    struct OmissionProof {
        IEpochLedger.Report report;
        CompactSignature reportSignature;
        IDeviceRegistry.Acknowledgement acknowledgement;
        CompactSignature acknowledgementSignature;
        uint32 index;
        bytes32[] proof;
        bytes omission;
    }

    /// @notice A member joins from `fromEpoch` on, as soon as its bond is paid.
    event MemberAdded(address indexed member, uint256 slot, uint32 fromEpoch, uint64 revision);

    /// @notice Governance removed a member: it no longer counts from `fromEpoch` on.
    event MemberRemoved(address indexed member, uint256 slot, uint32 fromEpoch, uint64 revision);

    /// @notice A member leaves by itself: it no longer counts from `fromEpoch` on.
    event MemberExited(address indexed member, uint256 slot, uint32 fromEpoch, uint64 revision);

    /// @notice A member changed its key: `successor` signs in its slot from `fromEpoch` on, `member` until then.
    event MemberRotated(
        address indexed member,
        address indexed successor,
        uint256 slot,
        uint32 fromEpoch,
        uint64 revision
    );

    /// @notice A member lost its bond of `bond` wei, a tenth of it to the prover, the rest burned; all of it when there is
    /// no prover. It no longer counts from `fromEpoch` on, the epoch that was running.
    event MemberSlashed(
        address indexed member,
        uint256 slot,
        uint256 bond,
        address indexed prover,
        uint32 fromEpoch,
        uint64 revision
    );

    /// @notice `threshold` members must sign from `fromEpoch` on.
    event ThresholdSet(uint256 threshold, uint32 fromEpoch, uint64 revision);

    /// @notice `from` paid `amount` wei of the bond in a slot.
    event BondDeposited(uint256 indexed slot, address indexed from, uint256 amount);

    /// @notice A member that left got its bond of `amount` wei back.
    event BondWithdrawn(uint256 indexed slot, address indexed member, uint256 amount);

    /// @notice Each of the `signers`, a bit set of slots, earned `amount` wei with a report that became final.
    event FeesCredited(uint256 signers, uint96 amount);

    /// @notice A member got `amount` wei of fees.
    event FeesWithdrawn(uint256 indexed slot, address indexed member, uint256 amount);

    /// @notice The bond, in wei, is zero, and a member could not be held to anything; or over what 96 bits hold.
    error InvalidBond(uint256 minimumBond);

    /// @notice The address is or was a member's; a new member, and a new key, must be one that never was.
    error MemberAlreadyKnown(address member);

    /// @notice The address is not a member's key, or the member has left; or the caller's key was handed on.
    error MemberUnknown(address member);

    /// @notice The threshold is not more than half of the members, or more than there are; at least one.
    error InvalidThreshold(uint256 threshold, uint256 members);

    /// @notice No more members at once, or no more slots.
    error QuorumFull(uint256 members, uint256 slots);

    /// @notice `signer` is not an active member in this block.
    error SignerNotActive(address signer);

    /// @notice There are two signatures of `signer`.
    error DuplicateSigner(address signer);

    /// @notice There are fewer signatures than the threshold.
    error TooFewSignatures(uint256 signatures, uint256 threshold);

    /// @notice The member has not left, or `leftIn`, the epoch that was running when it did, and the one after it are
    /// not final yet, nor was the ledger closed an epoch ago; or a vetoed report can still be disproven.
    error BondHeld(uint256 slot, uint32 leftIn);

    /// @notice There is no bond in the slot.
    error NoBond(uint256 slot);

    /// @notice There are no fees in the slot.
    error NoFees(uint256 slot);

    /// @notice The two reports are the same, or about different epochs or attempts.
    error NotEquivocation();

    /// @notice The two things were signed by different members.
    error DifferentSigners(address signerA, address signerB);

    /// @notice It does not show that the report lacks a lawful receipt that was acknowledged.
    error NotOmission();

    // Constants

    /// @notice The most members at one time.
    function MAX_MEMBERS() external view returns (uint256);

    /// @notice The most members ever: slots are never reused, so that a slot names one member for ever.
    function MAX_SLOTS() external view returns (uint256);

    // Parameters

    /// @notice The token that bonds and fees are paid in, an {ILinkToken}.
    function token() external view returns (IERC20);

    /// @notice The bond that a member needs to be active, in wei.
    function minimumBond() external view returns (uint256);

    // Members

    /// @notice Adds `member` and sets the threshold, both after at least one whole epoch more. Only governance. Emits
    /// {MemberAdded} and, when the threshold changes, {ThresholdSet}.
    function addMember(address member, uint256 threshold_) external;

    /// @notice Removes the member with that key, be it its newest or one before, after at least one whole epoch more.
    /// Only governance. Emits {MemberRemoved} with its newest key.
    function removeMember(address member) external;

    /// @notice Sets how many members must sign, after at least one whole epoch more. Only governance. Emits
    /// {ThresholdSet}.
    function setThreshold(uint256 threshold_) external;

    /// @notice The caller, with its newest key, stops being a member when this epoch ends. Its bond stays here for a
    /// while, see {withdrawBond}. Emits {MemberExited}.
    function exit() external;

    /// @notice The caller, a member with its newest key, hands its slot to another key of its own from the next epoch
    /// on; bond and fees stay in the slot, and what the old key signed still counts in proofs. Emits {MemberRotated}.
    /// @dev A key that governance is about to add can be taken by it, at the price of the slot.
    function rotate(address successor) external;

    /// @notice How many members must sign a report in this block: `max(1, min(threshold set, seats))`. A seat is there
    /// from its member's first epoch on, and as long as the member's signatures count; one of a slashed member an epoch
    /// longer.
    function threshold() external view returns (uint256);

    /// @notice How many members there are in this block, as far as they count for {threshold} and fees.
    function seats() external view returns (uint256);

    /// @notice How many members have not left, active or not.
    function members() external view returns (uint256);

    /// @notice A member's record, found by any key it ever had; false and zeros for a stranger.
    /// @return known Whether it is or was a member.
    /// @return slot Its slot.
    /// @return bond The bond that is here, in wei.
    /// @return fromEpoch The first epoch in which it can be active.
    /// @return untilEpoch The first epoch in which it no longer is; 0 while it has not left.
    function memberOf(
        address member
    )
        external
        view
        returns (bool known, uint256 slot, uint256 bond, uint32 fromEpoch, uint32 untilEpoch);

    /// @notice The newest key of the member in a slot, in force or from the next epoch on; zero when it was never used.
    function memberAt(uint256 slot) external view returns (address);

    /// @notice Whether a signature of `member` counts in this block; false for a stranger.
    function isActive(address member) external view returns (bool);

    // Bonds

    /// @notice Adds `amount` wei from the caller, who must have allowed it, to the bond of `member`, who must not have
    /// left. Emits {BondDeposited}.
    function depositBond(address member, uint256 amount) external;

    /// @notice Pays the member in `slot`, who has left, its bond; by anyone. Emits {BondWithdrawn}.
    /// @dev Not before the epoch that was running by the clock when it left and the one after it are final: until then
    /// whatever it signed can be proven. Nor, when the ledger is closed, before an epoch has passed since; nor while a
    /// vetoed report can be disproven, see {IEpochLedger-provableUntil}.
    function withdrawBond(uint256 slot) external;

    // Fees

    /// @notice Pays the newest key of the member in `slot` the fees it earned; by anyone. Emits {FeesWithdrawn}.
    function withdrawFees(uint256 slot) external;

    /// @notice The fees that wait in `slot`, in wei.
    function feesOf(uint256 slot) external view returns (uint256);

    /// @notice Credits each of the `signers` of a final report `fee / seats_`, but none that was slashed since. Only the
    /// ledger. Emits {FeesCredited} with those that were credited.
    /// @dev What is left of the fee is not credited: who leaves out other members' signatures gains nothing.
    /// @param signers The slots of the signers, as a bit set.
    /// @param seats_ How many members there were when it was proposed.
    /// @param fee The members' share of the epoch, in wei.
    /// @return credited What all of them got together, in wei: the escrow moves it here.
    function credit(uint256 signers, uint256 seats_, uint96 fee) external returns (uint96 credited);

    // Signatures

    /// @notice Checks that at least {threshold} members, distinct and active in this block, signed `digest`.
    /// @dev Reverts with {TooFewSignatures}, {SignerNotActive} or {DuplicateSigner} when not.
    /// @return signers The slots of the signers, as a bit set.
    /// @return seats_ How many members there are in this block, at least as many as signers.
    function verify(
        bytes32 digest,
        CompactSignature[] calldata signatures
    ) external view returns (uint256 signers, uint256 seats_);

    // Slashing

    /// @notice Ejects and slashes a member that signed two reports about one epoch and attempt. By anyone, also after
    /// the member left, as long as its bond is here. Emits {MemberSlashed}.
    function proveEquivocation(
        IEpochLedger.Report calldata reportA,
        IEpochLedger.Report calldata reportB,
        CompactSignature calldata signatureA,
        CompactSignature calldata signatureB
    ) external;

    /// @notice Ejects and slashes a member that signed a report without a lawful receipt, or with an older one in its place,
    /// although it had acknowledged it. By anyone, also after the member left, as long as its bond is here; the report
    /// stands. Emits {MemberSlashed}.
    /// @dev A member acknowledges before the seal time alone; what it dates its word counts for nothing.
    function proveOmission(OmissionProof calldata omission) external;

    /// @notice Ejects and slashes the members in `signers`, a bit set of slots, for `prover`; for nobody when that is zero.
    /// Only the ledger.
    /// Emits {MemberSlashed} for each.
    function slash(uint256 signers, address prover) external;
}
