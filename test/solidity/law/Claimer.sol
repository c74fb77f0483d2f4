// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {IRewardDistributor} from "../../../contracts/interfaces/IRewardDistributor.sol";
import {RewardLeaf} from "../../../contracts/libraries/RewardLeaf.sol";
import {Trees} from "../Trees.sol";
import {Actor} from "./Actor.sol";
import {Draft, Drafts} from "./Draft.sol";
import {World} from "./World.sol";

/// @title Claimer
/// @notice Draws what is final, for anyone: old epochs and new ones, in any order, in batches, twice.
contract Claimer is Actor {
    using Drafts for Draft;

    constructor(World world_) Actor(world_) {}

    function claim(uint256 seed) external logged {
        if (world.lastEpoch() == 0) return;
        IRewardDistributor.Claim[] memory claims = new IRewardDistributor.Claim[](1 + (seed % 5));
        for (uint256 i = 0; i < claims.length; ++i) {
            Draft memory draft = world.finalOf(_epoch(_random(seed, 2 * i)));
            if (draft.leaves.length == 0) return;
            claims[i] = _claimOf(draft, _random(seed, 2 * i + 1) % draft.leaves.length);
        }
        (bool due, uint256[] memory amounts) = _expect(claims);
        address[] memory payees = new address[](claims.length);
        uint256[] memory balances = new uint256[](claims.length);
        for (uint256 i = 0; i < claims.length; ++i) {
            payees[i] = world.payeeOf(claims[i].account);
            balances[i] = token.balanceOf(payees[i]);
        }
        bytes memory call = abi.encodeCall(distributor.claim, (claims));
        if (_tried(_passerBy(seed), address(distributor), call) != due) {
            world.broken("a good batch of claims was refused, or a bad one was paid");
        }
        if (!due) return;
        for (uint256 i = 0; i < claims.length; ++i) {
            world.paidOut(claims[i].account, payees[i], amounts[i]);
            // What one payee gets for several claims of the batch comes as one sum.
            uint256 sum = 0;
            for (uint256 j = 0; j < claims.length; ++j) {
                if (payees[j] == payees[i]) sum += amounts[j];
            }
            bool counted = payees[i] != address(distributor);
            if (counted && token.balanceOf(payees[i]) - balances[i] != sum) {
                world.broken("a batch of claims paid another sum than its claims one by one");
            }
        }
        world.did("claim");
    }

    /// @notice A claim with one thing changed; paid only if that makes it another genuine one.
    function forge(uint256 seed) external logged {
        if (world.lastEpoch() == 0) return;
        Draft memory draft = world.finalOf(_epoch(_random(seed, 0)));
        if (draft.leaves.length == 0) return;
        uint256 index = _random(seed, 1) % draft.leaves.length;
        IRewardDistributor.Claim[] memory claims = new IRewardDistributor.Claim[](1);
        claims[0] = _claimOf(draft, index);
        _spoil(claims[0], draft, seed);

        if (claims[0].cumulative <= world.claimed(claims[0].account) || _isGenuine(claims[0])) {
            return;
        }
        _refused(
            "a forged claim was paid",
            _passerBy(seed),
            address(distributor),
            abi.encodeCall(distributor.claim, (claims))
        );
        world.did("forge");
    }

    /// @dev The newest final epoch, or an old one.
    function _epoch(uint256 seed) private view returns (uint32) {
        uint32 last = world.lastEpoch();
        return seed % 2 == 0 ? last : uint32(1 + ((seed / 2) % last));
    }

    function _claimOf(
        Draft memory draft,
        uint256 index
    ) private pure returns (IRewardDistributor.Claim memory) {
        RewardLeaf memory leaf = draft.leaves[index];
        return
            IRewardDistributor.Claim({
                epoch: draft.report.epoch,
                index: uint32(index),
                account: leaf.account,
                cumulative: leaf.cumulative,
                prefix: leaf.prefix,
                proof: Trees.proof(draft.leafHashes, index)
            });
    }

    function _isGenuine(IRewardDistributor.Claim memory claim_) private view returns (bool) {
        Draft memory draft = world.finalOf(claim_.epoch);
        if (!draft.isOpenable(IJudge.Table.Rewards, claim_.index)) return false;
        IRewardDistributor.Claim memory genuine = _claimOf(draft, claim_.index);
        return keccak256(abi.encode(genuine)) == keccak256(abi.encode(claim_));
    }

    /// @dev What each claim of a batch is worth after those before it, and whether the batch may go through.
    function _expect(
        IRewardDistributor.Claim[] memory claims
    ) private view returns (bool due, uint256[] memory amounts) {
        amounts = new uint256[](claims.length);
        due = world.time() >= world.pausedUntil();
        uint256 held = token.balanceOf(address(distributor));
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 before = world.claimed(claims[i].account);
            for (uint256 j = 0; j < i; ++j) {
                if (claims[j].account == claims[i].account) before += amounts[j];
            }
            if (claims[i].cumulative <= before) continue;
            amounts[i] = claims[i].cumulative - before;
            // Without a watcher a corrupt root may be final: what is beyond its total, or empty, still pays nothing.
            Draft memory draft = world.finalOf(claims[i].epoch);
            uint256 end = uint256(claims[i].prefix) + claims[i].cumulative;
            bool isOpenable = draft.isOpenable(IJudge.Table.Rewards, claims[i].index);
            if (!isOpenable || end > draft.report.total) due = false;
            // Nor is anything for nobody.
            if (claims[i].account == address(0) || amounts[i] > held) due = false;
            else if (world.payeeOf(claims[i].account) != address(distributor)) held -= amounts[i];
        }
    }

    function _spoil(
        IRewardDistributor.Claim memory claim_,
        Draft memory draft,
        uint256 seed
    ) private view {
        uint256 choice = _random(seed, 2) % 9;
        uint96 some = uint96(1 + (_random(seed, 3) % 1e27));
        unchecked {
            // May go round: any number is as good as any other.
            if (choice == 0) claim_.cumulative += some;
            if (choice == 1)
                (claim_.cumulative, claim_.prefix) = (claim_.cumulative + 1, claim_.prefix - 1);
            if (choice == 2) (claim_.cumulative, claim_.prefix) = (some, uint96(0) - some);
        }
        if (choice == 3) claim_.account = world.owners(_random(seed, 4) % 5);
        if (choice == 4) claim_.index = uint32(_random(seed, 5) % 8);
        if (choice == 5) claim_.epoch = uint32(_random(seed, 6) % (world.lastEpoch() + 2));
        if (choice == 6) claim_.proof = new bytes32[](_random(seed, 7) % 4);
        // A position beyond the padding, which the same proof leads to the same root.
        if (choice == 7) claim_.index += uint32(1 << claim_.proof.length);
        if (choice == 8)
            (claim_.account, claim_.index) = (_passerBy(seed), uint32(draft.leaves.length));
    }
}
