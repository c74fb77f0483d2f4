// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CompactSignature} from "../libraries/CompactSignature.sol";
import {RewardLeaf} from "../libraries/RewardTree.sol";
import {ICustomerEscrow} from "./ICustomerEscrow.sol";
import {IDeviceRegistry} from "./IDeviceRegistry.sol";
import {IEpochClock} from "./IEpochClock.sol";
import {IGuarded} from "./IGuarded.sol";
import {IOracleQuorum} from "./IOracleQuorum.sol";
import {IRewardDistributor} from "./IRewardDistributor.sol";
import {ISharedErrors} from "./ISharedErrors.sol";

/// @title IEpochLedger
/// @notice The life of an epoch: a quorum proposes its root, anyone may disprove it for a while, then it is final and
/// its tokens go to the distributor.
/// @dev A corrupt quorum can mis-share what one epoch pays out, until it is vetoed or caught. It cannot touch history,
/// skip or repeat an epoch, or release more than that epoch's emission and fund. Anyone can prove fraud while a
/// proposal is pending; its signers are then slashed for the caller. Governance is whoever holds `DEFAULT_ADMIN_ROLE`
/// of AccessControl; it grants and revokes all roles.
interface IEpochLedger is IEpochClock, IGuarded, ISharedErrors {
    /// @notice What the members sign about an epoch.
    /// @param epoch The epoch.
    /// @param attempt How many attempts at it were vetoed, revoked or abandoned before.
    /// @param prevRoot The last final reward root; zero before the first.
    /// @param root The reward root; zero when there are no leaves.
    /// @param contributionRoot The root over the epoch's contributions; zero when there are none.
    /// @param bundleHash SHA-256 of the bundle's manifest.json.
    /// @param total The sum of all accounts' cumulative rewards, in wei.
    /// @param leaves How many leaves the reward tree has: the accounts indexed at the seal time.
    /// @param contributions How many leaves the contribution tree has.
    /// @param rulesHash The rules the epoch was computed by.
    struct Report {
        uint32 epoch;
        uint16 attempt;
        bytes32 prevRoot;
        bytes32 root;
        bytes32 contributionRoot;
        bytes32 bundleHash;
        uint96 total;
        uint32 leaves;
        uint32 contributions;
        bytes32 rulesHash;
    }

    /// @notice The price of each resource in an epoch, and how far the pot may exceed what customers paid.
    /// @param egressPrice Wei per 10^12 bytes delivered.
    /// @param storagePrice Wei per 10^12 byte-seconds kept.
    /// @param computePrice Wei per 10^12 vCPU milliseconds.
    /// @param rewardCapBps The pot's limit in ten-thousandths of the paid value.
    struct Tariff {
        uint96 egressPrice;
        uint96 storagePrice;
        uint96 computePrice;
        uint32 rewardCapBps;
    }

    /// @notice A leaf and the way from it to a root.
    /// @param leaf The leaf.
    /// @param index Its position.
    /// @param proof The siblings from the leaf's level upwards.
    struct Opening {
        RewardLeaf leaf;
        uint32 index;
        bytes32[] proof;
    }

    /// @notice Where the epoch after the last final one stands.
    /// @param epoch That epoch.
    /// @param attempt Its current attempt.
    /// @param digest The pending report's digest; zero when none is pending.
    /// @param signers The slots of the members that signed it, as a bit set.
    /// @param finalizableAt When the window of the pending proposal ends (unix seconds); zero when none is pending.
    /// @param abandonableAt When the attempt may be abandoned (unix seconds), if nothing is pending then.
    struct Proposal {
        uint32 epoch;
        uint16 attempt;
        bytes32 digest;
        uint256 signers;
        uint256 finalizableAt;
        uint256 abandonableAt;
    }

    /// @notice A quorum proposed a root. It can be disproven until it is finalized.
    /// @param signers The slots of the members that signed, as a bit set.
    /// @param finalizableAt When its window ends (unix seconds).
    event RootProposed(
        uint32 indexed epoch,
        uint16 indexed attempt,
        bytes32 indexed digest,
        Report report,
        uint256 signers,
        uint256 finalizableAt
    );

    /// @notice The guardian rejected the pending proposal.
    event RootVetoed(uint32 indexed epoch, uint16 indexed attempt, bytes32 indexed digest);

    /// @notice `prover` disproved the pending proposal; its signers were slashed.
    event RootRevoked(
        uint32 indexed epoch,
        uint16 indexed attempt,
        bytes32 indexed digest,
        address prover
    );

    /// @notice No proposal came in time; signatures for this attempt are void.
    event AttemptAbandoned(uint32 indexed epoch, uint16 indexed attempt);

