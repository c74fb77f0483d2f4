// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "./IEpochLedger.sol";
import {IJudge} from "./IJudge.sol";
import {ILedgerLink} from "./ILedgerLink.sol";

/// @title IDemands
/// @notice Calls on whoever proposed a report to show a row that is not public. Not answered in time, the report is revoked
/// and its signers are slashed.
/// @dev A report that is pending, or was vetoed and is still open, cannot become final while a demand waits, and stays
/// open for {answerSeconds} after the last answer, so that what came to light can be proven wrong. A flood of demands
/// costs time, and those who send it money, but never an honest bond: each that waits gives all later ones
/// {spacingSeconds} more. Bonds are in the chain's coin.
interface IDemands is ILedgerLink {
    /// @notice A node of a report's tree.
    /// @param table Its table; not the last rewards, which are final.
    /// @param level 0 for a row. A multiple of 8 for a page: the at most 256 nodes eight levels below it, without padding.
    /// @param position Its position among the nodes of its level.
    struct Node {
        IJudge.Table table;
        uint8 level;
        uint32 position;
    }

    /// @notice `by` demands to see `node` of the report with this digest until `due` (unix seconds); its bond is `bond` wei.
    event Demanded(
        bytes32 indexed digest,
        Node node,
        address indexed by,
        uint256 due,
        uint256 bond
    );

    /// @notice A row was shown, and the siblings from it to its table's root.
    event RowShown(bytes32 indexed digest, Node node, bytes row, bytes32[] proof);

    /// @notice The nodes of a page were shown.
    event PageShown(bytes32 indexed digest, Node node, bytes32[] hashes);

    /// @notice A demand was not answered: its report was revoked.
    event SilenceShown(bytes32 indexed digest, Node node);

    /// @notice `account` took `amount` wei out.
    event Withdrawn(address indexed account, uint256 amount);

    /// @notice The times must not be zero, nor the spacing be longer than the time for an answer, in seconds; nor the bond,
    /// in wei, be zero or over 96 bits.
    error InvalidTerms(uint256 answerSeconds, uint256 spacingSeconds, uint256 minimumBond);

    /// @notice No report with this digest is pending, or was vetoed and is still open.
    error ReportNotOpen(bytes32 digest);

    /// @notice The report is open still: what is demanded of it waits for its answer.
    error ReportOpen(bytes32 digest);

    /// @notice The report's tree has no such row or page.
    error NodeUnknown(Node node);

    /// @notice The node was demanded before.
    error AlreadyDemanded(Node node);

    /// @notice The node was not demanded, or the demand has ended.
    error NotDemanded(Node node);

    /// @notice Nothing more can be demanded since `until` (unix seconds).
    error TooLateToDemand(uint256 until);

    /// @notice The bond is too low, both in wei.
    error BondTooLow(uint256 bond, uint256 least);

    /// @notice The row or page does not lead to the root at its place.
    error WrongAnswer(Node node);

    /// @notice There is time for an answer until `due` (unix seconds).
    error NotDue(uint256 due);

    /// @notice Nothing is owed to this account.
    error NothingOwed(address account);

    // Constants

    /// @notice What an answer with a row may cost, in gas: as much is paid for it.
    function ROW_GAS() external view returns (uint256);

    /// @notice What each hash of a page adds to that, in gas.
    function HASH_GAS() external view returns (uint256);

    // Parameters

    /// @notice How long there is for an answer, in seconds, and how long a report stays open after one.
    function answerSeconds() external view returns (uint256);

    /// @notice How much longer there is for each demand that waits, of whatever report, in seconds.
    function spacingSeconds() external view returns (uint256);

    /// @notice The least bond, in wei.
    function minimumBond() external view returns (uint256);

    // Demands

    /// @notice Demands to see a row or a page of a report. By anyone, once for each node, in the first half of the report's
    /// window or until {answerSeconds} after an answer. Emits {Demanded}.
    /// @dev Takes {bondOf} as the bond; what was sent beyond it can be withdrawn.
    function demand(IEpochLedger.Report calldata report, Node calldata node) external payable;

    /// @notice Shows a demanded row. By anyone, also when it is late, as long as nobody called {silence}. Emits {RowShown}.
    /// @dev Pays the caller at once what the answer costs at the block's base fee, at most nine tenths of the bond; who
    /// demanded is owed the rest of them, and a tenth stays here for ever.
    /// @param row Its bytes.
    /// @param proof The siblings from the leaf's level upwards.
    function answerRow(
        IEpochLedger.Report calldata report,
        Node calldata node,
        bytes calldata row,
        bytes32[] calldata proof
    ) external;

    /// @notice Shows a demanded page; pays as {answerRow}. Emits {PageShown}.
    /// @param hashes The nodes eight levels below `node`, without padding.
    /// @param proof The siblings from the node's level upwards; none when the root is not above it.
    function answerPage(
        IEpochLedger.Report calldata report,
        Node calldata node,
        bytes32[] calldata hashes,
        bytes32[] calldata proof
    ) external;

    /// @notice Revokes a report whose demand was not answered in time; its signers are slashed, and nobody gets a part of
    /// that. By anyone. Who demanded gets its bond back. Emits {SilenceShown}.
    function silence(IEpochLedger.Report calldata report, Node calldata node) external;

    /// @notice Gives back the bond of a demand whose report is no longer open, as when another proof undid it; none of the
    /// report's demands puts off others any more. By anyone.
    function reclaim(bytes32 digest, Node calldata node) external;

    /// @notice Pays the caller what it is owed: what came back of bonds, and what it sent beyond one. Emits {Withdrawn}.
    function withdraw() external;

    /// @notice What is owed to `account`, in wei.
    function owedTo(address account) external view returns (uint256);

    /// @notice The bond of a demand in this block, in wei: twice what the answer costs at the base fee, but at least
    /// {minimumBond}; and as much again for each {answerSeconds} that began since the first half of the window.
    function bondOf(
        IEpochLedger.Report calldata report,
        Node calldata node
    ) external view returns (uint256);

    /// @notice A demand: who made it, zero when it has ended; its bond in wei; until when there is time for an answer
    /// (unix seconds), 0 when the node was never demanded.
    function demandOf(
        bytes32 digest,
        Node calldata node
    ) external view returns (address by, uint96 bond, uint40 due);

    /// @notice How many demands of a report wait, and when the last answer came (unix seconds); zeros when none was made.
    function queueOf(bytes32 digest) external view returns (uint32 open, uint40 lastAnswer);
}
