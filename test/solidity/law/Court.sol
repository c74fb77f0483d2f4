// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDemands} from "../../../contracts/interfaces/IDemands.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {Trees} from "../Trees.sol";
import {Actor} from "./Actor.sol";
import {Draft, Drafts} from "./Draft.sol";
import {World} from "./World.sol";

/// @title Court
/// @notice Convicts reports that are pending or were vetoed, demands rows of them, answers, and shows that nobody did.
abstract contract Court is Actor {
    using Drafts for Draft;

    // ------------------------------------------------------------------ convicting

    /// @notice What convicts a report, if anything does: then its tables are not what the rules make of its receipts; and
    /// if they are not, and every row can be opened, something does.
    function _examine(Draft memory draft, uint256 seed) internal returns (bytes memory evidence) {
        evidence = prosecutor.find(draft, seed);
        // On a history that is not lawful nothing lawful may be possible.
        if (!world.isHistoryLawful()) return evidence;
        bool isConvicted = evidence.length != 0;
        if (draft.isLawful && isConvicted) world.broken("a lawful report can be convicted");
        if (!draft.isLawful && !isConvicted && !_hides(draft)) {
            world.broken("nothing convicts an unlawful report");
        }
    }

    /// @dev Whether there is a row that nobody can open.
    function _hides(Draft memory draft) private pure returns (bool hides) {
        (hides, ) = _hidden(draft);
    }

    function _hidden(
        Draft memory draft
    ) private pure returns (bool found, IDemands.Node memory node) {
        for (uint8 t = 0; t < 3; ++t) {
            node.table = IJudge.Table(t);
            bytes32[] memory hashes = draft.hashesOf(node.table);
            for (uint32 i = 0; i < hashes.length; ++i) {
                node.position = i;
                if (hashes[i] != 0 && !draft.isOpenable(node.table, i)) return (true, node);
            }
        }
        return (false, node);
    }

    /// @notice Undoes one of the reports that are open, if anything can be held against one; with `pendingOnly`, the
    /// pending one.
    function _disprove(uint256 seed, bool pendingOnly) internal returns (bool) {
        uint256 count = pendingOnly ? 1 : world.reports();
        for (uint256 i = 0; i < count; ++i) {
            uint256 position = addmod(seed, i, count);
            if (!world.isOpenAt(position)) continue;
            World.OpenReport memory report = world.openReportAt(position);
            if (report.evidence.length == 0) continue;
            _convict(position, report, seed);
            return true;
        }
        return false;
    }

    function _convict(uint256 position, World.OpenReport memory report, uint256 seed) private {
        address prover = _passerBy(seed);
        uint256 balance = token.balanceOf(prover);
        bytes memory call = abi.encodeCall(ledger.convict, (report.draft.report, report.evidence));
        if (!_tried(prover, address(ledger), call)) {
            world.broken("an unlawful report was not convicted");
            return;
        }
        uint256 part = world.revoked(position, true);
        if (token.balanceOf(prover) - balance != part) {
            world.broken("a prover got another part than a tenth");
        }
        _refused("a report was convicted twice", prover, address(ledger), call);
        _tooLateToAnswer(report, seed);
        world.did(position == 0 ? "disprove" : "disproveVetoed");
    }

    // ------------------------------------------------------------------ demands

    /// @notice Demands to see the first row of the pending report that nobody can open, if there is one.
    function _demandHidden(uint256 seed) internal {
        World.OpenReport memory report = world.openReportAt(0);
        (bool found, IDemands.Node memory node) = _hidden(report.draft);
        if (!found) return;
        _demand(0, report, node, _bondOf(report, node), seed);
        bytes32[] memory siblings = Trees.proof(report.draft.hashesOf(node.table), node.position);
        // What stands there now and then, see {Forger}.
        bytes memory noRow = abi.encode(node.position);
        _refused(
            "what is no row was taken for one",
            _passerBy(seed),
            address(demands),
            abi.encodeCall(demands.answerRow, (report.draft.report, node, noRow, siblings))
        );
        world.did("demandHidden");
    }

    /// @notice Demands something of a report: mostly a row or a page that there is, with the bond that it takes.
    function _demandSome(uint256 position, uint256 seed) internal {
        World.OpenReport memory report = world.openReportAt(position);
        if (report.digest == 0) return;
        IDemands.Node memory node = _node(report.draft, seed);
        // Where nobody watches, nobody asks for what cannot be shown.
        bool isHidden = _isNode(report.draft, node) && !_isAnswerable(report.draft, node);
        if (!world.watched() && isHidden) return;
        uint256 sent = _bondOf(report, node);
        uint256 choice = _random(seed, 2) % 8;
        if (choice == 0 && sent != 0) sent -= 1;
        if (choice == 1) sent += _random(seed, 3) % 1 ether;
        if (_demand(position, report, node, sent, seed)) world.did("demand");
    }

    /// @notice Demands a node with `sent` wei, which is granted when that is enough, and node and time are right.
    function _demand(
        uint256 position,
        World.OpenReport memory report,
        IDemands.Node memory node,
        uint256 sent,
        uint256 seed
    ) internal returns (bool due) {
        address by = _passerBy(seed);
        uint256 bond = _bondOf(report, node);
        due = _isDemandable(report, node) && sent >= bond;
        bytes memory call = abi.encodeCall(demands.demand, (report.draft.report, node));
        if (_triedPaying(by, sent, address(demands), call) != due) {
            world.broken("a demand was refused that was due, or granted to no purpose");
        }
        if (due) world.demandMade(position, node, by, bond, sent);
    }

    /// @notice Answers the demand with this number, of a node that can be opened.
    function _answer(uint256 position, uint256 i, uint256 seed) internal {
        World.OpenReport memory report = world.openReportAt(position);
        World.DemandRecord memory record = world.demandsOf(report.digest)[i];
        address by = _passerBy(seed);
        bytes memory call = _answerTo(report.draft, record.node);
        uint256 balance = by.balance;
        if (!_tried(by, address(demands), call)) {
            world.broken("a right answer was refused");
            return;
        }
        uint256 price = block.basefee == 0 ? 1 : block.basefee;
        uint256 pay = _gasOf(report.draft, record.node) * price;
        if (by.balance - balance != world.demandAnswered(position, i, pay)) {
            world.broken("an answer was paid otherwise than by its gas");
        }
        _refused("a demand was answered twice", by, address(demands), call);
        call = abi.encodeCall(demands.demand, (report.draft.report, record.node));
        if (_triedPaying(by, 1 ether, address(demands), call)) {
            world.broken("what was shown had to be shown again");
        }
        world.did("answer");
    }

    /// @dev Once a report is undone nobody lives on the bonds of those who demanded something of it.
    function _tooLateToAnswer(World.OpenReport memory report, uint256 seed) private {
        World.DemandRecord[] memory records = world.demandsOf(report.digest);
        for (uint256 i = 0; i < records.length; ++i) {
            IDemands.Node memory node = records[i].node;
            if (!records[i].waits || !_isAnswerable(report.draft, node)) continue;
            _refused(
                "an answer was paid whose report was undone",
                _passerBy(seed),
                address(demands),
                _answerTo(report.draft, node)
            );
        }
    }

    /// @notice Waits until the demand with this number is overdue, and says so: the report is revoked.
    function _showSilence(uint256 position, uint256 i, uint256 seed) internal {
        World.OpenReport memory report = world.openReportAt(position);
        World.DemandRecord memory record = world.demandsOf(report.digest)[i];
        address by = _passerBy(seed);
        bytes memory call = abi.encodeCall(demands.silence, (report.draft.report, record.node));
        if (world.time() <= record.due) {
            world.moveTo(record.due);
            _refused("silence was shown before its time", by, address(demands), call);
            world.moveTo(record.due + 1);
        }
        uint256 balance = token.balanceOf(by);
        if (!_tried(by, address(demands), call)) {
            world.broken("a demand was not answered, and nothing came of it");
            return;
        }
        world.demandEnded(report.digest, i);
        world.revoked(position, false);
        if (token.balanceOf(by) != balance) world.broken("somebody got a part for a silence");
        _refused("silence was shown twice", by, address(demands), call);
        world.did(position == 0 ? "silence" : "silenceVetoed");
    }

    /// @notice Answers all demands of a report that wait; where one cannot be answered, the report is revoked.
    function _settleDemands(uint256 position, uint256 seed) internal {
        World.OpenReport memory report = world.openReportAt(position);
        World.DemandRecord[] memory records = world.demandsOf(report.digest);
        for (uint256 i = 0; i < records.length; ++i) {
            if (!records[i].waits) continue;
            if (!_isAnswerable(report.draft, records[i].node)) {
                return _showSilence(position, i, seed);
            }
            _answer(position, i, seed);
        }
    }

    /// @notice The bonds of demands whose reports are no longer open go back.
    function _reclaimAll(uint256 seed) internal {
        bytes32[] memory digests = world.demanded();
        for (uint256 i = 0; i < digests.length; ++i) {
            if (_isOpen(digests[i])) continue;
            World.DemandRecord[] memory records = world.demandsOf(digests[i]);
            for (uint256 j = 0; j < records.length; ++j) {
                if (records[j].waits) _reclaim(digests[i], j, seed);
            }
        }
    }

    function _reclaim(bytes32 digest, uint256 i, uint256 seed) internal {
        IDemands.Node memory node = world.demandsOf(digest)[i].node;
        bytes memory call = abi.encodeCall(demands.reclaim, (digest, node));
        if (!_tried(_passerBy(seed), address(demands), call)) {
            world.broken("the bond of a demand that came to nothing stayed");
            return;
        }
        world.demandEnded(digest, i);
        _refused("a bond went back twice", _passerBy(seed), address(demands), call);
        world.did("reclaim");
    }

    function _isOpen(bytes32 digest) internal view returns (bool) {
        uint256 count = world.reports();
        for (uint256 i = 0; i < count; ++i) {
            if (world.isOpenAt(i) && world.openReportAt(i).digest == digest) return true;
        }
        return false;
    }

    // ------------------------------------------------------------------ nodes

    function _isDemandable(
        World.OpenReport memory report,
        IDemands.Node memory node
    ) private view returns (bool) {
        uint256 half = report.windowEnd - world.WINDOW_SECONDS() / 2;
        uint256 afterAnswer = report.lastAnswer + world.ANSWER_SECONDS();
        return
            report.isOpen &&
            (world.time() <= half || world.time() <= afterAnswer) &&
            !world.wasDemanded(report.digest, node) &&
            _isNode(report.draft, node);
    }

    function _node(
        Draft memory draft,
        uint256 seed
    ) private pure returns (IDemands.Node memory node) {
        node.table = IJudge.Table(uint8(_random(seed, 4) % 3));
        uint256 rows = draft.hashesOf(node.table).length;
        uint256 choice = _random(seed, 5) % 8;
        if (choice == 0) return IDemands.Node(node.table, 8, 0);
        if (rows != 0) node.position = uint32(_random(seed, 6) % rows);
        // What there is not.
        if (choice == 1) node.level = uint8(_random(seed, 7) % 33);
        if (choice == 2) node.position = uint32(rows + (_random(seed, 7) % 3));
        if (choice == 3 && seed % 4 == 0) node.table = IJudge.Table.LastRewards;
    }

    /// @dev A row, or a node with more than one node eight levels below it that has rows.
    function _isNode(Draft memory draft, IDemands.Node memory node) internal pure returns (bool) {
        if (node.table == IJudge.Table.LastRewards || node.level % 8 != 0) return false;
        uint256 rows = draft.hashesOf(node.table).length;
        uint256 first = uint256(node.position) * 2 ** node.level;
        return first < rows && (node.level == 0 || rows > 2 ** (node.level - 8));
    }

    /// @dev What an answer costs. Tables are small: a page is all of one.
    function _gasOf(Draft memory draft, IDemands.Node memory node) private view returns (uint256) {
        uint256 hashes = node.level == 0 ? 0 : draft.hashesOf(node.table).length;
        return demands.ROW_GAS() + hashes * demands.HASH_GAS();
    }

    /// @dev Twice the gas of the answer, and as much again for each time of an answer that began since half the window.
    function _bondOf(
        World.OpenReport memory report,
        IDemands.Node memory node
    ) internal view returns (uint256) {
        if (!_isNode(report.draft, node)) return 0;
        uint256 bond = 2 * _gasOf(report.draft, node) * block.basefee;
        if (bond < world.DEMAND_BOND()) bond = world.DEMAND_BOND();
        uint256 half = report.windowEnd - world.WINDOW_SECONDS() / 2;
        uint256 answer = world.ANSWER_SECONDS();
        uint256 steps = world.time() > half ? (world.time() - half + answer - 1) / answer : 0;
        return bond * (1 + steps);
    }

    /// @dev A page can be shown also where a row cannot.
    function _isAnswerable(
        Draft memory draft,
        IDemands.Node memory node
    ) internal pure returns (bool) {
        return node.level != 0 || draft.isOpenable(node.table, node.position);
    }

    function _answerTo(
        Draft memory draft,
        IDemands.Node memory node
    ) internal view returns (bytes memory) {
        bytes32[] memory hashes = draft.hashesOf(node.table);
        if (node.level != 0) {
            return
                abi.encodeCall(demands.answerPage, (draft.report, node, hashes, new bytes32[](0)));
        }
        return
            abi.encodeCall(
                demands.answerRow,
                (
                    draft.report,
                    node,
                    draft.rowOf(node.table, node.position),
                    Trees.proof(hashes, node.position)
                )
            );
    }
}