    /// @notice A root is final. `total` wei is the sum of all accounts' cumulative rewards; `delta` wei of it went to
    /// the distributor now; `carry` wei of unspent fund stay for later epochs.
    event RootFinalized(
        uint32 indexed epoch,
        bytes32 root,
        uint96 total,
        uint96 delta,
        uint96 carry
    );

    /// @notice The tariff changes from `fromEpoch` on.
    event TariffSet(uint32 fromEpoch, Tariff tariff);

    /// @notice The rules that epochs are computed by change from `fromEpoch` on.
    event RulesSet(uint32 fromEpoch, bytes32 rulesHash);

    /// @notice The ledger can be retired in favour of `successor` from `retirableAt` (unix seconds) on.
    event RetirementScheduled(address indexed successor, uint256 retirableAt);

    /// @notice The retirement was called off.
    event RetirementCancelled(address indexed successor);

    /// @notice `amount` wei of unissued emission and unspent fund went to `successor`; nothing is proposed here again.
    event Retired(address indexed successor, uint256 amount);

    /// @notice Grace, proposal timeout and window must take less than half an epoch, or a backlog would never shrink;
    /// both in seconds.
    error TimingTooLong(uint256 seconds_, uint256 limit);

    /// @notice A year has no whole epoch, or the emission share, in wei, is over the supply.
    error InvalidEmission(uint256 emissionShare, uint256 epochsPerYear);

    /// @notice The ledger holds less than the proposal releases, both in wei.
    error Underfunded(uint256 balance, uint256 needed);

    /// @notice The ledger is retired.
    error LedgerRetired();

    /// @notice Epochs become final one after the other: the next is `expected`.
    error EpochOutOfOrder(uint32 epoch, uint32 expected);

    /// @notice The epoch's seal time (unix seconds) has not come.
    error EpochNotSealed(uint32 epoch, uint256 sealTime);

    /// @notice A proposal is pending and is never overwritten.
    error ProposalPending(bytes32 digest);

    /// @notice No proposal is pending.
    error NoProposal();

    /// @notice The report is not the pending one.
    error NotPendingReport(bytes32 digest, bytes32 pending);

    /// @notice The report is for another attempt.
    error WrongAttempt(uint16 attempt, uint16 current);

    /// @notice The report was computed by other rules.
    error WrongRules(bytes32 rulesHash, bytes32 current);

    /// @notice The report does not build on the last final root.
    error WrongPrevRoot(bytes32 prevRoot, bytes32 lastRoot);

    /// @notice Leaves can only grow, and not beyond the registry's accounts.
    error LeavesOutOfRange(uint256 leaves, uint256 lastLeaves, uint256 accounts);

    /// @notice A root is zero exactly when it has no leaves.
    error RootMismatch(bytes32 root, uint256 leaves);

    /// @notice The total, in wei, fell: history would shrink.
    error TotalFell(uint256 total, uint256 lastTotal);

    /// @notice The epoch would pay out more than its emission, its fund and what was carried, all in wei.
    error OverBudget(uint256 delta, uint256 budget);

    /// @notice The window is open until `finalizableAt` (unix seconds).
    error WindowOpen(uint256 finalizableAt);

    /// @notice The attempt may be abandoned from `abandonableAt` (unix seconds) on.
    error TooEarlyToAbandon(uint256 abandonableAt);

    /// @notice The opening does not lead to the root at its index.
    error InvalidOpening(uint32 index);

    /// @notice The proof shows nothing wrong.
    error NoFraud();

    /// @notice The rules' hash must not be zero.
    error ZeroRules();

    /// @notice The retirement is not due before `retirableAt` (unix seconds); 0 when none is scheduled, or when it is
    /// done and cannot be called off.
    error NotRetirable(uint256 retirableAt);

    // Constants

    /// @notice The least time between scheduling and doing a retirement, in seconds.
    function RETIREMENT_DELAY_SECONDS() external view returns (uint256);

    // Parameters

    /// @notice The token that is released, an {ILinkToken}.
    function token() external view returns (IERC20);

    /// @notice Devices and accounts. The ledger's clock is a copy of the registry's.
    function registry() external view returns (IDeviceRegistry);

    /// @notice Where customers pay; what is collected there comes to the ledger.
    function escrow() external view returns (ICustomerEscrow);

    /// @notice The oracle members, who sign reports.
    function quorum() external view returns (IOracleQuorum);

    /// @notice Where released tokens go, for accounts to claim.
    function distributor() external view returns (IRewardDistributor);

    /// @notice The tokens that all epochs together may issue, in wei.
    function emissionShare() external view returns (uint256);

    /// @notice How long members have for an attempt before anyone may abandon it, in seconds.
    function proposalTimeoutSeconds() external view returns (uint256);

    /// @notice The challenge time between proposed and final, in seconds.
    function windowSeconds() external view returns (uint256);

