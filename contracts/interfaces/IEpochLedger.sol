// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CompactSignature} from "../libraries/CompactSignature.sol";
import {ICustomerEscrow} from "./ICustomerEscrow.sol";
import {IDemands} from "./IDemands.sol";
import {IDeviceRegistry} from "./IDeviceRegistry.sol";
import {IGuarded} from "./IGuarded.sol";
import {IJudge} from "./IJudge.sol";
import {ILawEvents} from "./ILawEvents.sol";
import {IOracleQuorum} from "./IOracleQuorum.sol";
import {IRewardDistributor} from "./IRewardDistributor.sol";

/// @title IEpochLedger
/// @notice The life of an epoch: a quorum proposes its root, anyone may disprove it for a while, then it is final and
/// the escrow pays out what its devices earned.
/// @dev A corrupt quorum cannot skip or repeat an epoch, or release more than customers paid for it. Whatever wrong row it
/// publishes, anyone proves it before the {IJudge} of its rules, and what it does not publish anyone demands, see
/// {IDemands}: while a proposal is pending, and after a veto. Its signers are then slashed. More rows than there are
/// demands in a window can only be vetoed. The ledger holds no tokens. Governance is whoever holds `DEFAULT_ADMIN_ROLE` of
/// AccessControl.
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

    /// @notice Where the epoch after the last final one stands.
    /// @param epoch That epoch.
    /// @param attempt Its current attempt.
    /// @param digest The pending report's digest; zero when none is pending.
    /// @param signers The slots of the members that signed it, as a bit set.
    /// @param finalizableAt When the window of the pending proposal ends (unix seconds): 2^40 − 1 while a demand waits for
    /// its answer; zero when none is pending.
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
    /// @param finalizableAt When its window ends (unix seconds), unless demands make it longer.
    event RootProposed(
        uint32 indexed epoch,
        uint32 indexed attempt,
        bytes32 indexed digest,
        Report report,
        uint256 signers,
        uint256 finalizableAt,
        uint64 revision
    );

    /// @notice The guardian rejected the pending proposal. It can still be disproven, and its signers be slashed for it.
    event RootVetoed(
        uint32 indexed epoch,
        uint32 indexed attempt,
        bytes32 indexed digest,
        uint64 revision
    );

    /// @notice `prover` disproved a proposal, pending or vetoed; zero when a demand was not answered. Its signers were
    /// slashed.
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

    /// @notice The rules that epochs are computed by change from `fromEpoch` on; `judge` is theirs for ever.
    event RulesSet(uint32 fromEpoch, bytes32 rulesHash, address judge, uint64 revision);

    /// @notice The ledger is closed for good after `lastEpoch`: nothing is proposed any more.
    event LedgerClosed(uint32 lastEpoch, uint64 revision);

    /// @notice Timeout and window must not be zero, and with the grace take less than half an epoch, or a backlog would
    /// never shrink; in seconds.
    error InvalidTiming(uint256 proposalTimeoutSeconds, uint256 windowSeconds, uint256 limit);

    /// @notice The window must be at least `least`, four times as long as there is for an answer; in seconds.
    error WindowTooShort(uint256 windowSeconds, uint256 least);

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

    /// @notice The report is not the pending one, nor, for a proof, one that was vetoed and is still open.
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

    /// @notice The evidence shows nothing wrong.
    error NoFraud();

    /// @notice Only the contract of the demands may call this.
    error NotDemands(address caller);

    /// @notice The rules' hash must not be zero, and their judge a contract.
    error InvalidRules(bytes32 rulesHash, address judge);

    /// @notice The rules have `judge` already, and keep it for ever.
    error JudgeIsFixed(bytes32 rulesHash, address judge);

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

    /// @notice Where rows that are not public are demanded.
    function demands() external view returns (IDemands);

    /// @notice How long members have for an attempt before anyone may abandon it, in seconds.
    function proposalTimeoutSeconds() external view returns (uint256);

    /// @notice The challenge time between proposed and final without demands, in seconds.
    function windowSeconds() external view returns (uint256);

    // Proposals

    /// @notice Proposes the root of the next epoch, by anyone who holds enough signatures. Emits {RootProposed}.
    /// @dev Requires, in this order: not closed; `epoch` follows the last final one and its seal time has passed; none
    /// is pending; it is not overdue for closing; `attempt` and `rulesHash` are current; `prevRoot` is the last final
    /// root; each root is zero exactly when its table is empty, of which the reward table has the registry's
    /// `accountsAt(epoch)` rows; `total` did not fall, grew only if there are contributions, and with the fee by no more
    /// than the epoch's fund; enough distinct active members signed.
    function propose(Report calldata report, CompactSignature[] calldata signatures) external;

    /// @notice Makes the pending proposal final after its window, when no demand waits: publishes the root in the distributor and has the
    /// escrow pay out; by anyone. Emits {RootFinalized}.
    function finalize(Report calldata report) external;

    /// @notice Rejects the pending proposal, until it is finalized. Only the guardian. Emits {RootVetoed}.
    /// @dev It stays open to proofs and demands until its epoch is final and its own window is over: a veto does not save
    /// its signers.
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

    // Judging

    /// @notice Revokes a report and slashes its signers, when the judge of its rules finds a row unlawful; by anyone. Emits
    /// {RootRevoked}.
    /// @param report The pending report, or one that was vetoed and is still open.
    /// @param evidence What the judge wants to see, see {IJudge-unlawful}.
    function convict(Report calldata report, bytes calldata evidence) external;

    /// @notice Revokes an open report whose demand was not answered, and slashes its signers, with no part of it for
    /// anybody. Only {demands}. Emits {RootRevoked}.
    function revokeSilent(Report calldata report) external;

    /// @notice Ends the window of an open report at `until` (unix seconds). Only {demands}.
    function setWindow(bytes32 digest, uint256 until) external;

    /// @notice When the window of a report ends that is pending, or was vetoed and is still open (unix seconds): 2^40 − 1
    /// while a demand waits for its answer; 0 when it is not open.
    /// @dev One that was vetoed is open also later, until its epoch is final.
    function openUntil(bytes32 digest) external view returns (uint256);

    /// @notice Until when reports of epochs that are final can be disproven, because they were vetoed (unix seconds):
    /// bonds of members that left stay as long. 2^40 − 1 while a demand of one waits for its answer.
    function provableUntil() external view returns (uint256);

    // Tariff and rules

    /// @notice Sets the tariff, the fee with it, from the next epoch on. Only governance. Emits {TariffSet}.
    function setTariff(Tariff calldata tariff) external;

    /// @notice Sets the rules' hash and their judge, after at least one whole epoch more. Only governance. Emits
    /// {RulesSet}.
    /// @dev A rules hash that was set before has its judge, and cannot get another.
    function setRules(bytes32 rulesHash, IJudge judge) external;

    /// @notice The tariff in force in `epoch`; zeros when none was set.
    /// @dev For a future epoch it is what is scheduled now.
    function tariffAt(uint32 epoch) external view returns (Tariff memory);

    /// @notice The rules' hash in force in `epoch`; zero when none was set.
    /// @dev For a future epoch it is what is scheduled now.
    function rulesAt(uint32 epoch) external view returns (bytes32);

    /// @notice Who judges reports by these rules; zero for rules that were never set.
    function judgeOf(bytes32 rulesHash) external view returns (IJudge);

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
