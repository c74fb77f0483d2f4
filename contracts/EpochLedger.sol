// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {Guarded} from "./Guarded.sol";
import {ICustomerEscrow} from "./interfaces/ICustomerEscrow.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {ILinkToken} from "./interfaces/ILinkToken.sol";
import {IOracleQuorum} from "./interfaces/IOracleQuorum.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {CompactSignature} from "./libraries/CompactSignature.sol";
import {RewardLeaf, RewardTree} from "./libraries/RewardTree.sol";

/// @title EpochLedger
/// @notice Implements {IEpochLedger}, where each function is described.
contract EpochLedger is IEpochLedger, EpochClock, Guarded, AccessControl, EIP712 {
    using Checkpoints for Checkpoints.Trace208;
    using Checkpoints for Checkpoints.Trace256;
    using RewardTree for bytes32;
    using RewardTree for RewardLeaf;
    using SafeERC20 for IERC20;

    /// @notice What the ledger is built from. Tariff, rules and roles can change later, all else is fixed for ever.
    /// @param token The LinkToken.
    /// @param registry Devices, accounts, and the epoch clock, which is copied.
    /// @param escrow Where customers pay.
    /// @param quorum The oracle members.
    /// @param distributor Where released tokens go.
    /// @param emissionShare The tokens that all epochs together may issue, in wei. They must be sent here.
    /// @param proposalTimeoutSeconds How long members have for an attempt, in seconds.
    /// @param windowSeconds The challenge time, in seconds.
    /// @param rulesHash The rules in force from the first epoch on.
    /// @param tariff The tariff in force from the first epoch on.
    /// @param governance Who sets tariff and rules, and may retire the ledger.
    /// @param guardian Who may veto.
    struct Parameters {
        IERC20 token;
        IDeviceRegistry registry;
        ICustomerEscrow escrow;
        IOracleQuorum quorum;
        IRewardDistributor distributor;
        uint256 emissionShare;
        uint256 proposalTimeoutSeconds;
        uint256 windowSeconds;
        bytes32 rulesHash;
        Tariff tariff;
        address governance;
        address guardian;
    }

    /// @dev One slot: every proposal reads it, every finalization writes it. `total` and `carry` in wei.
    struct Final {
        uint32 epoch;
        uint96 total;
        uint32 leaves;
        uint96 carry;
    }

    /// @dev One slot, times in unix seconds. `startedAt` is when the attempt before ended or the epoch before became
    /// final; the attempt of an epoch that is not sealed by then starts at its seal time. `signers` is a bit set of
    /// slots.
    struct Attempt {
        uint16 number;
        uint40 startedAt;
        uint40 finalizableAt;
        uint128 signers;
    }

    // Constants

    uint256 public constant RETIREMENT_DELAY_SECONDS = 30 days;

    bytes32 private constant REPORT_TYPEHASH = keccak256(
        "Report(uint32 epoch,uint16 attempt,bytes32 prevRoot,bytes32 root,bytes32 contributionRoot,bytes32 bundleHash,uint96 total,uint32 leaves,uint32 contributions,bytes32 rulesHash)"
    );

    // Parameters

    IERC20 public immutable token;
    IDeviceRegistry public immutable registry;
    ICustomerEscrow public immutable escrow;
    IOracleQuorum public immutable quorum;
    IRewardDistributor public immutable distributor;

    uint256 public immutable emissionShare;
    uint256 public immutable proposalTimeoutSeconds;
    uint256 public immutable windowSeconds;

    uint256 private immutable EPOCHS_PER_YEAR;

    // State

    Final private _final;
    bytes32 private _lastRoot;
    Attempt private _attempt;
    bytes32 private _pending;

    Tariff[] private _tariffs;
    Checkpoints.Trace208 private _tariffByEpoch;
    Checkpoints.Trace256 private _rulesByEpoch;

    address private _successor;
    uint256 private _retirableAt;
    bool private _retired;

    constructor(
        Parameters memory p
    )
        EpochClock(p.registry.genesis(), p.registry.epochSeconds(), p.registry.graceSeconds())
        EIP712("LinkRewards", "1")
    {
        require(
            address(p.token) != address(0) &&
                address(p.escrow) != address(0) &&
                address(p.quorum) != address(0) &&
                address(p.distributor) != address(0) &&
                p.governance != address(0) &&
                p.guardian != address(0),
            ZeroAddress()
        );
        uint256 taken = graceSeconds + p.proposalTimeoutSeconds + p.windowSeconds;
        require(2 * taken < epochSeconds, TimingTooLong(taken, epochSeconds / 2));
        EPOCHS_PER_YEAR = 365 days / epochSeconds;
        require(
            EPOCHS_PER_YEAR != 0 && p.emissionShare <= ILinkToken(address(p.token)).SUPPLY(),
            InvalidEmission(p.emissionShare, EPOCHS_PER_YEAR)
        );
        token = p.token;
        registry = p.registry;
        escrow = p.escrow;
        quorum = p.quorum;
        distributor = p.distributor;
        emissionShare = p.emissionShare;
        proposalTimeoutSeconds = p.proposalTimeoutSeconds;
        windowSeconds = p.windowSeconds;
        _grantRole(DEFAULT_ADMIN_ROLE, p.governance);
        _grantRole(GUARDIAN_ROLE, p.guardian);
        _setTariff(1, p.tariff);
        _setRules(1, p.rulesHash);
    }

    // Proposals

    function propose(Report calldata report, CompactSignature[] calldata signatures) external {
        Final memory last = _final;
        Attempt memory attempt = _attempt;
        require(!_retired, LedgerRetired());
        require(report.epoch == last.epoch + 1, EpochOutOfOrder(report.epoch, last.epoch + 1));
        uint256 sealTime = sealTimeOf(report.epoch);
        require(block.timestamp >= sealTime, EpochNotSealed(report.epoch, sealTime));
        require(_pending == 0, ProposalPending(_pending));
        require(report.attempt == attempt.number, WrongAttempt(report.attempt, attempt.number));
        bytes32 rules = rulesAt(report.epoch);
        require(report.rulesHash == rules, WrongRules(report.rulesHash, rules));
        require(report.prevRoot == _lastRoot, WrongPrevRoot(report.prevRoot, _lastRoot));
        _requireShape(report, last.leaves);
        _requireFunded(report, last);
        bytes32 digest = reportDigest(report);
        uint256 signers = quorum.verify(digest, signatures);

        uint256 finalizableAt = block.timestamp + windowSeconds;
        _pending = digest;
        attempt.finalizableAt = SafeCast.toUint40(finalizableAt);
        attempt.signers = SafeCast.toUint128(signers);
        _attempt = attempt;
        emit RootProposed(report.epoch, report.attempt, digest, report, signers, finalizableAt);
    }

    function finalize(Report calldata report) external {
        _requirePending(report);
        uint256 finalizableAt = _attempt.finalizableAt;
        require(block.timestamp >= finalizableAt, WindowOpen(finalizableAt));

        Final memory last = _final;
        uint96 delta = report.total - last.total;
        uint256 available = last.carry + escrow.fund(report.epoch);
        uint96 carry = SafeCast.toUint96(Math.saturatingSub(available, delta));
        _final = Final(report.epoch, report.total, report.leaves, carry);
        _lastRoot = report.root;
        _pending = 0;
        _attempt = Attempt(0, uint40(block.timestamp), 0, 0);
        emit RootFinalized(report.epoch, report.root, report.total, delta, carry);
        distributor.publish(report.epoch, report.root, report.total, report.leaves);
        token.safeTransfer(address(distributor), delta);
    }

    function veto(bytes32 digest_) external onlyRole(GUARDIAN_ROLE) {
        require(digest_ == _pending, NotPendingReport(digest_, _pending));
        (uint16 attempt, bytes32 digest, ) = _reject();
        emit RootVetoed(_final.epoch + 1, attempt, digest);
    }

    function abandon(uint32 epoch) external {
        require(epoch == _final.epoch + 1, EpochOutOfOrder(epoch, _final.epoch + 1));
        require(_pending == 0, ProposalPending(_pending));
        uint256 abandonableAt = _abandonableAt(epoch);
        require(block.timestamp >= abandonableAt, TooEarlyToAbandon(abandonableAt));
        uint16 attempt = _attempt.number;
        _attempt = Attempt(attempt + 1, uint40(block.timestamp), 0, 0);
        emit AttemptAbandoned(epoch, attempt);
    }

    function proposal() external view returns (Proposal memory) {
        uint32 epoch = _final.epoch + 1;
        return
            Proposal(
                epoch,
                _attempt.number,
                _pending,
                _attempt.signers,
                _attempt.finalizableAt,
                _abandonableAt(epoch)
            );
    }

    function lastFinal()
        external
        view
        returns (uint32 epoch, bytes32 root, uint96 total, uint32 leaves, uint96 carry)
    {
        Final memory last = _final;
        return (last.epoch, _lastRoot, last.total, last.leaves, last.carry);
    }

    function reportDigest(Report calldata report) public view returns (bytes32) {
        // Every field is one static word, so the struct's ABI encoding is its EIP-712 encoding.
        return _hashTypedDataV4(keccak256(abi.encode(REPORT_TYPEHASH, report)));
    }

    function _requireShape(Report calldata report, uint256 lastLeaves) private view {
        uint256 accounts = registry.accounts();
        require(
            report.leaves >= lastLeaves && report.leaves <= accounts,
            LeavesOutOfRange(report.leaves, lastLeaves, accounts)
        );
        require(
            (report.root == 0) == (report.leaves == 0),
            RootMismatch(report.root, report.leaves)
        );
        require(
            (report.contributionRoot == 0) == (report.contributions == 0),
            RootMismatch(report.contributionRoot, report.contributions)
        );
    }

    function _requireFunded(Report calldata report, Final memory last) private view {
        require(report.total >= last.total, TotalFell(report.total, last.total));
        uint256 delta = report.total - last.total;
        uint256 budget = budgetOf(report.epoch);
        require(delta <= budget, OverBudget(delta, budget));
        uint256 balance = token.balanceOf(address(this));
        require(delta <= balance, Underfunded(balance, delta));
    }

    function _requirePending(Report calldata report) private view {
        require(_pending != 0, NoProposal());
        bytes32 digest = reportDigest(report);
        require(digest == _pending, NotPendingReport(digest, _pending));
    }

    /// @dev Ends the pending proposal and its attempt.
    function _reject() private returns (uint16 attempt, bytes32 digest, uint256 signers) {
        digest = _pending;
        require(digest != 0, NoProposal());
        attempt = _attempt.number;
        signers = _attempt.signers;
        _pending = 0;
        _attempt = Attempt(attempt + 1, uint40(block.timestamp), 0, 0);
    }

    function _abandonableAt(uint32 epoch) private view returns (uint256) {
        return Math.max(sealTimeOf(epoch), _attempt.startedAt) + proposalTimeoutSeconds;
    }

    // Fraud proofs

    function proveOverlap(Report calldata report, Opening calldata a, Opening calldata b) external {
        _requirePending(report);
        _requireOpening(report.root, report.leaves, a);
        _requireOpening(report.root, report.leaves, b);
        require(a.index != b.index && a.leaf.overlap(b.leaf), NoFraud());
        _revoke(report);
    }

    function proveMalformed(Report calldata report, Opening calldata opening) external {
        _requirePending(report);
        _requireOpening(report.root, report.leaves, opening);
        require(
            !opening.leaf.within(report.total) ||
                registry.indexOf(opening.leaf.account) != opening.index,
            NoFraud()
        );
        _revoke(report);
    }

    function proveEmptyLeaf(
        Report calldata report,
        uint32 index,
        bytes32[] calldata proof
    ) external {
        _requirePending(report);
        require(
            report.root.contains(report.leaves, index, bytes32(0), proof),
            InvalidOpening(index)
        );
        _revoke(report);
    }

    function proveRegression(
        Report calldata report,
        Opening calldata old,
        Opening calldata new_
    ) external {
        _requirePending(report);
        _requireOpening(_lastRoot, _final.leaves, old);
        _requireOpening(report.root, report.leaves, new_);
        require(old.index == new_.index && new_.leaf.cumulative < old.leaf.cumulative, NoFraud());
        _revoke(report);
    }

    function _requireOpening(bytes32 root, uint256 leaves, Opening calldata opening) private pure {
        require(
            root.contains(leaves, opening.index, opening.leaf.hash(), opening.proof),
            InvalidOpening(opening.index)
        );
    }

    function _revoke(Report calldata report) private {
        (uint16 attempt, bytes32 digest, uint256 signers) = _reject();
        emit RootRevoked(report.epoch, attempt, digest, msg.sender);
        quorum.slash(signers, msg.sender);
    }

    // Tariff and rules

    function setTariff(Tariff calldata tariff) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setTariff(_nextEpoch(), tariff);
    }

    function setRules(bytes32 rulesHash) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setRules(_nextEpoch(), rulesHash);
    }

    function tariffAt(uint32 epoch) external view returns (Tariff memory tariff) {
        uint256 position = _tariffByEpoch.upperLookupRecent(epoch);
        if (position != 0) tariff = _tariffs[position - 1];
    }

    function rulesAt(uint32 epoch) public view returns (bytes32) {
        return bytes32(_rulesByEpoch.upperLookupRecent(epoch));
    }

    function _setTariff(uint32 fromEpoch, Tariff memory tariff) private {
        _tariffs.push(tariff);
        _tariffByEpoch.push(fromEpoch, SafeCast.toUint208(_tariffs.length));
        emit TariffSet(fromEpoch, tariff);
    }

    function _setRules(uint32 fromEpoch, bytes32 rulesHash) private {
        require(rulesHash != 0, ZeroRules());
        _rulesByEpoch.push(fromEpoch, uint256(rulesHash));
        emit RulesSet(fromEpoch, rulesHash);
    }

    // Budget

    function emission(uint32 epoch) public view returns (uint256) {
        if (epoch == 0) return 0;
        uint256 year = (epoch - 1) / EPOCHS_PER_YEAR;
        return (emissionShare >> (year + 1)) / EPOCHS_PER_YEAR;
    }

    function budgetOf(uint32 epoch) public view returns (uint256) {
        return emission(epoch) + _final.carry + escrow.fund(epoch);
    }

    // Retirement

    function scheduleRetirement(address successor) external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(!_retired, LedgerRetired());
        require(successor != address(0), ZeroAddress());
        _successor = successor;
        _retirableAt = block.timestamp + RETIREMENT_DELAY_SECONDS;
        emit RetirementScheduled(successor, _retirableAt);
    }

    function cancelRetirement() external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(_retirableAt != 0 && !_retired, NotRetirable(0));
        emit RetirementCancelled(_successor);
        _successor = address(0);
        _retirableAt = 0;
    }

    function retire() external onlyRole(DEFAULT_ADMIN_ROLE) {
        require(_retirableAt != 0 && block.timestamp >= _retirableAt, NotRetirable(_retirableAt));
        require(_pending == 0, ProposalPending(_pending));
        _retired = true;
        uint256 amount = token.balanceOf(address(this));
        emit Retired(_successor, amount);
        token.safeTransfer(_successor, amount);
    }
}
