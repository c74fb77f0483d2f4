// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDemands} from "../../../contracts/interfaces/IDemands.sol";
import {Trees} from "../Trees.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {Court} from "./Court.sol";
import {Draft, Drafts} from "./Draft.sol";
import {World} from "./World.sol";

/// @title Demander
/// @notice Demands rows and pages of reports, answers for whoever proposed them, rightly, late or wrongly, and takes back
/// what is owed.
contract Demander is Court {
    using Drafts for Draft;

    constructor(World world_) Actor(world_) {}

    /// @notice Mostly of the report that is pending, in time.
    function demand(uint256 seed) external logged {
        VM.fee(_random(seed, 0) % 100 gwei);
        uint256 position = _random(seed, 1) % world.reports();
        if (_random(seed, 4) % 2 == 0) position = 0;
        World.OpenReport memory report = world.openReportAt(position);
        if (report.digest == 0) return;
        uint256 half = report.windowEnd - world.WINDOW_SECONDS() / 2;
        // Now and then as late as may be, or a second later.
        if (report.isOpen && _random(seed, 5) % 4 == 0) world.moveTo(half + (_random(seed, 6) % 2));
        _demandSome(position, _random(seed, 7));
    }

    /// @notice Answers one of the demands that wait, if it can be answered: at its last second, or late.
    function answer(uint256 seed) external logged {
        VM.fee(_random(seed, 0) % 100 gwei);
        (uint256 position, uint256 i, bool found) = _waiting(seed);
        if (!found) return;
        World.OpenReport memory report = world.openReportAt(position);
        World.DemandRecord memory record = world.demandsOf(report.digest)[i];
        if (!_isAnswerable(report.draft, record.node)) return;
        if (world.time() <= record.due && _random(seed, 1) % 4 == 0) {
            world.moveTo(record.due);
            _refused(
                "a report was revoked whose proposer still had time to answer",
                _passerBy(seed),
                address(demands),
                abi.encodeCall(demands.silence, (report.draft.report, record.node))
            );
        }
        _answer(position, i, seed);
        // What was shown may call for more.
        if (_random(seed, 2) % 2 == 0) _demandSome(position, _random(seed, 3));
    }

    /// @notice Answers with another row, another hash, another proof, or for what was not demanded.
    function answerWrongly(uint256 seed) external logged {
        (uint256 position, uint256 i, bool found) = _waiting(seed);
        if (!found) return;
        World.OpenReport memory report = world.openReportAt(position);
        IDemands.Node memory node = world.demandsOf(report.digest)[i].node;
        _refused(
            "a wrong answer was taken",
            _passerBy(seed),
            address(demands),
            _wrongAnswer(report.draft, node, seed)
        );
        world.did("answerWrongly");
    }

    /// @notice Shows a silence: mostly of what cannot be answered, seldom because nobody was there to.
    function silence(uint256 seed) external logged {
        (uint256 position, uint256 i, bool found) = _waiting(seed);
        if (!found) return;
        World.OpenReport memory report = world.openReportAt(position);
        World.DemandRecord memory record = world.demandsOf(report.digest)[i];
        if (!_isAnswerable(report.draft, record.node) || _random(seed, 1) % 2 == 0) {
            return _showSilence(position, i, seed);
        }
        if (world.time() > record.due) return;
        _refused(
            "silence was shown before its time",
            _passerBy(seed),
            address(demands),
            abi.encodeCall(demands.silence, (report.draft.report, record.node))
        );
    }

    /// @notice Takes back the bond of a demand whose report came to its end otherwise; of another it stays.
    function reclaim(uint256 seed) external logged {
        bytes32[] memory digests = world.demanded();
        if (digests.length == 0) return;
        for (uint256 i = 0; i < digests.length; ++i) {
            bytes32 digest = digests[addmod(seed, i, digests.length)];
            World.DemandRecord[] memory records = world.demandsOf(digest);
            uint256 place = _random(seed, 1) % records.length;
            bool isOpen = _isOpen(digest);
            if (records[place].waits && !isOpen) return _reclaim(digest, place, seed);
            if (i != 0) continue;
            _refused(
                "a bond went back while its demand waited, or twice",
                _passerBy(seed),
                address(demands),
                abi.encodeCall(demands.reclaim, (digest, records[place].node))
            );
        }
    }

    function withdrawCoins(uint256 seed) external logged {
        address account = _passerBy(seed);
        uint256 balance = account.balance;
        bool due = world.owedTo(account) != 0;
        if (_tried(account, address(demands), abi.encodeCall(demands.withdraw, ())) != due) {
            world.broken("what was owed was refused, or something out of nothing paid");
        }
        if (account.balance - balance != world.coinsWithdrawn(account)) {
            world.broken("another sum was paid than was owed");
        }
        if (due) world.did("withdrawCoins");
    }

    /// @dev One of the demands that wait, of an open report.
    function _waiting(
        uint256 seed
    ) private view returns (uint256 position, uint256 number, bool found) {
        uint256 count = world.reports();
        for (uint256 i = 0; i < count; ++i) {
            position = addmod(seed, i, count);
            if (!world.isOpenAt(position)) continue;
            World.DemandRecord[] memory records = world.demandsOf(
                world.openReportAt(position).digest
            );
            for (uint256 j = 0; j < records.length; ++j) {
                number = addmod(_random(seed, 9), j, records.length);
                if (records[number].waits) return (position, number, true);
            }
        }
        return (0, 0, false);
    }

    function _wrongAnswer(
        Draft memory draft,
        IDemands.Node memory node,
        uint256 seed
    ) private view returns (bytes memory) {
        uint256 choice = _random(seed, 8) % 4;
        bytes32[] memory hashes = draft.hashesOf(node.table);
        if (node.level != 0) {
            bytes32[] memory wrong = new bytes32[](hashes.length + (choice == 0 ? 1 : 0));
            for (uint256 i = 0; i < hashes.length; ++i) wrong[i] = hashes[i];
            bytes32[] memory proof = new bytes32[](choice == 3 ? 1 : 0);
            if (choice == 1) wrong[seed % wrong.length] ^= bytes32(uint256(1));
            if (choice == 2) draft.report.total += 1;
            return abi.encodeCall(demands.answerPage, (draft.report, node, wrong, proof));
        }
        // One that hashes right, but is of another report; another row, another length of row or proof.
        if (choice == 2 && draft.isOpenable(node.table, node.position)) {
            draft.report.total += 1;
            return _answerTo(draft, node);
        }
        bytes32[] memory siblings = Trees.proof(hashes, node.position);
        bytes memory row = abi.encode(node.position);
        if (draft.isOpenable(node.table, node.position)) {
            row = draft.rowOf(node.table, node.position);
            if (choice == 0) row[seed % row.length] ^= 0x01;
            if (choice == 1) row = bytes.concat(row, hex"00");
            if (choice == 3) siblings = new bytes32[](siblings.length + 1);
        }
        return abi.encodeCall(demands.answerRow, (draft.report, node, row, siblings));
    }
}
