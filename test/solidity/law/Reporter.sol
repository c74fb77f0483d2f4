// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {Trees} from "../Trees.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
import {Draft} from "./Frauds.sol";

/// @title Reporter
/// @notice Draws up reports and gathers signatures, as the oracle's members do.
abstract contract Reporter is Actor {
    /// @notice A report on the next epoch as the rules want it: history kept, and a part of the budget, which `seed`
    /// chooses, shared out among all accounts of the seal time.
    function _honest(uint256 seed) internal view returns (Draft memory draft) {
        uint32 epoch = world.lastEpoch() + 1;
        Draft memory last = world.finalOf(epoch - 1);
        address[] memory accounts = _accountsOf(epoch, last.leaves.length);
        uint96[] memory cumulatives = new uint96[](accounts.length);
        for (uint256 i = 0; i < last.leaves.length; ++i) cumulatives[i] = last.leaves[i].cumulative;
        uint96 shared = _share(cumulatives, _pot(seed), seed);

        draft.leaves = Trees.pack(accounts, cumulatives);
        _seal(draft, last, last.report.total + shared, seed);
    }

    /// @notice Fills the report of `draft` from its leaves.
    function _seal(
        Draft memory draft,
        Draft memory last,
        uint96 total,
        uint256 seed
    ) internal view {
        draft.hashes = Trees.hashes(draft.leaves);
        uint32 contributions = uint32(_random(seed, 2) % 3);
        draft.report = IEpochLedger.Report({
            epoch: last.report.epoch + 1,
            attempt: world.attempt(),
            prevRoot: last.report.root,
            root: Trees.root(draft.hashes),
            contributionRoot: contributions == 0 ? bytes32(0) : bytes32(seed | 1),
            bundleHash: keccak256(abi.encode(seed)),
            total: total,
            leaves: uint32(draft.leaves.length),
            contributions: contributions,
            rulesHash: ledger.rulesAt(last.report.epoch + 1)
        });
    }

    /// @notice All active members, or as few of them as are enough.
    function _signers(uint256 seed) internal view returns (address[] memory signers) {
        address[] memory active = world.activeMembers();
        uint256 enough = world.threshold();
        if (seed % 2 == 0 || active.length <= enough) return active;
        signers = new address[](enough);
        for (uint256 i = 0; i < enough; ++i) signers[i] = active[(seed / 2 + i) % active.length];
    }

    function _signed(
        bytes32 digest,
        address[] memory signers
    ) internal view returns (CompactSignature[] memory signatures) {
        signatures = new CompactSignature[](signers.length);
        for (uint256 i = 0; i < signers.length; ++i) {
            signatures[i] = Typed.sign(world.recordOf(signers[i]).key, digest);
        }
    }

    function _proposal(
        IEpochLedger.Report memory report,
        address[] memory signers
    ) internal view returns (bytes memory) {
        return
            abi.encodeCall(
                IEpochLedger.propose,
                (report, _signed(ledger.reportDigest(report), signers))
            );
    }

    function _enoughMembers() internal view returns (bool) {
        return world.activeMembers().length >= world.threshold();
    }

    /// @dev The accounts of the seal time; more if the last final root, against the rules, had more already.
    function _accountsOf(
        uint32 epoch,
        uint256 atLeast
    ) private view returns (address[] memory accounts) {
        uint256 leaves = world.accountsAtSeal(epoch);
        if (leaves < atLeast) leaves = atLeast;
        address[] memory all = world.accounts();
        accounts = new address[](leaves);
        for (uint256 i = 0; i < leaves; ++i) accounts[i] = all[i];
    }

    /// @dev All of the budget, none of it, or something between.
    function _pot(uint256 seed) private view returns (uint256) {
        uint256 budget = world.budget();
        uint256 choice = _random(seed, 0) % 4;
        if (choice == 0) return budget;
        return choice == 1 ? 0 : _random(seed, 1) % (budget + 1);
    }

    /// @dev By random weights, some of them zero; the rest of the division goes to the first that has one.
    function _share(
        uint96[] memory cumulatives,
        uint256 pot,
        uint256 seed
    ) private pure returns (uint96) {
        uint256[] memory weights = new uint256[](cumulatives.length);
        uint256 weight = 0;
        for (uint256 i = 0; i < weights.length; ++i) {
            weights[i] = _random(seed, 100 + i) % 4;
            weight += weights[i];
        }
        if (weight == 0) return 0;
        uint256 rest = pot;
        for (uint256 i = 0; i < weights.length; ++i) {
            uint256 share = (pot * weights[i]) / weight;
            cumulatives[i] += uint96(share);
            rest -= share;
        }
        for (uint256 i = 0; i < weights.length; ++i) {
            if (weights[i] == 0) continue;
            cumulatives[i] += uint96(rest);
            break;
        }
        return uint96(pot);
    }
}
