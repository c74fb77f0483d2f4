// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {RewardLeaf} from "../../../contracts/libraries/RewardLeaf.sol";
import {Cast} from "../Suite.sol";
import {Trees} from "../Trees.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
import {Draft, Fraud, Frauds} from "./Frauds.sol";
import {Reporter} from "./Reporter.sol";
import {World} from "./World.sol";

/// @title Proposer
/// @notice The members together: an honest quorum, and at times a corrupt one.
contract Proposer is Reporter {
    constructor(World world_) Actor(world_) {}

    /// @notice An honest proposal, in time or late.
    function propose(uint256 seed) external logged {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        if (!_mayPropose()) return;
        Draft memory draft = _honest(seed);
        uint256[] memory signers = _signers(seed);
        if (world.watched()) {
            Draft memory last = world.finalOf(world.lastEpoch());
            (Fraud fraud, ) = Frauds.find(draft, last, world.accounts(), seed);
            if (fraud != Fraud.None) world.broken("history leaves no honest successor");
        }
        bytes memory call = _proposal(draft.report, signers);
        if (_tried(_passerBy(seed), address(ledger), call)) {
            world.proposed(draft, signers);
            world.signedCall(address(ledger), call);
            world.did("propose");
        } else {
            world.broken("an honest proposal was refused");
        }
    }

    /// @notice A proposal of a corrupt quorum, of the kinds the ledger cannot see through by itself.
    function proposeCorrupt(uint256 seed) external logged {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        if (!_mayPropose()) return;
        Draft memory draft = _corrupt(seed);
        uint256[] memory signers = _signers(seed);
        bytes memory call = _proposal(draft.report, signers);
        if (!_tried(_passerBy(seed), address(ledger), call)) return;
        world.proposed(draft, signers);
        world.signedCall(address(ledger), call);
        world.did("proposeCorrupt");
    }

    /// @notice A proposal that the ledger must refuse, though the whole quorum signed it.
    function proposeVoid(uint256 seed) external logged {
        if (!world.accountable()) return;
        bool ready = _mayPropose() && world.time() >= world.sealTimeOf(world.lastEpoch() + 1);
        Draft memory draft = _honest(seed);
        // Closed, overdue, pending, or not sealed: even an honest report is void.
        string memory rule = "a report was taken out of its time";
        if (ready) rule = _void(draft.report, _random(seed, 20) % 13);
        if (bytes(rule).length == 0) return;
        bytes memory call = _proposal(draft.report, _signers(0));
        _refused(rule, _passerBy(seed), address(ledger), call);
        world.did("proposeVoid");
    }

    /// @notice An honest report without the signatures of enough members.
    function proposeUnsigned(uint256 seed) external logged {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        if (!_mayPropose()) return;
        IEpochLedger.Report memory report = _honest(seed).report;
        bytes32 digest = ledger.reportDigest(report);
        uint256[] memory active = world.activeSlots();
        uint256[] memory keys = new uint256[](world.threshold());
        for (uint256 i = 0; i < keys.length; ++i) keys[i] = world.keyOf(world.signerOf(active[i]));

        uint256 last = keys.length - 1;
        uint256 choice = _random(seed, 21) % 6;
        if (choice == 0) keys = _withoutLast(keys);
        if (choice == 1) keys[last] = last == 0 ? Cast.stranger(0) : keys[0];
        if (choice == 2) keys[last] = Cast.stranger(0);
        if (choice == 3) keys[last] = _inactiveKey(seed);
        if (choice == 4) digest = _digestOn(report, block.chainid + 1, address(ledger));
        if (choice == 5) digest = _digestOn(report, block.chainid, address(quorum));
        CompactSignature[] memory signatures = new CompactSignature[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) signatures[i] = Typed.sign(keys[i], digest);
        _refused(
            "a report was taken without the signatures of enough active members",
            _passerBy(seed),
            address(ledger),
            abi.encodeCall(ledger.propose, (report, signatures))
        );
        world.did("proposeUnsigned");
    }

    function _mayPropose() private view returns (bool) {
        return
            world.closedAt() == 0 &&
            !world.isOverdue() &&
            !world.isPending() &&
            _enoughMembers() &&
            world.accountable();
    }

    function _awaitSeal(uint256 seed) private {
        world.moveTo(world.sealTimeOf(world.lastEpoch() + 1) + (_random(seed, 30) % 2 days));
    }

    /// @dev An honest report, and then something about its tables that is not.
    function _corrupt(uint256 seed) private view returns (Draft memory draft) {
        draft = _honest(seed);
        draft.isHonest = false;
        uint256 choice = _random(seed, 12) % 18;
        if (choice > 11) _falsify(draft, choice % 3);
        else if (draft.leaves.length != 0) _spoil(draft, choice, seed);
    }

    /// @dev Something about the reward table.
    function _spoil(Draft memory draft, uint256 choice, uint256 seed) private view {
        uint96 total = draft.report.total;
        uint96 most = world.finalReport(draft.report.epoch - 1).total + _mostOf(draft.report.epoch);
        RewardLeaf memory a = _earner(draft.leaves, _random(seed, 10));
        RewardLeaf memory b = _earner(draft.leaves, _random(seed, 11));
        if (choice == 0) a.prefix = b.prefix;
        if (choice == 1) a.prefix = total;
        // Where nobody watches, it must leave room for what comes after it.
        if (choice == 2) a.cumulative = world.watched() ? type(uint96).max : a.cumulative + 1e24;
        if (choice == 2) a.prefix = type(uint96).max;
        if (choice == 3) (a.account, b.account) = (b.account, a.account);
        if (choice == 4) a.account = b.account;
        if (choice == 5) a.account = _passerBy(seed);
        if (choice == 6) a.cumulative /= 2;
        if (choice == 7) _moveAll(draft.leaves, a, 0);
        // What nobody can be shown yet: all that was paid for one account.
        if (choice == 9) _moveAll(draft.leaves, a, most - total);
        if (choice == 9 || choice == 10) total = most;
        if (choice == 11) a.cumulative ^= 1;

        draft.hashes = Trees.hashes(draft.leaves);
        if (choice == 8) draft.hashes[_random(seed, 10) % draft.hashes.length] = 0;
        draft.report.root = Trees.root(draft.hashes);
        draft.report.total = total;
        if (draft.report.contributions == 0) _falsify(draft, 2);
    }

    /// @dev Something about the invoice table: nothing counted, or everything did, or lines that nobody can open.
    function _falsify(Draft memory draft, uint256 how) private pure {
        for (uint256 i = 0; i < draft.lines.length; ++i) {
            draft.lines[i].subtotal = how == 0 ? 0 : type(uint96).max;
        }
        draft.report.invoiceRoot = Trees.root(Trees.hashes(draft.lines));
        if (how != 2) return;
        draft.lines = new InvoiceLine[](0);
        draft.report.contributions += 1;
        draft.report.contributionRoot = bytes32(uint256(1));
        draft.report.invoiceRoot = bytes32(uint256(2));
    }

    /// @dev The most that can be released of what was paid for an epoch, so that the fee is left.
    function _mostOf(uint32 epoch) private view returns (uint96) {
        return uint96((world.fund(epoch) * (10_000 - world.feeBpsAt(epoch))) / 10_000);
    }

    /// @dev A leaf that promises something, if there is one.
    function _earner(
        RewardLeaf[] memory leaves,
        uint256 seed
    ) private pure returns (RewardLeaf memory leaf) {
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaf = leaves[addmod(seed, i, leaves.length)];
            if (leaf.cumulative != 0) break;
        }
    }

    /// @dev Adds `bonus` to a leaf; with none, gives it everything that the others have.
    function _moveAll(
        RewardLeaf[] memory leaves,
        RewardLeaf memory winner,
        uint96 bonus
    ) private pure {
        uint96 prefix = 0;
        for (uint256 i = 0; bonus == 0 && i < leaves.length; ++i) {
            if (leaves[i].account == winner.account) continue;
            winner.cumulative += leaves[i].cumulative;
            leaves[i].cumulative = 0;
        }
        winner.cumulative += bonus;
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i].prefix = prefix;
            prefix += leaves[i].cumulative;
        }
    }

    /// @dev Spoils a report that would be accepted, and says which rule it then breaks; nothing if it cannot.
    function _void(
        IEpochLedger.Report memory report,
        uint256 choice
    ) private view returns (string memory) {
        if (choice < 8) return _misshapen(report, choice);
        if (choice == 8) {
            report.epoch += 1;
            report.rulesHash = ledger.rulesAt(report.epoch);
            return "an epoch was skipped";
        }
        if (choice == 9) {
            report.epoch -= 1;
            report.rulesHash = ledger.rulesAt(report.epoch);
            return "an epoch was repeated";
        }
        if (choice == 10) {
            report.attempt += 1;
            return "a report for another attempt was taken";
        }
        if (choice == 11) {
            report.prevRoot ^= bytes32(uint256(1));
            return "a report on another history was taken";
        }
        report.rulesHash ^= bytes32(uint256(1));
        return "a report by other rules was taken";
    }

    function _misshapen(
        IEpochLedger.Report memory report,
        uint256 choice
    ) private view returns (string memory) {
        uint96 lastTotal = world.finalReport(world.lastEpoch()).total;
        bytes32 some = bytes32(uint256(1));
        if (choice == 0) {
            if (lastTotal == 0) return "";
            report.total = lastTotal - 1;
            return "the total fell";
        }
        if (choice == 1) {
            report.root = report.root == 0 ? some : bytes32(0);
            return "a root without leaves, or leaves without a root";
        }
        if (choice == 2) {
            report.contributionRoot = report.contributionRoot == 0 ? some : bytes32(0);
            return "a contribution root without contributions, or the other way round";
        }
        if (choice == 3) {
            report.invoiceRoot = report.invoiceRoot == 0 ? some : bytes32(0);
            return "an invoice root without contributions, or the other way round";
        }
        if (choice == 4) {
            (report.contributions, report.contributionRoot, report.invoiceRoot) = (0, 0, 0);
            report.total = lastTotal + 1;
            return "something was earned without a contribution";
        }
        // With contributions, as if they were worth it: a wei too much of the fund, or all of it and the fee on top.
        (report.contributions, report.contributionRoot, report.invoiceRoot) = (1, some, some);
        uint256 fund = world.fund(report.epoch);
        report.total = lastTotal + uint96(choice == 5 ? _mostOf(report.epoch) + 2 : fund + 1);
        if (choice == 7 && fund > 1 && world.feeOf(fund, report.epoch) != 0) {
            report.total = lastTotal + uint96(fund);
        }
        return "a report over the epoch's fund was taken";
    }

    /// @dev A key whose signature must not count: of one that is gone, not yet in, or without a bond; one that was
    /// handed over, or is not yet in force; a stranger's when there is none.
    function _inactiveKey(uint256 seed) private view returns (uint256) {
        uint256 slots = world.slots();
        for (uint256 i = 0; i < slots; ++i) {
            uint256 slot = addmod(seed, i, slots);
            World.MemberRecord memory record = world.memberAt(slot);
            address key = record.keys[_random(seed, i) % record.keys.length];
            if (!world.isActive(slot) || key != world.signerOf(slot)) return world.keyOf(key);
        }
        return Cast.stranger(0);
    }

    function _withoutLast(uint256[] memory keys) private pure returns (uint256[] memory rest) {
        rest = new uint256[](keys.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) rest[i] = keys[i];
    }

    function _digestOn(
        IEpochLedger.Report memory report,
        uint256 chainId,
        address verifier
    ) private pure returns (bytes32) {
        return Typed.digestOn(chainId, verifier, Typed.reportHash(report));
    }
}
