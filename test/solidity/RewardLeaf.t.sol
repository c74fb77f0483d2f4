// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RewardLeaf, RewardLeaves} from "../../contracts/libraries/RewardLeaf.sol";
import {Trees} from "./Trees.sol";

contract RewardLeafTest {
    using RewardLeaves for RewardLeaf;

    function testFuzzALeafIsTheHashOf44Bytes(RewardLeaf calldata leaf) external view {
        bytes memory packed = abi.encodePacked(leaf.account, leaf.cumulative, leaf.prefix);
        assert(packed.length == 44);
        assert(leaf.hash() == keccak256(packed) && leaf.hash() == Trees.hash(leaf));
        assert(keccak256(abi.encode(this.decode(packed))) == keccak256(abi.encode(leaf)));
    }

    /// @dev In 96 bits the end of a slice at the top would be at the bottom.
    function testFuzzASliceEndsWhereItsLengthIsOver(
        uint96 cumulative,
        uint96 prefix
    ) external pure {
        uint96 most = type(uint96).max;
        assert(RewardLeaf(address(1), cumulative, prefix).end() - prefix == cumulative);
        assert(RewardLeaf(address(1), cumulative, most).end() - cumulative == most);
        assert(RewardLeaf(address(1), most, most).end() == 2 * uint256(most));
    }

    /// @dev In a call of its own, for the calldata.
    function decode(bytes calldata row) external pure returns (RewardLeaf memory) {
        return RewardLeaves.decode(row);
    }
}
