// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {Trees} from "../Trees.sol";
import {VM} from "../Vm.sol";
import {Draft, Drafts} from "./Draft.sol";
import {World} from "./World.sol";

/// @title Prosecutor
/// @notice Draws up evidence of every kind about every row of a report, and finds what convicts it, as a bystander does.
contract Prosecutor {
    using Drafts for Draft;

    /// @dev A report, the final one before it, and all levels of the four trees.
    struct Bench {
        Draft draft;
        Draft last;
        bytes32[][][4] levels;
    }

    World private immutable WORLD;
    DeviceRegistry private immutable REGISTRY;
    IEpochLedger private immutable LEDGER;
    IJudge private immutable JUDGE;

    /// @dev Deployed by the world itself.
    constructor(DeviceRegistry registry, IEpochLedger ledger, IJudge judge) {
        WORLD = World(msg.sender);
        (REGISTRY, LEDGER, JUDGE) = (registry, ledger, judge);
    }

    // ------------------------------------------------------------------ convicting

    /// @notice What convicts a report, of all that there is to say about it, starting anywhere; empty when nothing does.
    function find(Draft memory draft, uint256 seed) external returns (bytes memory evidence) {
        Bench memory bench = _bench(draft);
        IJudge.Case memory case_ = caseOf(draft, bench.last);
        uint256 count = countOf(draft);
        for (uint256 i = 0; i < count; ++i) {
            (IJudge.Evidence memory about, bool isOpenable) = _about(bench, addmod(seed, i, count));
            if (!isOpenable) continue;
            evidence = abi.encode(about);
            (bool granted, bool convicted) = _ask(case_, evidence);
            if (!granted) WORLD.broken("the judge did not answer");
            if (convicted) return evidence;
        }
        return "";
    }

    /// @notice Whether the judge convicts a report of this, and whether it says anything at all.
    function ask(
        Draft memory draft,
        bytes memory evidence
    ) external returns (bool granted, bool convicted) {
        return _ask(caseOf(draft, WORLD.finalOf(draft.report.epoch - 1)), evidence);
    }

    function _ask(
        IJudge.Case memory case_,
        bytes memory evidence
    ) private returns (bool granted, bool convicted) {
        // Whose tariff it is.
        VM.prank(address(LEDGER));
        try JUDGE.unlawful(case_, evidence) returns (bool convicted_) {
            return (true, convicted_);
        } catch {
            return (false, false);
        }
    }

    function caseOf(
        Draft memory draft,
        Draft memory last
    ) public view returns (IJudge.Case memory) {
        IEpochLedger.Report memory report = draft.report;
        return
            IJudge.Case({
                epoch: report.epoch,
                leaves: uint32(WORLD.accountsAt(report.epoch)),
                contributions: report.contributions,
                total: report.total,
                root: report.root,
                contributionRoot: report.contributionRoot,
                invoiceRoot: report.invoiceRoot,
                lastRoot: last.report.root,
                lastLeaves: uint32(last.leaves.length),
                lastTotal: last.report.total
            });
    }

    // ------------------------------------------------------------------ evidence

    /// @notice How many things there are to say about a report, see {evidenceOf}.
    function countOf(Draft memory draft) public pure returns (uint256 count) {
        for (uint8 p = 0; p <= uint8(type(IJudge.Proof).max); ++p) {
            count += _placesOf(draft, IJudge.Proof(p));
        }
    }

    /// @notice The one of them with this number, and whether all rows that it needs can be opened. An empty leaf is one of
    /// them for every row, also where none is empty.
    function evidenceOf(
        Draft memory draft,
        uint256 number
    ) external view returns (IJudge.Evidence memory evidence, bool isOpenable) {
        return _about(_bench(draft), number);
    }

    function _bench(Draft memory draft) private view returns (Bench memory bench) {
        bench.draft = draft;
        bench.last = WORLD.finalOf(draft.report.epoch - 1);
        bench.levels[0] = Trees.levels(draft.contributionHashes);
        bench.levels[1] = Trees.levels(draft.lineHashes);
        bench.levels[2] = Trees.levels(draft.leafHashes);
        bench.levels[3] = Trees.levels(bench.last.leafHashes);
    }

    /// @dev The rows, or boundaries, that a proof can be about.
    function _placesOf(Draft memory draft, IJudge.Proof proof) private pure returns (uint256) {
        uint256 rows = draft.contributions.length;
        uint256 leaves = draft.leaves.length;
        if (proof == IJudge.Proof.Contribution || proof == IJudge.Proof.Pair) return rows;
        if (proof == IJudge.Proof.RewardOrder) return leaves == 0 ? 0 : leaves + 1;
        if (proof == IJudge.Proof.RewardBoundary) return leaves;
        if (proof == IJudge.Proof.EmptyLeaf) return 2 * rows + leaves;
        return rows == 0 ? 0 : rows + 1;
    }

    function _about(
        Bench memory bench,
        uint256 number
    ) private view returns (IJudge.Evidence memory evidence, bool isOpenable) {
        uint8 p = 0;
        while (number >= _placesOf(bench.draft, IJudge.Proof(p))) {
            number -= _placesOf(bench.draft, IJudge.Proof(p++));
        }
        evidence.proof = IJudge.Proof(p);
        evidence.openings = new IJudge.Opening[](4);
        uint256 n = _open(bench, evidence, uint32(number));
        isOpenable = true;
        IJudge.Opening[] memory openings = evidence.openings;
        // Cut to what was filled.
        assembly ("memory-safe") {
            mstore(openings, n)
        }
        for (uint256 i = 0; i < n; ++i) {
            if (openings[i].row.length != 0 && !_isOpenable(bench, openings[i])) isOpenable = false;
        }
        if (evidence.proof == IJudge.Proof.EmptyLeaf) {
            IJudge.Opening memory empty = openings[0];
            isOpenable = bench.draft.hashesOf(empty.table)[empty.position] == 0;
        }
    }

    /// @dev Fills in the openings that the proof needs at this place, and how many they are.
    function _open(
        Bench memory bench,
        IJudge.Evidence memory evidence,
        uint32 place
    ) private view returns (uint256 n) {
        IJudge.Proof proof = evidence.proof;
        Draft memory draft = bench.draft;
        uint32 rows = uint32(draft.contributions.length);
        if (proof == IJudge.Proof.EmptyLeaf) {
            uint32 table = place >= 2 * rows ? 2 : place / rows;
            n = _add(bench, evidence, 0, IJudge.Table(uint8(table)), place - table * rows);
            evidence.openings[0].row = "";
            return n;
        }
        if (proof == IJudge.Proof.Contribution) {
            evidence.publicKey = WORLD.publicKeyOf(
                draft.contributions[place].signed.receipt.device
            );
            return _add(bench, evidence, 0, IJudge.Table.Contributions, place);
        }
        if (proof == IJudge.Proof.Pair) {
            n = _add(bench, evidence, 0, IJudge.Table.Invoices, place);
            uint32 contribution = draft.lines[place].contribution;
            if (contribution >= rows) return n;
            return _add(bench, evidence, n, IJudge.Table.Contributions, contribution);
        }
        evidence.position = place;
        if (proof == IJudge.Proof.ContributionOrder) {
            return _addBoundary(bench, evidence, 0, IJudge.Table.Contributions, place, rows);
        }
        if (proof == IJudge.Proof.InvoiceOrder) {
            return _addBoundary(bench, evidence, 0, IJudge.Table.Invoices, place, rows);
        }
        if (proof == IJudge.Proof.RewardOrder) {
            uint32 leaves = uint32(draft.leaves.length);
            return _addBoundary(bench, evidence, 0, IJudge.Table.Rewards, place, leaves);
        }
        return _openRewardBoundary(bench, evidence, place);
    }

    function _openRewardBoundary(
        Bench memory bench,
        IJudge.Evidence memory evidence,
        uint32 place
    ) private view returns (uint256 n) {
        uint32 rows = uint32(bench.draft.contributions.length);
        n = _add(bench, evidence, 0, IJudge.Table.Rewards, place);
        if (place < bench.last.leaves.length) {
            n = _add(bench, evidence, n, IJudge.Table.LastRewards, place);
        }
        uint32 boundary = 0;
        while (
            boundary < rows && REGISTRY.indexOf(bench.draft.contributions[boundary].account) < place
        ) {
            ++boundary;
        }
        evidence.position = boundary;
        if (rows == 0) return n;
        return _addBoundary(bench, evidence, n, IJudge.Table.Contributions, boundary, rows);
    }

    function _addBoundary(
        Bench memory bench,
        IJudge.Evidence memory evidence,
        uint256 n,
        IJudge.Table table,
        uint32 boundary,
        uint32 rows
    ) private pure returns (uint256) {
        if (boundary != 0) n = _add(bench, evidence, n, table, boundary - 1);
        if (boundary != rows) n = _add(bench, evidence, n, table, boundary);
        return n;
    }

    function _add(
        Bench memory bench,
        IJudge.Evidence memory evidence,
        uint256 n,
        IJudge.Table table,
        uint32 position
    ) private pure returns (uint256) {
        bool isLast = table == IJudge.Table.LastRewards;
        evidence.openings[n] = IJudge.Opening(
            table,
            position,
            (isLast ? bench.last : bench.draft).rowOf(table, position),
            Trees.proofIn(bench.levels[uint8(table)], position)
        );
        return n + 1;
    }

    function _isOpenable(
        Bench memory bench,
        IJudge.Opening memory opening
    ) private pure returns (bool) {
        bool isLast = opening.table == IJudge.Table.LastRewards;
        return (isLast ? bench.last : bench.draft).isOpenable(opening.table, opening.position);
    }
}
