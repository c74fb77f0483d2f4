// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {Guarded} from "./Guarded.sol";
import {ICustomerEscrow} from "./interfaces/ICustomerEscrow.sol";
import {IDemands} from "./interfaces/IDemands.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {IJudge} from "./interfaces/IJudge.sol";
import {IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {CompactSignature} from "./libraries/CompactSignature.sol";

/// @title EpochLedger
/// @notice Implements {IEpochLedger}, where each function is described.
contract EpochLedger is IEpochLedger, Guarded, EIP712 {
    using Checkpoints for Checkpoints.Trace160;
    using Checkpoints for Checkpoints.Trace256;

    /// @notice What the ledger is built from. Tariff, rules and roles can change later, all else is fixed for ever.
    /// @param registry Devices, accounts, and the epoch clock, which is copied.
    /// @param escrow Where customers pay.
    /// @param quorum The oracle members.
    /// @param distributor Where what devices earned goes.
    /// @param demands Where rows that are not public are demanded.
    /// @param proposalTimeoutSeconds How long members have for an attempt, in seconds.
    /// @param windowSeconds The challenge time, in seconds.
    /// @param rulesHash The rules in force from the first epoch on.
    /// @param judge Who judges by them.
    /// @param tariff The tariff in force from the first epoch on.
    /// @param governance Who sets tariff and rules, and names the guardian.
    /// @param guardian Who may veto.
    struct Parameters {
        IDeviceRegistry registry;
        ICustomerEscrow escrow;
        IOracleQuorum quorum;
        IRewardDistributor distributor;
        IDemands demands;
        uint256 proposalTimeoutSeconds;
        uint256 windowSeconds;
        bytes32 rulesHash;
        IJudge judge;
        Tariff tariff;
        address governance;
        address guardian;
    }

    /// @dev One slot: every proposal reads it, every finalization writes it. `total` in wei; `since`, in unix seconds, is
    /// when the time to close began to run; `vetoes` counts those that started it anew.
    struct Final {
        uint32 epoch;
        uint96 total;
        uint32 leaves;
        uint40 since;
        uint8 vetoes;
        uint40 closedAt;
    }

    /// @dev One slot. `time` in unix seconds: when the window ends while a proposal is pending, else when the attempt
    /// before ended or the epoch before became final. `signers` is a bit set of slots, `seats` how many members there
    /// were at the proposal. The revision is here because each change of an attempt is a law event.
    struct Attempt {
        uint32 number;
        uint40 time;
        uint48 revision;
        uint8 seats;
        uint128 signers;
    }

    /// @dev What a vetoed report is judged by once others became final: `until`, in unix seconds, is when its window ends.
    struct Vetoed {
        uint128 signers;
        uint40 until;
        uint32 epoch;
        uint32 lastLeaves;
        uint96 lastTotal;
    }

    // Constants

    uint256 public constant MAX_FEE_BPS = 5000;
    uint256 public constant CLOSE_DELAY_SECONDS = 30 days;
    uint256 public constant MAX_VETOES_COUNTED = 2;

    uint256 private constant BPS = 10_000;
    // A demand in the first half of a window can be answered, and what was answered be proven, in the second.
    uint256 private constant ANSWERS_PER_WINDOW = 4;
    // The end of a window while a demand waits for its answer.
    uint40 private constant WAITING = type(uint40).max;

    bytes32 private constant REPORT_TYPEHASH = keccak256(
        "Report(uint32 epoch,uint32 attempt,bytes32 prevRoot,bytes32 root,bytes32 contributionRoot,bytes32 invoiceRoot,uint32 contributions,uint96 total,bytes32 bundleHash,bytes32 rulesHash)"
    );

    // Parameters

    IDeviceRegistry public immutable registry;
    ICustomerEscrow public immutable escrow;
    IOracleQuorum public immutable quorum;
    IRewardDistributor public immutable distributor;
    IDemands public immutable demands;

    uint256 public immutable proposalTimeoutSeconds;
    uint256 public immutable windowSeconds;

    // State

    Final private _final;
    bytes32 private _lastRoot;
    Attempt private _attempt;
    bytes32 private _pending;

    // Empty once its signers were slashed for it.
    mapping(bytes32 digest => Vetoed) private _vetoed;
    // How many vetoed reports wait for an answer, and when the windows of the others end, in unix seconds.
    uint32 private _vetoedWaiting;
    uint40 private _vetoedUntil;

    // By the epoch each began with, and which of these epochs is in force: a proposal needs no price, but the fee.
    mapping(uint32 fromEpoch => Tariff) private _tariffFrom;
    Checkpoints.Trace160 private _tariffByEpoch;
    Checkpoints.Trace256 private _rulesByEpoch;
    mapping(bytes32 rulesHash => IJudge) public judgeOf;

    constructor(
        Parameters memory p
    )
        EpochClock(p.registry.genesis(), p.registry.epochSeconds(), p.registry.graceSeconds())
        Guarded(p.guardian)
        EIP712("LinkRewards", "1")
    {
        require(
            address(p.escrow) != address(0) &&
                address(p.quorum) != address(0) &&
                address(p.distributor) != address(0) &&
                address(p.demands) != address(0) &&
                p.governance != address(0),
            ZeroAddress()
        );
        uint256 taken = graceSeconds + p.proposalTimeoutSeconds + p.windowSeconds;
        require(
            p.proposalTimeoutSeconds != 0 && p.windowSeconds != 0 && 2 * taken < epochSeconds,
            InvalidTiming(p.proposalTimeoutSeconds, p.windowSeconds, epochSeconds / 2)
        );
        uint256 least = ANSWERS_PER_WINDOW * p.demands.answerSeconds();
        require(p.windowSeconds >= least, WindowTooShort(p.windowSeconds, least));
        registry = p.registry;
        escrow = p.escrow;
        quorum = p.quorum;
        distributor = p.distributor;
        demands = p.demands;
        proposalTimeoutSeconds = p.proposalTimeoutSeconds;
        windowSeconds = p.windowSeconds;
        _final.since = uint40(block.timestamp);
        _grantRole(DEFAULT_ADMIN_ROLE, p.governance);
        _setTariff(1, p.tariff);
        _setRules(1, p.rulesHash, p.judge);
    }

    modifier onlyDemands() {
        require(msg.sender == address(demands), NotDemands(msg.sender));
        _;
    }

    // Proposals

    function propose(Report calldata report, CompactSignature[] calldata signatures) external {
        Final memory last = _final;
        Attempt memory attempt = _attempt;
        require(last.closedAt == 0, LedgerIsClosed());
        require(report.epoch == last.epoch + 1, EpochOutOfOrder(report.epoch, last.epoch + 1));
        uint256 sealTime = sealTimeOf(report.epoch);
        require(block.timestamp >= sealTime, EpochNotSealed(report.epoch, sealTime));
        require(_pending == 0, ProposalPending(_pending));
        // Else proposals and vetoes in turn could put off the closing for ever.
        require(
            last.vetoes < MAX_VETOES_COUNTED || block.timestamp < closableAt(),
            OverdueForClosing()
        );
        require(report.attempt == attempt.number, WrongAttempt(report.attempt, attempt.number));
        bytes32 rules = rulesAt(report.epoch);
        require(report.rulesHash == rules, WrongRules(report.rulesHash, rules));
        require(report.prevRoot == _lastRoot, WrongPrevRoot(report.prevRoot, _lastRoot));
        _requireShape(report);
        _requireFunded(report, last);
        bytes32 digest = reportDigest(report);
        (uint256 signers, uint256 seats) = quorum.verify(digest, signatures);

        uint256 finalizableAt = block.timestamp + windowSeconds;
        _pending = digest;
        attempt.time = SafeCast.toUint40(finalizableAt);
        attempt.signers = SafeCast.toUint128(signers);
        attempt.seats = SafeCast.toUint8(seats);
        ++attempt.revision;
        _attempt = attempt;
        emit RootProposed(
            report.epoch,
            report.attempt,
            digest,
            report,
            signers,
            finalizableAt,
            attempt.revision
        );
    }

    function finalize(Report calldata report) external {
        require(_pending != 0, NoProposal());
        bytes32 digest = reportDigest(report);
        require(digest == _pending, NotPendingReport(digest, _pending));
        Attempt memory attempt = _attempt;
        require(block.timestamp >= attempt.time, WindowOpen(attempt.time));

        uint96 delta = report.total - _final.total;
        uint96 fee = SafeCast.toUint96(feeOf(delta, report.epoch));
        uint32 leaves = registry.accountsAt(report.epoch);
        uint48 revision_ = attempt.revision + 1;
        _final = Final(report.epoch, report.total, leaves, uint40(block.timestamp), 0, 0);
        _lastRoot = report.root;
        _pending = 0;
        _attempt = Attempt(0, uint40(block.timestamp), revision_, 0, 0);
        emit RootFinalized(report.epoch, report.root, report.total, delta, fee, revision_);
        distributor.publish(report.epoch, report.root, report.total, leaves);
        uint96 credited = quorum.credit(attempt.signers, attempt.seats, fee);
        escrow.settle(report.epoch, delta, fee, credited, report.invoiceRoot, report.contributions);
    }

    function veto(bytes32 digest) external onlyGuardian {
        require(digest != 0 && digest == _pending, NotPendingReport(digest, _pending));
        Attempt memory attempt = _attempt;
        Final memory last = _final;
        _vetoed[digest] = Vetoed(
            attempt.signers,
            attempt.time,
            last.epoch + 1,
            last.leaves,
            last.total
        );
        _countVetoed(attempt.time);
        if (_final.vetoes < MAX_VETOES_COUNTED) {
            ++_final.vetoes;
            _final.since = uint40(block.timestamp);
        }
        uint64 revision_ = _endAttempt();
        emit RootVetoed(last.epoch + 1, attempt.number, digest, revision_);
    }

    function abandon(uint32 epoch) external {
        require(_final.closedAt == 0, LedgerIsClosed());
        require(epoch == _final.epoch + 1, EpochOutOfOrder(epoch, _final.epoch + 1));
        require(_pending == 0, ProposalPending(_pending));
        uint256 abandonableAt = _abandonableAt(epoch);
        require(block.timestamp >= abandonableAt, TooEarlyToAbandon(abandonableAt));
        uint32 attempt = _attempt.number;
        uint64 revision_ = _endAttempt();
        emit AttemptAbandoned(epoch, attempt, revision_);
    }

    function proposal() external view returns (Proposal memory) {
        uint32 epoch = _final.epoch + 1;
        uint256 finalizableAt = _pending == 0 ? 0 : _attempt.time;
        return
            Proposal(
                epoch,
                _attempt.number,
                _pending,
                _attempt.signers,
                finalizableAt,
                _abandonableAt(epoch)
            );
    }

    function lastFinal()
        external
        view
        returns (uint32 epoch, bytes32 root, uint96 total, uint32 leaves)
    {
        Final memory last = _final;
        return (last.epoch, _lastRoot, last.total, last.leaves);
    }

    function reportDigest(Report calldata report) public view returns (bytes32) {
        // Every field is one static word, so the struct's ABI encoding is its EIP-712 encoding.
        return _hashTypedDataV4(keccak256(abi.encode(REPORT_TYPEHASH, report)));
    }

    function feeOf(uint256 delta, uint32 epoch) public view returns (uint256) {
        uint256 feeBps = _tariffFrom[_tariffEpoch(epoch)].feeBps;
        return Math.mulDiv(delta, feeBps, BPS - feeBps);
    }

    function revision() external view returns (uint64) {
        return _attempt.revision;
    }

    function _requireShape(Report calldata report) private view {
        uint256 leaves = registry.accountsAt(report.epoch);
        require((report.root == 0) == (leaves == 0), RootMismatch(report.root, leaves));
        bool empty = report.contributions == 0;
        require(
            (report.contributionRoot == 0) == empty,
            RootMismatch(report.contributionRoot, report.contributions)
        );
        require(
            (report.invoiceRoot == 0) == empty,
            RootMismatch(report.invoiceRoot, report.contributions)
        );
    }

    function _requireFunded(Report calldata report, Final memory last) private view {
        require(report.total >= last.total, TotalFell(report.total, last.total));
        uint256 delta = report.total - last.total;
        uint256 fee = feeOf(delta, report.epoch);
        uint256 fund = escrow.fund(report.epoch);
        require(
            (delta == 0 || report.contributions != 0) && delta + fee <= fund,
            OverFund(delta, fee, fund)
        );
    }

    /// @dev Nothing is pending any more, and the next attempt begins.
    function _endAttempt() private returns (uint64 revision_) {
        Attempt memory attempt = _attempt;
        revision_ = attempt.revision + 1;
        _pending = 0;
        _attempt = Attempt(attempt.number + 1, uint40(block.timestamp), uint48(revision_), 0, 0);
    }

    function _nextRevision() private returns (uint64) {
        return ++_attempt.revision;
    }

    function _abandonableAt(uint32 epoch) private view returns (uint256) {
        return Math.max(sealTimeOf(epoch), _attempt.time) + proposalTimeoutSeconds;
    }

    // Judging

    function convict(Report calldata report, bytes calldata evidence) external {
        bytes32 digest = reportDigest(report);
        _requireOpen(digest);
        require(judgeOf[report.rulesHash].unlawful(_caseOf(report, digest), evidence), NoFraud());
        _revoke(report, digest, msg.sender);
    }

    function revokeSilent(Report calldata report) external onlyDemands {
        bytes32 digest = reportDigest(report);
        _requireOpen(digest);
        _revoke(report, digest, address(0));
    }

    function setWindow(bytes32 digest, uint256 until) external onlyDemands {
        _requireOpen(digest);
        uint40 time = SafeCast.toUint40(until);
        if (digest == _pending) {
            _attempt.time = time;
            return;
        }
        Vetoed storage vetoed = _vetoed[digest];
        if (vetoed.until == WAITING) --_vetoedWaiting;
        vetoed.until = time;
        _countVetoed(time);
    }

    function openUntil(bytes32 digest) public view returns (uint256) {
        if (digest == 0) return 0;
        if (digest == _pending) return _attempt.time;
        Vetoed storage vetoed = _vetoed[digest];
        bool isOpen = block.timestamp < vetoed.until || vetoed.epoch > _final.epoch;
        return isOpen ? vetoed.until : 0;
    }

    function provableUntil() external view returns (uint256) {
        return _vetoedWaiting != 0 ? WAITING : _vetoedUntil;
    }

    function _countVetoed(uint40 until) private {
        if (until == WAITING) ++_vetoedWaiting;
        else if (until > _vetoedUntil) _vetoedUntil = until;
    }

    function _requireOpen(bytes32 digest) private view {
        require(openUntil(digest) != 0, NotPendingReport(digest, _pending));
    }

    function _caseOf(
        Report calldata report,
        bytes32 digest
    ) private view returns (IJudge.Case memory case_) {
        case_.epoch = report.epoch;
        case_.leaves = registry.accountsAt(report.epoch);
        case_.contributions = report.contributions;
        case_.total = report.total;
        case_.root = report.root;
        case_.contributionRoot = report.contributionRoot;
        case_.invoiceRoot = report.invoiceRoot;
        case_.lastRoot = report.prevRoot;
        if (digest == _pending) {
            (case_.lastLeaves, case_.lastTotal) = (_final.leaves, _final.total);
        } else {
            Vetoed storage vetoed = _vetoed[digest];
            (case_.lastLeaves, case_.lastTotal) = (vetoed.lastLeaves, vetoed.lastTotal);
        }
    }

    function _revoke(Report calldata report, bytes32 digest, address prover) private {
        uint256 signers;
        uint64 revision_;
        if (digest == _pending) {
            signers = _attempt.signers;
            revision_ = _endAttempt();
        } else {
            Vetoed memory vetoed = _vetoed[digest];
            signers = vetoed.signers;
            if (vetoed.until == WAITING) --_vetoedWaiting;
            delete _vetoed[digest];
            revision_ = _nextRevision();
        }
        emit RootRevoked(report.epoch, report.attempt, digest, prover, revision_);
        quorum.slash(signers, prover);
    }

    // Tariff and rules

    function setTariff(Tariff calldata tariff) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setTariff(_nextEpoch(), tariff);
    }

    function setRules(bytes32 rulesHash, IJudge judge) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setRules(_epochAfterNext(), rulesHash, judge);
    }

    function tariffAt(uint32 epoch) external view returns (Tariff memory) {
        return _tariffFrom[_tariffEpoch(epoch)];
    }

    function rulesAt(uint32 epoch) public view returns (bytes32) {
        return bytes32(_rulesByEpoch.upperLookupRecent(epoch));
    }

    /// @dev The epoch that the tariff in force in `epoch` began with; 0, where there is none, when none was set.
    function _tariffEpoch(uint32 epoch) private view returns (uint32) {
        return uint32(_tariffByEpoch.upperLookupRecent(epoch));
    }

    function _setTariff(uint32 fromEpoch, Tariff memory tariff) private {
        require(tariff.feeBps <= MAX_FEE_BPS, FeeTooHigh(tariff.feeBps));
        _tariffFrom[fromEpoch] = tariff;
        _tariffByEpoch.push(fromEpoch, fromEpoch);
        emit TariffSet(fromEpoch, tariff, _nextRevision());
    }

    function _setRules(uint32 fromEpoch, bytes32 rulesHash, IJudge judge) private {
        require(
            rulesHash != 0 && address(judge).code.length != 0,
            InvalidRules(rulesHash, address(judge))
        );
        IJudge known = judgeOf[rulesHash];
        require(
            address(known) == address(0) || address(known) == address(judge),
            JudgeIsFixed(rulesHash, address(known))
        );
        judgeOf[rulesHash] = judge;
        _rulesByEpoch.push(fromEpoch, uint256(rulesHash));
        emit RulesSet(fromEpoch, rulesHash, address(judge), _nextRevision());
    }

    // Closing

    function close() external {
        Final memory last = _final;
        require(last.closedAt == 0, LedgerIsClosed());
        require(_pending == 0, ProposalPending(_pending));
        uint256 from = closableAt();
        require(block.timestamp >= from, NotClosable(from));
        _final.closedAt = uint40(block.timestamp);
        emit LedgerClosed(last.epoch, _nextRevision());
        escrow.close(last.epoch);
    }

    function closableAt() public view returns (uint256) {
        uint256 from = Math.max(_final.since, sealTimeOf(_final.epoch + 1));
        return from + Math.max(CLOSE_DELAY_SECONDS, 4 * epochSeconds);
    }

    function closedAt() external view returns (uint256) {
        return _final.closedAt;
    }
}
