// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDemands} from "../../contracts/interfaces/IDemands.sol";
import {IEpochLedger} from "../../contracts/interfaces/IEpochLedger.sol";
import {IJudge} from "../../contracts/interfaces/IJudge.sol";
import {CompactSignature} from "../../contracts/libraries/CompactSignature.sol";
import {Cast, Suite} from "./Suite.sol";
import {Trees} from "./Trees.sol";
import {Typed} from "./Typed.sol";
import {VM} from "./Vm.sol";

/// @notice Demands of a table that is larger than one page.
contract DemandsTest is Suite {
    uint256 private constant PAGE = 256;
    uint256 private constant ROW_BYTES = 248;

    address private member = VM.addr(Cast.member(0));

    function setUp() external {
        VM.prank(GOVERNANCE);
        quorum.addMember(member, 1);
        token.approve(address(quorum), MINIMUM_BOND);
        quorum.depositBond(member, MINIMUM_BOND);
        VM.warp(GENESIS + EPOCH_SECONDS + GRACE_SECONDS);
    }

    /// hardhat-config: fuzz.runs = 48
    function testFuzzAnAnswerIsARowOrTheNodesEightLevelsBelow(
        uint256 seed,
        uint16 size,
        uint8 level,
        uint32 position
    ) external {
        bytes32[] memory leaves = new bytes32[](1 + (size % 1200));
        for (uint256 i = 0; i < leaves.length; ++i) leaves[i] = keccak256(_row(seed, i));
        IEpochLedger.Report memory report = _propose(leaves);
        level = seed % 4 == 0 ? level % 40 : 8 * (level % 4);
        uint256 nodes = ((leaves.length - 1) >> level) + 1;
        IDemands.Node memory node = IDemands.Node(
            IJudge.Table.Contributions,
            level,
            uint32(position % (nodes + 1))
        );
        bool isNode =
            level % 8 == 0 &&
                node.position < nodes &&
                (level == 0 || leaves.length > 2 ** (level - 8));
        VM.deal(address(this), 1 ether);
        try demands.demand{value: 0.1 ether}(report, node) {
            assert(isNode);
        } catch (bytes memory reason) {
            assert(!isNode && bytes4(reason) == IDemands.NodeUnknown.selector);
            return;
        }
        bytes32 digest = ledger.reportDigest(report);
        _answer(report, node, leaves, seed);
        (uint32 open, uint40 lastAnswer) = demands.queueOf(digest);
        assert(open == 0 && lastAnswer == time());
    }

    function _answer(
        IEpochLedger.Report memory report,
        IDemands.Node memory node,
        bytes32[] memory leaves,
        uint256 seed
    ) private {
        bytes32[][] memory levels = Trees.levels(leaves);
        if (node.level == 0) {
            bytes32[] memory siblings = Trees.proofIn(levels, node.position);
            bytes memory row = _row(seed, node.position);
            assert(!_answersRow(report, node, _row(seed, leaves.length), siblings));
            assert(!_answersRow(report, node, bytes.concat(row, hex"00"), siblings));
            assert(_answersRow(report, node, row, siblings));
            assert(!_answersRow(report, node, row, siblings));
            return;
        }
        bytes32[] memory hashes = _page(node, levels, leaves.length);
        bytes32[] memory proof = _above(node, levels);
        // What is padding is nobody's to show.
        assert(!_answersPage(report, node, _resized(hashes, hashes.length + 1), proof));
        assert(!_answersPage(report, node, _resized(hashes, hashes.length - 1), proof));
        assert(!_answersPage(report, node, hashes, _resized(proof, proof.length + 1)));
        bytes32[] memory wrong = _resized(hashes, hashes.length);
        wrong[seed % wrong.length] ^= bytes32(uint256(1));
        assert(!_answersPage(report, node, wrong, proof));
        assert(_answersPage(report, node, hashes, proof));
        assert(!_answersPage(report, node, hashes, proof));
    }

    /// @dev The nodes eight levels below, those with padding alone below them left out.
    function _page(
        IDemands.Node memory node,
        bytes32[][] memory levels,
        uint256 leaves
    ) private pure returns (bytes32[] memory hashes) {
        uint256 height = node.level - 8;
        uint256 first = node.position * PAGE;
        uint256 count = 0;
        while (count < PAGE && (first + count) << height < leaves) ++count;
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) hashes[i] = levels[height][first + i];
    }

    /// @dev The siblings from the node upwards: none when the whole tree is below it.
    function _above(
        IDemands.Node memory node,
        bytes32[][] memory levels
    ) private pure returns (bytes32[] memory proof) {
        uint256 depth = levels.length - 1;
        if (node.level >= depth) return proof;
        proof = new bytes32[](depth - node.level);
        for (uint256 i = 0; i < proof.length; ++i) {
            proof[i] = levels[node.level + i][(node.position >> i) ^ 1];
        }
    }

    function _resized(
        bytes32[] memory hashes,
        uint256 length
    ) private pure returns (bytes32[] memory other) {
        other = new bytes32[](length);
        for (uint256 i = 0; i < length && i < hashes.length; ++i) other[i] = hashes[i];
    }

    function _answersRow(
        IEpochLedger.Report memory report,
        IDemands.Node memory node,
        bytes memory row,
        bytes32[] memory proof
    ) private returns (bool) {
        VM.prank(member);
        try demands.answerRow(report, node, row, proof) {
            return true;
        } catch {
            return false;
        }
    }

    function _answersPage(
        IEpochLedger.Report memory report,
        IDemands.Node memory node,
        bytes32[] memory hashes,
        bytes32[] memory proof
    ) private returns (bool) {
        VM.prank(member);
        try demands.answerPage(report, node, hashes, proof) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Nobody was served; but of demands only the trees matter.
    function _propose(bytes32[] memory leaves) private returns (IEpochLedger.Report memory report) {
        report.epoch = 1;
        report.contributions = uint32(leaves.length);
        report.contributionRoot = Trees.root(leaves);
        report.invoiceRoot = keccak256("unknown");
        report.rulesHash = RULES;
        CompactSignature[] memory signatures = new CompactSignature[](1);
        signatures[0] = Typed.sign(Cast.member(0), ledger.reportDigest(report));
        ledger.propose(report, signatures);
    }

    function _row(uint256 seed, uint256 i) private pure returns (bytes memory row) {
        row = new bytes(ROW_BYTES);
        bytes32 random = keccak256(abi.encode(seed, i));
        for (uint256 j = 0; j < 32; ++j) row[8 * (j % 31)] ^= random[j];
    }
}
