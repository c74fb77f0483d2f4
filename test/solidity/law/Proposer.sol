// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
import {Court} from "./Court.sol";
import {Draft} from "./Draft.sol";
import {Reporter} from "./Reporter.sol";
import {World} from "./World.sol";

/// @title Proposer
/// @notice The members together: an honest quorum, and at times a corrupt one.
contract Proposer is Reporter, Court {
    constructor(World world_) Actor(world_) {}

    /// @notice An honest proposal, in time or late.
    function propose(uint256 seed) external logged {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        if (!_mayPropose()) return;
        Draft memory draft = _honest(seed);
        uint256[] memory signers = _signers(seed);
        bytes memory evidence = _examine(draft, seed);
        bytes memory call = _proposal(draft.report, signers);
        if (_tried(_passerBy(seed), address(ledger), call)) {
            world.proposed(draft, signers, evidence);
            world.signedCall(address(ledger), call);
            world.did("propose");
            _look(seed);
        } else {
            world.broken("an honest proposal was refused");
        }
    }

    /// @notice A proposal of a corrupt quorum: its tables are bent.
    function proposeCorrupt(uint256 seed) external logged {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        if (!_mayPropose()) return;
        Draft memory draft = forger.bend(_honest(seed), seed);
        uint256[] memory signers = _signers(seed);
        bytes memory evidence = _examine(draft, seed);
        bytes memory call = _proposal(draft.report, signers);
        if (!_tried(_passerBy(seed), address(ledger), call)) return;
        world.proposed(draft, signers, evidence);
        world.signedCall(address(ledger), call);
        world.did("proposeCorrupt");
        _look(seed);
    }

    /// @dev Whoever wants to see something of a report has half a window for it. Who watches asks at once for what cannot be
    /// opened.
    function _look(uint256 seed) private {
        if (world.watched()) _demandHidden(seed);
        uint256 count = _random(seed, 31) % 3 == 0 ? 1 + (_random(seed, 32) % 3) : 0;
        for (uint256 i = 0; i < count; ++i) _demandSome(0, _random(seed, 33 + i));
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

    /// @dev The most that can be released of what was paid for an epoch, so that the fee is left.
    function _mostOf(uint32 epoch) private view returns (uint96) {
        return uint96((world.fund(epoch) * (10_000 - world.feeBpsAt(epoch))) / 10_000);
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
