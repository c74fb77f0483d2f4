// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IRewardDistributor} from "../../contracts/interfaces/IRewardDistributor.sol";
import {RewardLeaf} from "../../contracts/libraries/RewardLeaf.sol";
import {Suite} from "./Suite.sol";
import {Trees} from "./Trees.sol";
import {VM} from "./Vm.sol";

contract RewardDistributorTest is Suite {
    uint32 private constant EPOCHS = 4;
    uint256 private constant ACCOUNTS = 6;

    /// @dev What each epoch's leaf adds for each account.
    struct History {
        uint64[ACCOUNTS] first;
        uint64[ACCOUNTS] second;
        uint64[ACCOUNTS] third;
        uint64[ACCOUNTS] fourth;
    }

    mapping(uint32 epoch => RewardLeaf[]) private _leaves;
    mapping(address account => uint256) private _highest;

    /// @notice However claims are ordered, repeated and cut into batches, each account gets the highest it claimed.
    function testFuzzOrderAndBatchingNeverChangeAPayout(
        History calldata history,
        uint256 seed,
        uint8 count
    ) external {
        uint256 total = _publishAll(history);
        IRewardDistributor.Claim[] memory claims = new IRewardDistributor.Claim[](count % 32);
        uint256 sum = 0;
        for (uint256 i = 0; i < claims.length; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            claims[i] = _claimOf(uint32(1 + (random % EPOCHS)), (random >> 8) % ACCOUNTS);
            uint256 before = _highest[claims[i].account];
            if (claims[i].cumulative <= before) continue;
            _highest[claims[i].account] = claims[i].cumulative;
            sum += claims[i].cumulative - before;
        }
        _claimInBatches(claims, seed);
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            address account = _account(i);
            assert(token.balanceOf(account) == _highest[account]);
            assert(distributor.claimed(account) == _highest[account]);
        }
        assert(token.balanceOf(address(distributor)) == total - sum);
    }

    /// @notice One claim against the newest root pays what all claims one by one would have paid.
    function testFuzzTheNewestRootPaysEverything(History calldata history) external {
        uint256 total = _publishAll(history);
        IRewardDistributor.Claim[] memory claims = new IRewardDistributor.Claim[](ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; ++i) claims[i] = _claimOf(EPOCHS, i);
        distributor.claim(claims);
        assert(token.balanceOf(address(distributor)) == 0);
        assert(total == 0 || distributor.claimed(_account(0)) == _leaves[EPOCHS][0].cumulative);
    }

    function _claimInBatches(IRewardDistributor.Claim[] memory claims, uint256 seed) private {
        uint256 done = 0;
        while (done < claims.length) {
            uint256 size = 1 + (uint256(keccak256(abi.encode(seed, done, "batch"))) % 7);
            if (size > claims.length - done) size = claims.length - done;
            IRewardDistributor.Claim[] memory batch = new IRewardDistributor.Claim[](size);
            for (uint256 i = 0; i < size; ++i) batch[i] = claims[done + i];
            distributor.claim(batch);
            done += size;
        }
    }

    function _publishAll(History calldata history) private returns (uint256 total) {
        uint96[] memory cumulatives = new uint96[](ACCOUNTS);
        uint64[ACCOUNTS][4] memory added = [
            history.first,
            history.second,
            history.third,
            history.fourth
        ];
        address[] memory accounts = new address[](ACCOUNTS);
        for (uint256 i = 0; i < ACCOUNTS; ++i) accounts[i] = _account(i);
        for (uint32 epoch = 1; epoch <= EPOCHS; ++epoch) {
            uint256 before = total;
            for (uint256 i = 0; i < ACCOUNTS; ++i) {
                // Every other account is idle in every other epoch.
                uint64 amount = (i + epoch) % 2 == 0 ? added[epoch - 1][i] : 0;
                cumulatives[i] += amount;
                total += amount;
            }
            RewardLeaf[] memory leaves = Trees.pack(accounts, cumulatives);
            for (uint256 i = 0; i < ACCOUNTS; ++i) _leaves[epoch].push(leaves[i]);
            bytes32 root = Trees.root(Trees.hashes(leaves));
            VM.prank(address(ledger));
            distributor.publish(epoch, root, uint96(total), uint32(ACCOUNTS));
            token.transfer(address(distributor), total - before);
        }
    }

    function _claimOf(
        uint32 epoch,
        uint256 i
    ) private view returns (IRewardDistributor.Claim memory) {
        RewardLeaf[] memory leaves = _leaves[epoch];
        return
            IRewardDistributor.Claim({
                epoch: epoch,
                index: uint32(i),
                account: leaves[i].account,
                cumulative: leaves[i].cumulative,
                prefix: leaves[i].prefix,
                proof: Trees.proof(Trees.hashes(leaves), i)
            });
    }

    function _account(uint256 i) private pure returns (address) {
        return address(uint160(0xACC0 + i));
    }
}
