// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {LedgerLink} from "./LedgerLink.sol";
import {IDemands} from "./interfaces/IDemands.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {IJudge} from "./interfaces/IJudge.sol";
import {Tree} from "./libraries/Tree.sol";

/// @title Demands
/// @notice Implements {IDemands}, where each function is described.
contract Demands is IDemands, LedgerLink {
    using Tree for bytes32;

    /// @dev Of one report. `windowEnd` is the end of its window as it was proposed; times in unix seconds.
    struct Queue {
        uint32 open;
        uint40 windowEnd;
        uint40 lastAnswer;
    }

    /// @dev `bond` in wei, `due` in unix seconds. `rows` are those of the node's table, `rowBytes` what each has: asked for
    /// here, they make no answer dearer. When it has ended the first two are zero.
    struct Demand {
        address by;
        uint96 bond;
        uint40 due;
        uint32 rows;
        uint16 rowBytes;
    }

    // Constants

    uint256 public constant ROW_GAS = 110_000;
    uint256 public constant HASH_GAS = 1_300;

    uint256 private constant PAGE_LEVELS = 8;
    uint256 private constant PAGE_NODES = 256;

    // Or demands from oneself would put off an epoch for nothing.
    uint256 private constant BURNED_PART = 10;

    // Parameters

    uint256 public immutable answerSeconds;
    uint256 public immutable spacingSeconds;
    uint256 public immutable minimumBond;

    // State

    // How many demands wait, of all reports: vetoes can leave many open at once, and who answers answers them all. In the
    // slot of the ledger's address, which every answer reads.
    uint64 private _open;

    mapping(bytes32 digest => Queue) private _queues;
    mapping(bytes32 digest => mapping(bytes32 node => Demand)) private _demands;
    // One more than is owed, once anything was: then no answer has to pay for a new slot of who demanded.
    mapping(address account => uint256) private _owedPlusOne;

    /// @param answerSeconds_ How long there is for an answer, in seconds.
    /// @param spacingSeconds_ How much longer for each demand that waits, in seconds: at least twice what an answer takes.
    /// @param minimumBond_ The least bond, in wei of the chain's coin.
    constructor(uint256 answerSeconds_, uint256 spacingSeconds_, uint256 minimumBond_) {
        require(
            answerSeconds_ != 0 &&
                spacingSeconds_ != 0 &&
                spacingSeconds_ <= answerSeconds_ &&
                minimumBond_ != 0 &&
                minimumBond_ <= type(uint96).max,
            InvalidTerms(answerSeconds_, spacingSeconds_, minimumBond_)
        );
        answerSeconds = answerSeconds_;
        spacingSeconds = spacingSeconds_;
        minimumBond = minimumBond_;
    }

    // Demands

    function demand(IEpochLedger.Report calldata report, Node calldata node) external payable {
        IEpochLedger link = IEpochLedger(ledger);
        bytes32 digest = link.reportDigest(report);
        (Queue memory queue, uint256 half) = _queueFor(digest);
        uint256 until = Math.max(half, queue.lastAnswer + answerSeconds);
        require(block.timestamp <= until, TooLateToDemand(until));
        Demand storage state = _demands[digest][_key(node)];
        require(state.due == 0, AlreadyDemanded(node));
        uint256 rows = _rowsOf(report, node.table);
        uint256 bond = _bondAt(half, _gasOf(_hashesOf(node, rows)));
        require(msg.value >= bond, BondTooLow(msg.value, bond));

        uint256 due = block.timestamp + answerSeconds + spacingSeconds * _open;
        state.by = msg.sender;
        state.bond = SafeCast.toUint96(bond);
        state.due = SafeCast.toUint40(due);
        state.rows = uint32(rows);
        state.rowBytes = SafeCast.toUint16(link.judgeOf(report.rulesHash).rowBytes(node.table));
        _owe(msg.sender, msg.value - bond);
        ++queue.open;
        ++_open;
        _queues[digest] = queue;
        emit Demanded(digest, node, msg.sender, due, bond);
        if (queue.open == 1) link.setWindow(digest, type(uint40).max);
    }

    function answerRow(
        IEpochLedger.Report calldata report,
        Node calldata node,
        bytes calldata row,
        bytes32[] calldata proof
    ) external {
        bytes32 digest = IEpochLedger(ledger).reportDigest(report);
        Demand storage state = _waiting(digest, node);
        require(
            node.level == 0 &&
                row.length == state.rowBytes &&
                _rootOf(report, node.table).contains(
                    state.rows,
                    node.position,
                    keccak256(row),
                    proof
                ),
            WrongAnswer(node)
        );
        emit RowShown(digest, node, row, proof);
        _end(digest, state, ROW_GAS);
    }

    function answerPage(
        IEpochLedger.Report calldata report,
        Node calldata node,
        bytes32[] calldata hashes,
        bytes32[] calldata proof
    ) external {
        bytes32 digest = IEpochLedger(ledger).reportDigest(report);
        Demand storage state = _waiting(digest, node);
        uint256 rows = state.rows;
        require(node.level != 0 && hashes.length == _hashesOf(node, rows), WrongAnswer(node));
        uint256 depth = Tree.depthOf(rows);
        uint256 height = node.level - PAGE_LEVELS;
        bytes32 top = Tree.rootOver(hashes, height, Math.min(PAGE_LEVELS, depth - height));
        require(
            proof.length == Math.saturatingSub(depth, node.level) &&
                top.climb(node.position, proof) == _rootOf(report, node.table),
            WrongAnswer(node)
        );
        emit PageShown(digest, node, hashes);
        _end(digest, state, _gasOf(hashes.length));
    }

    function silence(IEpochLedger.Report calldata report, Node calldata node) external {
        IEpochLedger link = IEpochLedger(ledger);
        bytes32 digest = link.reportDigest(report);
        Demand storage state = _waiting(digest, node);
        require(block.timestamp > state.due, NotDue(state.due));
        _dismiss(digest);
        _giveBack(state);
        emit SilenceShown(digest, node);
        link.revokeSilent(report);
    }

    function reclaim(bytes32 digest, Node calldata node) external {
        require(IEpochLedger(ledger).openUntil(digest) == 0, ReportOpen(digest));
        _dismiss(digest);
        _giveBack(_waiting(digest, node));
    }

    function withdraw() external {
        uint256 amount = owedTo(msg.sender);
        require(amount != 0, NothingOwed(msg.sender));
        _owedPlusOne[msg.sender] = 1;
        emit Withdrawn(msg.sender, amount);
        Address.sendValue(payable(msg.sender), amount);
    }

    function owedTo(address account) public view returns (uint256) {
        return Math.saturatingSub(_owedPlusOne[account], 1);
    }

    function bondOf(
        IEpochLedger.Report calldata report,
        Node calldata node
    ) external view returns (uint256) {
        (, uint256 half) = _queueFor(IEpochLedger(ledger).reportDigest(report));
        return _bondAt(half, _gasOf(_hashesOf(node, _rowsOf(report, node.table))));
    }

    function demandOf(
        bytes32 digest,
        Node calldata node
    ) external view returns (address by, uint96 bond, uint40 due) {
        Demand storage state = _demands[digest][_key(node)];
        return (state.by, state.bond, state.due);
    }

    function queueOf(bytes32 digest) external view returns (uint32 open, uint40 lastAnswer) {
        Queue storage queue = _queues[digest];
        return (queue.open, queue.lastAnswer);
    }

    /// @dev The queue of an open report, and when the first half of its window ends.
    function _queueFor(bytes32 digest) private view returns (Queue memory queue, uint256 half) {
        IEpochLedger link = IEpochLedger(ledger);
        uint256 openUntil = link.openUntil(digest);
        require(openUntil != 0, ReportNotOpen(digest));
        queue = _queues[digest];
        // Later it moves with the demands.
        if (queue.windowEnd == 0) queue.windowEnd = SafeCast.toUint40(openUntil);
        half = queue.windowEnd - link.windowSeconds() / 2;
    }

    function _waiting(
        bytes32 digest,
        Node calldata node
    ) private view returns (Demand storage state) {
        state = _demands[digest][_key(node)];
        require(state.by != address(0), NotDemanded(node));
    }

    function _end(bytes32 digest, Demand storage state, uint256 gas_) private {
        // Or culprits whose report was undone meanwhile would live on the bonds of who demanded.
        require(IEpochLedger(ledger).openUntil(digest) != 0, ReportNotOpen(digest));
        uint256 bond = state.bond;
        uint256 shared = bond - bond / BURNED_PART;
        // Never nothing: nodes estimate gas without a base fee, and must find that something is paid.
        uint256 pay = Math.min(shared, gas_ * Math.max(block.basefee, 1));
        _owe(state.by, shared - pay);
        (state.by, state.bond) = (address(0), 0);
        Queue memory queue = _queues[digest];
        --queue.open;
        --_open;
        queue.lastAnswer = SafeCast.toUint40(block.timestamp);
        _queues[digest] = queue;
        if (queue.open == 0) {
            uint256 windowEnd = Math.max(queue.windowEnd, block.timestamp + answerSeconds);
            IEpochLedger(ledger).setWindow(digest, windowEnd);
        }
        // At once, for it is the caller's own: only who demanded could want to stand in the way, and is owed instead.
        Address.sendValue(payable(msg.sender), pay);
    }

    /// @dev Its report is undone: none of its demands has to be answered any more.
    function _dismiss(bytes32 digest) private {
        Queue storage queue = _queues[digest];
        _open -= queue.open;
        queue.open = 0;
    }

    function _giveBack(Demand storage state) private {
        _owe(state.by, state.bond);
        (state.by, state.bond) = (address(0), 0);
    }

    function _owe(address account, uint256 amount) private {
        _owedPlusOne[account] = Math.max(_owedPlusOne[account], 1) + amount;
    }

    function _bondAt(uint256 half, uint256 gas_) private view returns (uint256) {
        uint256 bond = Math.max(minimumBond, 2 * gas_ * block.basefee);
        uint256 past = Math.saturatingSub(block.timestamp, half);
        return bond * (1 + Math.ceilDiv(past, answerSeconds));
    }

    function _gasOf(uint256 hashes) private pure returns (uint256) {
        return ROW_GAS + HASH_GAS * hashes;
    }

    function _key(Node calldata node) private pure returns (bytes32) {
        return keccak256(abi.encode(node));
    }

    // Trees

    /// @dev How many hashes an answer has: 0 for a row.
    function _hashesOf(Node calldata node, uint256 rows) private pure returns (uint256) {
        uint256 level = node.level;
        uint256 position = node.position;
        require(level % PAGE_LEVELS == 0 && position << level < rows, NodeUnknown(node));
        if (level == 0) return 0;
        uint256 nodes = ((rows - 1) >> (level - PAGE_LEVELS)) + 1;
        // A page above the root would say no more than the root.
        require(nodes > 1, NodeUnknown(node));
        return Math.min(PAGE_NODES, nodes - PAGE_NODES * position);
    }

    function _rootOf(
        IEpochLedger.Report calldata report,
        IJudge.Table table
    ) private pure returns (bytes32) {
        if (table == IJudge.Table.Contributions) return report.contributionRoot;
        if (table == IJudge.Table.Invoices) return report.invoiceRoot;
        return report.root;
    }

    /// @dev None of the last rewards: they are final.
    function _rowsOf(
        IEpochLedger.Report calldata report,
        IJudge.Table table
    ) private view returns (uint256) {
        if (table == IJudge.Table.LastRewards) return 0;
        if (table == IJudge.Table.Rewards)
            return IEpochLedger(ledger).registry().accountsAt(report.epoch);
        return report.contributions;
    }
}
