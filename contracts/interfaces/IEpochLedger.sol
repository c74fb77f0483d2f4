// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CompactSignature} from "../libraries/CompactSignature.sol";
import {RewardLeaf} from "../libraries/RewardLeaf.sol";
import {ICustomerEscrow} from "./ICustomerEscrow.sol";
import {IDeviceRegistry} from "./IDeviceRegistry.sol";
import {IGuarded} from "./IGuarded.sol";
import {ILawEvents} from "./ILawEvents.sol";
import {IOracleQuorum} from "./IOracleQuorum.sol";
import {IRewardDistributor} from "./IRewardDistributor.sol";

/// @title IEpochLedger
/// @notice The life of an epoch: a quorum proposes its root, anyone may disprove it for a while, then it is final and
/// the escrow pays out what its devices earned.
/// @dev A corrupt quorum can mis-share what one epoch pays out, until it is vetoed or caught. It cannot skip or repeat an
/// epoch, or release more than customers paid for it. Anyone can prove fraud while a proposal is pending, and after a
/// veto until the epoch is final; its signers are then slashed. A root whose leaves nobody can open can only be vetoed.
/// The ledger holds no tokens. Governance is whoever holds `DEFAULT_ADMIN_ROLE` of AccessControl.
interface IEpochLedger is IGuarded, ILawEvents {
    /// @notice What the members sign about an epoch.
    /// @param epoch The epoch.
    /// @param attempt How many attempts at it were vetoed, revoked or abandoned before.
    /// @param prevRoot The last final reward root; zero before the first.
    /// @param root The reward root; zero when no account has an index in the epoch.
    /// @param contributionRoot The root over the epoch's contributions; zero when there are none.
    /// @param invoiceRoot The root over the epoch's invoice lines; zero when there are none.
    /// @param contributions How many contributions, and as many invoice lines, there are.
    /// @param total The sum of all accounts' cumulative rewards, in wei.
    /// @param bundleHash SHA-256 of the bundle's manifest.json.
    /// @param rulesHash The rules the epoch was computed by.
    struct Report {
        uint32 epoch;
        uint32 attempt;
        bytes32 prevRoot;
        bytes32 root;
        bytes32 contributionRoot;
        bytes32 invoiceRoot;
        uint32 contributions;
        uint96 total;
        bytes32 bundleHash;
        bytes32 rulesHash;
    }

    /// @notice The price of each resource in an epoch, and the members' share.
    /// @param egressPrice Wei per 10^12 bytes delivered.
    /// @param storagePrice Wei per 10^12 byte-seconds kept.
    /// @param computePrice Wei per 10^12 vCPU milliseconds.
    /// @param feeBps The fee, in ten-thousandths of what counted; at most {MAX_FEE_BPS}.
    struct Tariff {
        uint96 egressPrice;
        uint96 storagePrice;
        uint96 computePrice;
        uint16 feeBps;
    }

    /// @notice A leaf of a reward tree and the way from it to the root.
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
    /// @param abandonableAt When the attempt may be abandoned (unix seconds), unless a report is pending: it has no
    /// meaning then.
    struct Proposal {
        uint32 epoch;
        uint32 attempt;
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
        uint32 indexed attempt,
        bytes32 indexed digest,
        Report report,
        uint256 signers,
        uint256 finalizableAt,
        uint64 revision
    );

    /// @notice The guardian rejected the pending proposal. Its signers can still be slashed for it until its epoch is
    /// final.
    event RootVetoed(
        uint32 indexed epoch,
        uint32 indexed attempt,
        bytes32 indexed digest,
        uint64 revision
    );

    /// @notice `prover` disproved a proposal, pending or vetoed; its signers were slashed.
    event RootRevoked(
        uint32 indexed epoch,
        uint32 indexed attempt,
        bytes32 indexed digest,
        address prover,
        uint64 revision
    );

    /// @notice No proposal came in time; signatures for this attempt are void.
    event AttemptAbandoned(uint32 indexed epoch, uint32 indexed attempt, uint64 revision);