    // Proposals

    /// @notice Proposes the root of the next epoch, by anyone who holds enough signatures. Emits {RootProposed}.
    /// @dev Requires, in this order: not retired; `epoch` follows the last final one and its seal time has passed; none
    /// is pending; `attempt` and `rulesHash` are current; `prevRoot` is the last final root; `lastLeaves ≤ leaves ≤
    /// accounts`; each root is zero exactly when empty; `total` did not fall and grew by no more than {budgetOf}; the
    /// ledger holds that much; enough distinct active members signed.
    function propose(Report calldata report, CompactSignature[] calldata signatures) external;

    /// @notice Makes the pending proposal final after its window: moves the epoch's tokens to the distributor and
    /// publishes the root there; by anyone. Emits {RootFinalized}.
    function finalize(Report calldata report) external;

    /// @notice Rejects the pending proposal, until it is finalized. Only the guardian. Emits {RootVetoed}.
    /// @param digest The pending report's digest: a veto that comes late must not hit another proposal.
    function veto(bytes32 digest) external;

    /// @notice Ends an attempt for which no proposal came in time, so that members are free to sign a new report; by
    /// anyone. Emits {AttemptAbandoned}.
    /// @param epoch The epoch after the last final one: a call that comes late must not hit another.
    function abandon(uint32 epoch) external;

    /// @notice Where the epoch after the last final one stands.
    function proposal() external view returns (Proposal memory);

    /// @notice The last final epoch and what it fixed: its root, its total in wei, its leaves, and the unspent fund in
    /// wei; zeros when none is final.
    function lastFinal()
        external
        view
        returns (uint32 epoch, bytes32 root, uint96 total, uint32 leaves, uint96 carry);

    /// @notice The EIP-712 digest of a report, as members sign it.
    function reportDigest(Report calldata report) external view returns (bytes32);

    // Fraud proofs

    /// @notice Revokes the pending proposal: two leaves at different positions promise the same wei. Emits
    /// {RootRevoked}.
    function proveOverlap(Report calldata report, Opening calldata a, Opening calldata b) external;

    /// @notice Revokes the pending proposal: a leaf reaches beyond the total, or belongs to an account with another
    /// index. Emits {RootRevoked}.
    function proveMalformed(Report calldata report, Opening calldata opening) external;

    /// @notice Revokes the pending proposal: the zero hash stands where a leaf must be. Emits {RootRevoked}.
    /// @param index The position without a leaf.
    /// @param proof The siblings from the leaf's level upwards.
    function proveEmptyLeaf(
        Report calldata report,
        uint32 index,
        bytes32[] calldata proof
    ) external;

    /// @notice Revokes the pending proposal: at one index it promises less than the last final root. Emits
    /// {RootRevoked}.
    /// @param old A leaf under the last final root.
    /// @param new_ The leaf at the same index under the pending root.
    function proveRegression(
        Report calldata report,
        Opening calldata old,
        Opening calldata new_
    ) external;

    // Tariff and rules

    /// @notice Sets the tariff from the next epoch on. Only governance. Emits {TariffSet}.
    function setTariff(Tariff calldata tariff) external;

    /// @notice Sets the rules' hash from the next epoch on. Only governance. Emits {RulesSet}.
    function setRules(bytes32 rulesHash) external;

    /// @notice The tariff in force in `epoch`; zeros when none was set.
    /// @dev For a future epoch it is what is scheduled now.
    function tariffAt(uint32 epoch) external view returns (Tariff memory);

    /// @notice The rules' hash in force in `epoch`; zero when none was set.
    /// @dev For a future epoch it is what is scheduled now.
    function rulesAt(uint32 epoch) external view returns (bytes32);

    // Budget

    /// @notice The most an epoch may issue, in wei: half of {emissionShare} in the first year, half of the rest in each
    /// year after, in equal parts for the epochs of the year; 0 for epoch 0.
    function emission(uint32 epoch) external view returns (uint256);

    /// @notice The most that the next epoch may release now, in wei: its emission, its fund, and what was carried.
    /// @param epoch The epoch after the last final one; for any other the carried part is not its own.
    function budgetOf(uint32 epoch) external view returns (uint256);

    // Retirement

    /// @notice Announces that `successor` will take the place of the ledger, {RETIREMENT_DELAY_SECONDS} from now at the
    /// earliest; replaces an earlier announcement. Only governance. Emits {RetirementScheduled}.
    function scheduleRetirement(address successor) external;

    /// @notice Calls the retirement off, until it is done. Only governance. Emits {RetirementCancelled}.
    function cancelRetirement() external;

    /// @notice Sends what was not released to the successor, when due and with no proposal pending. Only governance.
    /// Can be repeated for what is collected afterwards. Emits {Retired}.
    function retire() external;
}
