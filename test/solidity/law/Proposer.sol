// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {RewardLeaf} from "../../../contracts/libraries/RewardTree.sol";
import {Typed} from "../Typed.sol";
import {Trees} from "../Trees.sol";
import {Actor} from "./Actor.sol";
import {Draft, Fraud, Frauds} from "./Frauds.sol";
import {Reporter} from "./Reporter.sol";
import {World} from "./World.sol";

/// @title Proposer
/// @notice The members together: an honest quorum, and at times a corrupt one.
contract Proposer is Reporter {
    constructor(World world_) Actor(world_) {}

    /// @notice An honest proposal, in time or late.
    function propose(uint256 seed) external {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        Draft memory draft = _honest(seed);
        address[] memory signers = _signers(seed);
        if (world.watched()) {
            Draft memory last = world.finalOf(world.lastEpoch());
            (Fraud fraud, , ) = Frauds.find(draft, last, world.accounts(), seed);
            if (fraud != Fraud.None) world.broken(7, "history leaves no honest successor");
        }
        bytes memory call = _proposal(draft.report, signers);
        if (_tried(_passerBy(seed), address(ledger), call)) {
            world.proposed(draft, signers);
            world.signedCall(address(ledger), call);
            world.did("propose");
        } else {
            world.broken(14, "an honest proposal was refused");
        }
    }

    /// @notice A proposal of a corrupt quorum, of the kinds the ledger cannot see through by itself.
    function proposeCorrupt(uint256 seed) external {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        Draft memory draft = _corrupt(seed);
        address[] memory signers = _signers(seed);
        bytes memory call = _proposal(draft.report, signers);
        if (!_tried(_passerBy(seed), address(ledger), call)) return;
        world.proposed(draft, signers);
        world.signedCall(address(ledger), call);
        world.did("proposeCorrupt");
    }

    /// @notice A proposal that the ledger must refuse, though the whole quorum signed it.
    function proposeVoid(uint256 seed) external {
        bool ready = _mayPropose() && world.time() >= world.sealTimeOf(world.lastEpoch() + 1);
        if (!world.accountable()) return;
        Draft memory draft = _honest(seed);
        // Pending, or not sealed: even an honest report is void.
        (uint256 item, string memory rule) = ready
            ? _void(draft.report, _random(seed, 20) % 12)
            : (uint256(5), "a report was taken out of its time");
        bytes memory call = _proposal(draft.report, _signers(0));
        _refused(item, rule, _passerBy(seed), address(ledger), call);
        world.did("proposeVoid");
    }

    /// @notice An honest report without the signatures of enough members.
    function proposeUnsigned(uint256 seed) external {
        if (!_mayPropose()) return;
        _awaitSeal(seed);
        Draft memory draft = _honest(seed);
        IEpochLedger.Report memory report = draft.report;
        bytes32 digest = ledger.reportDigest(report);
        address[] memory few = new address[](world.threshold() - 1);
        address[] memory active = world.activeMembers();
        for (uint256 i = 0; i < few.length; ++i) few[i] = active[i];
        uint256[] memory keys = new uint256[](few.length + 1);
        for (uint256 i = 0; i < few.length; ++i) keys[i] = world.recordOf(few[i]).key;
        keys[few.length] = world.recordOf(active[few.length]).key;

        uint256 choice = _random(seed, 21) % 6;
        if (choice == 0) keys = _withoutLast(keys);
        if (choice == 1) keys[few.length] = few.length == 0 ? 0xBAD : keys[0];
        if (choice == 2) keys[few.length] = 0xBAD;
        if (choice == 3) keys[few.length] = _inactiveKey(seed);
        if (choice == 4) digest = _digestOn(report, block.chainid + 1, address(ledger));
        if (choice == 5) digest = _digestOn(report, block.chainid, address(quorum));
        CompactSignature[] memory signatures = new CompactSignature[](keys.length);
        for (uint256 i = 0; i < keys.length; ++i) signatures[i] = Typed.sign(keys[i], digest);
        _refused(
            8,
            "a report was taken without the signatures of enough active members",
            _passerBy(seed),
            address(ledger),
            abi.encodeCall(ledger.propose, (report, signatures))
        );
        world.did("proposeUnsigned");
    }

    function _mayPropose() private view returns (bool) {
        return !world.retired() && !world.isPending() && _enoughMembers() && world.accountable();
    }

    function _awaitSeal(uint256 seed) private {
        world.moveTo(world.sealTimeOf(world.lastEpoch() + 1) + (_random(seed, 30) % 2 days));
    }

    /// @dev An honest report, and then something about its tree that is not.
    function _corrupt(uint256 seed) private view returns (Draft memory draft) {
        draft = _honest(seed);
        uint256 n = draft.leaves.length;
        if (n == 0) return draft;
        uint96 total = draft.report.total;
        uint96 most = world.finalReport(world.lastEpoch()).total + uint96(world.budget());
        uint256 emptied = n;
        RewardLeaf memory a = _earner(draft.leaves, _random(seed, 10));
        RewardLeaf memory b = _earner(draft.leaves, _random(seed, 11));
        uint256 choice = _random(seed, 12) % 12;
        if (choice == 0) a.prefix = b.prefix;
        if (choice == 1) a.prefix = total;
        if (choice == 2) (a.cumulative, a.prefix) = (type(uint96).max, type(uint96).max);
        if (choice == 3) (a.account, b.account) = (b.account, a.account);
        if (choice == 4) a.account = b.account;
        if (choice == 5) a.account = _passerBy(seed);
        if (choice == 6) a.cumulative /= 2;
        if (choice == 7) _moveAll(draft.leaves, a, 0);
        if (choice == 8) emptied = _random(seed, 10) % n;
        // The last three are within the law, if not within the rules: the whole pot for one account, a pot that nobody
        // can claim, and leaves for accounts that came after the seal time.
        if (choice == 9) _moveAll(draft.leaves, a, most - total);
        if (choice == 9 || choice == 10) total = most;
        if (choice == 11) draft.leaves = _withNewcomers(draft.leaves);

        draft.hashes = Trees.hashes(draft.leaves);
        if (emptied < n) draft.hashes[emptied] = 0;
        draft.report.root = Trees.root(draft.hashes);
        draft.report.leaves = uint32(draft.leaves.length);
        draft.report.total = total;
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

    function _withNewcomers(
        RewardLeaf[] memory leaves
    ) private view returns (RewardLeaf[] memory extended) {
        address[] memory accounts = world.accounts();
        extended = new RewardLeaf[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            extended[i] = i < leaves.length ? leaves[i] : RewardLeaf(accounts[i], 0, 0);
        }
    }

    /// @dev Spoils a report that would be accepted, and says which rule it then breaks.
    function _void(
        IEpochLedger.Report memory report,
        uint256 choice
    ) private view returns (uint256 item, string memory rule) {
        if (choice < 7) return _misshapen(report, choice);
        if (choice == 7) {
            report.epoch += 1;
            report.rulesHash = ledger.rulesAt(report.epoch);
            return (5, "an epoch was skipped");
        }
        if (choice == 8) {
            report.epoch -= 1;
            report.rulesHash = ledger.rulesAt(report.epoch);
            return (5, "an epoch was repeated");
        }
        if (choice == 9) {
            report.attempt += 1;
            return (5, "a report for another attempt was taken");
        }
        if (choice == 10) {
            report.prevRoot ^= bytes32(uint256(1));
            return (5, "a report on another history was taken");
        }
        report.rulesHash ^= bytes32(uint256(1));
        return (9, "a report by other rules was taken");
    }

    function _misshapen(
        IEpochLedger.Report memory report,
        uint256 choice
    ) private view returns (uint256 item, string memory rule) {
        IEpochLedger.Report memory last = world.finalReport(world.lastEpoch());
        bytes32 some = bytes32(uint256(1));
        if (choice == 0 && last.total != 0) {
            report.total = last.total - 1;
            return (2, "the total fell");
        }
        if (choice == 1 && last.leaves != 0) {
            report.leaves = last.leaves - 1;
            if (report.leaves == 0) report.root = 0;
            return (3, "accounts were dropped");
        }
        if (choice == 2) {
            report.leaves = uint32(world.accounts().length) + 1;
            if (report.root == 0) report.root = some;
            return (3, "leaves were invented");
        }
        if (choice == 3) {
            report.root = report.root == 0 ? some : bytes32(0);
            return (3, "a root without leaves, or leaves without a root");
        }
        if (choice == 4) {
            report.contributionRoot = report.contributionRoot == 0 ? some : bytes32(0);
            return (3, "a contribution root without contributions, or the other way round");
        }
        report.total = last.total + uint96(world.budget()) + 1;
        return (2, "a report over budget was taken");
    }

    /// @dev Somebody whose signature must not count: gone, not yet in, or without a bond; a stranger when all are in.
    function _inactiveKey(uint256 seed) private view returns (uint256) {
        address[] memory members = world.members();
        for (uint256 i = 0; i < members.length; ++i) {
            address member = members[(seed + i) % members.length];
            if (!world.isActive(member)) return world.recordOf(member).key;
        }
        return 0xBAD;
    }

    function _withoutLast(uint256[] memory keys) private pure returns (uint256[] memory rest) {
        rest = new uint256[](keys.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) rest[i] = keys[i];
    }

    function _digestOn(
        IEpochLedger.Report memory report,
        uint256 chainId,
        address verifier
    ) private view returns (bytes32) {
        return Typed.digestOn(chainId, verifier, Typed.reportHash(report));
    }
}