    /// @notice A root is final. `total` wei is the sum of all accounts' cumulative rewards; `delta` wei of it went to
    /// the distributor now; `fee` wei are the members' share, of which signers were credited theirs and the rest burned.
    event RootFinalized(
        uint32 indexed epoch,
        bytes32 root,
        uint96 total,
        uint96 delta,
        uint96 fee,
        uint64 revision
    );

    /// @notice The tariff changes from `fromEpoch` on.
    event TariffSet(uint32 fromEpoch, Tariff tariff, uint64 revision);

    /// @notice The rules that epochs are computed by change from `fromEpoch` on.
    event RulesSet(uint32 fromEpoch, bytes32 rulesHash, uint64 revision);

    /// @notice The ledger is closed for good after `lastEpoch`: nothing is proposed any more.
    event LedgerClosed(uint32 lastEpoch, uint64 revision);

    /// @notice Timeout and window must not be zero, and with the grace take less than half an epoch, or a backlog would
    /// never shrink; in seconds.
    error InvalidTiming(uint256 proposalTimeoutSeconds, uint256 windowSeconds, uint256 limit);

    /// @notice The ledger can be closed from `closableAt` (unix seconds) on, if nothing becomes final before.
    error NotClosable(uint256 closableAt);

    /// @notice After {MAX_VETOES_COUNTED} vetoes the ledger could be closed by now: nothing is proposed before that.
    error OverdueForClosing();

    /// @notice Epochs become final one after the other: the next is `expected`.
    error EpochOutOfOrder(uint32 epoch, uint32 expected);

    /// @notice The epoch's seal time (unix seconds) has not come.
    error EpochNotSealed(uint32 epoch, uint256 sealTime);

    /// @notice A proposal is pending and is never overwritten.
    error ProposalPending(bytes32 digest);

    /// @notice No proposal is pending.
    error NoProposal();

    /// @notice The report is not the pending one, nor, for a proof, one that was vetoed in the same epoch.
    error NotPendingReport(bytes32 digest, bytes32 pending);

    /// @notice The report is for another attempt.
    error WrongAttempt(uint32 attempt, uint32 current);

    /// @notice The report was computed by other rules.
    error WrongRules(bytes32 rulesHash, bytes32 current);

    /// @notice The report does not build on the last final root.
    error WrongPrevRoot(bytes32 prevRoot, bytes32 lastRoot);

    /// @notice A root is zero exactly when its table has no rows.
    error RootMismatch(bytes32 root, uint256 rows);

    /// @notice The total, in wei, fell: history would shrink.
    error TotalFell(uint256 total, uint256 lastTotal);

    /// @notice The epoch would pay out more than customers paid for it, or something without a contribution; in wei.
    error OverFund(uint256 delta, uint256 fee, uint256 fund);

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

    /// @notice The fee is over {MAX_FEE_BPS}.
    error FeeTooHigh(uint256 feeBps);

    // Constants

    /// @notice The highest fee, in ten-thousandths of what counted.
    function MAX_FEE_BPS() external view returns (uint256);

    /// @notice The least time without a final epoch after which the ledger can be closed, in seconds; four epochs when
    /// they are longer.
    function CLOSE_DELAY_SECONDS() external view returns (uint256);

    /// @notice How many vetoes put off the closing.
    function MAX_VETOES_COUNTED() external view returns (uint256);

    // Parameters

    /// @notice Devices and accounts. The ledger's clock is a copy of the registry's.
    function registry() external view returns (IDeviceRegistry);

    /// @notice Where customers pay, and what pays out.
    function escrow() external view returns (ICustomerEscrow);

    /// @notice The oracle members, who sign reports.
    function quorum() external view returns (IOracleQuorum);

    /// @notice Where what devices earned goes, for accounts to claim.
    function distributor() external view returns (IRewardDistributor);

    /// @notice How long members have for an attempt before anyone may abandon it, in seconds.
    function proposalTimeoutSeconds() external view returns (uint256);

    /// @notice The challenge time between proposed and final, in seconds.
    function windowSeconds() external view returns (uint256);

    // Proposals

    /// @notice Proposes the root of the next epoch, by anyone who holds enough signatures. Emits {RootProposed}.
    /// @dev Requires, in this order: not closed; `epoch` follows the last final one and its seal time has passed; none
    /// is pending; it is not overdue for closing; `attempt` and `rulesHash` are current; `prevRoot` is the last final
    /// root; each root is zero exactly when its table is empty, of which the reward table has the registry's
    /// `accountsAt(epoch)` rows; `total` did not fall, grew only if there are contributions, and with the fee by no more
    /// than the epoch's fund; enough distinct active members signed.
    function propose(Report calldata report, CompactSignature[] calldata signatures) external;

    /// @notice Makes the pending proposal final after its window: publishes the root in the distributor and has the
    /// escrow pay out; by anyone. Emits {RootFinalized}.
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

    /// @notice The last final epoch and what it fixed: its root, its total in wei, and its leaves; zeros when none is
    /// final.
    function lastFinal()
        external
        view
        returns (uint32 epoch, bytes32 root, uint96 total, uint32 leaves);

    /// @notice The EIP-712 digest of a report, as members sign it.
    function reportDigest(Report calldata report) external view returns (bytes32);

    /// @notice The fee that goes with `delta` wei earned in `epoch`, in wei: `delta · feeBps / (10^4 − feeBps)`.
    function feeOf(uint256 delta, uint32 epoch) external view returns (uint256);

    // Fraud proofs

    /// @notice Revokes a proposal: two neighbouring leaves leave a gap or promise the same wei twice, the first does not
    /// begin at zero, or the last does not end at the total. Emits {RootRevoked}.
    /// @param openings The leaves at `index - 1` and `index`, as far as the table has them.
    /// @param index The position of the second leaf: 0 for the beginning, the number of leaves for the end.
    function proveGap(Report calldata report, Opening[] calldata openings, uint32 index) external;

    /// @notice Revokes a proposal: a leaf belongs to an account with another index. Emits {RootRevoked}.
    function proveMisplaced(Report calldata report, Opening calldata opening) external;

    /// @notice Revokes a proposal: the zero hash stands where a leaf must be. Emits {RootRevoked}.
    /// @param index The position without a leaf.
    /// @param proof The siblings from the leaf's level upwards.
    function proveEmptyLeaf(
        Report calldata report,
        uint32 index,
        bytes32[] calldata proof
    ) external;

    /// @notice Revokes a proposal: at one index it promises less than the last final root. Emits {RootRevoked}.
    /// @param old A leaf under the last final root.
    /// @param new_ The leaf at the same index under the proposed root.
    function proveRegression(
        Report calldata report,
        Opening calldata old,
        Opening calldata new_
    ) external;

    // Tariff and rules

    /// @notice Sets the tariff, the fee with it, from the next epoch on. Only governance. Emits {TariffSet}.
    function setTariff(Tariff calldata tariff) external;

    /// @notice Sets the rules' hash, after at least one whole epoch more. Only governance. Emits {RulesSet}.
    function setRules(bytes32 rulesHash) external;

    /// @notice The tariff in force in `epoch`; zeros when none was set.
    /// @dev For a future epoch it is what is scheduled now.
    function tariffAt(uint32 epoch) external view returns (Tariff memory);

    /// @notice The rules' hash in force in `epoch`; zero when none was set.
    /// @dev For a future epoch it is what is scheduled now.
    function rulesAt(uint32 epoch) external view returns (bytes32);

    // Closing

    /// @notice Closes the ledger for good when members have stopped working: nothing is proposed any more, and what
    /// was paid for epochs that are not final can be refunded. By anyone, from {closableAt} on and while no proposal is
    /// pending. Claims, thaws and withdrawals stay. Emits {LedgerClosed}.
    function close() external;

    /// @notice From when on the ledger can be closed (unix seconds): {CLOSE_DELAY_SECONDS}, or four epochs when they are
    /// longer, after the latest of the deployment, the last finalization and the due epoch's seal time; each of the
    /// first {MAX_VETOES_COUNTED} vetoes starts that anew.
    function closableAt() external view returns (uint256);

    /// @notice When the ledger was closed (unix seconds); 0 while it is not.
    function closedAt() external view returns (uint256);
}
