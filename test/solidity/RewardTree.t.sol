// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RewardLeaf, RewardTree} from "../../contracts/libraries/RewardTree.sol";
import {Trees} from "./Trees.sol";

contract RewardTreeTest {
    using RewardTree for RewardLeaf;

    error Differs(uint256 actual, uint256 expected);

    uint96 private constant MOST = type(uint96).max;

    function testDepthOfSmallTrees() external pure {
        uint8[10] memory depthOf = [0, 0, 1, 2, 2, 3, 3, 3, 3, 4];
        for (uint256 leaves = 1; leaves < depthOf.length; ++leaves) {
            for (uint256 depth = 0; depth < 256; ++depth) {
                assert(RewardTree.hasDepth(leaves, depth) == (depth == depthOf[leaves]));
            }
        }
    }

    function testFuzzDepthIsTheLeastThatHoldsTheLeaves(uint32 seed, uint8 depth) external pure {
        uint256 leaves = uint256(seed) + 1;
        bool holdsThem = leaves <= 2 ** depth;
        bool isLeast = depth == 0 || leaves > 2 ** (depth - 1);
        assert(RewardTree.hasDepth(leaves, depth) == (holdsThem && isLeast));
    }

    function testFuzzAnOddTreeIsAsDeepAsItsPowerOfTwo(uint8 power) external pure {
        uint256 depth = power % 32;
        assert(RewardTree.hasDepth(2 ** depth, depth));
        assert(RewardTree.hasDepth(2 ** depth + 1, depth + 1));
    }

    function testFuzzALeafIsTheHashOf44Bytes(RewardLeaf calldata leaf) external pure {
        bytes memory packed = abi.encodePacked(leaf.account, leaf.cumulative, leaf.prefix);
        _same(packed.length, 44);
        assert(
            RewardTree.hash(leaf) == keccak256(packed) && RewardTree.hash(leaf) == Trees.hash(leaf)
        );
    }

    function testFuzzEveryLeafIsContained(uint256 seed, uint8 size) external view {
        bytes32[] memory leaves = _leaves(seed, size);
        bytes32 root = Trees.root(leaves);
        for (uint256 i = 0; i < leaves.length; ++i) {
            assert(this.contains(root, leaves.length, i, leaves[i], Trees.proof(leaves, i)));
        }
    }

    function testFuzzALeafIsContainedAtItsOwnIndexOnly(
        uint256 seed,
        uint8 size,
        uint256 at,
        uint256 elsewhere
    ) external view {
        bytes32[] memory leaves = _leaves(seed, size);
        bytes32 root = Trees.root(leaves);
        at %= leaves.length;
        bytes32[] memory proof = Trees.proof(leaves, at);
        // Any index, one within the padded tree, and one that has the same bits within the tree.
        _containedOnlyAt(at, root, leaves, elsewhere, proof);
        _containedOnlyAt(at, root, leaves, elsewhere % (2 * leaves.length), proof);
        _containedOnlyAt(at, root, leaves, at + 2 ** proof.length, proof);
    }

    function testFuzzAnotherLeafIsNotContained(
        uint256 seed,
        uint8 size,
        uint256 at,
        bytes32 other
    ) external view {
        bytes32[] memory leaves = _leaves(seed, size);
        at %= leaves.length;
        bytes32[] memory proof = Trees.proof(leaves, at);
        bool contained = this.contains(Trees.root(leaves), leaves.length, at, other, proof);
        assert(contained == (other == leaves[at]));
    }

    function testFuzzAProofOfAnotherLengthProvesNothing(
        uint256 seed,
        uint8 size,
        uint256 at,
        uint8 length
    ) external view {
        bytes32[] memory leaves = _leaves(seed, size);
        at %= leaves.length;
        bytes32[] memory proof = Trees.proof(leaves, at);
        bytes32[] memory other = new bytes32[](length % 10);
        for (uint256 i = 0; i < other.length && i < proof.length; ++i) other[i] = proof[i];
        bool contained = this.contains(Trees.root(leaves), leaves.length, at, leaves[at], other);
        assert(contained == (other.length == proof.length));
    }

    /// @dev Lessons: "an internal node passes for a leaf; proof length unchecked".
    function testFuzzAnInnerNodeIsNoLeaf(uint256 seed, uint8 size, uint256 at) external view {
        bytes32[] memory leaves = _leaves(seed, size);
        bytes32 root = Trees.root(leaves);
        at %= leaves.length;
        bytes32[] memory proof = Trees.proof(leaves, at);
        bytes32 node = leaves[at];
        for (uint256 level = 0; level < proof.length; ++level) {
            node =
                (at >> level) & 1 == 0
                    ? keccak256(bytes.concat(node, proof[level]))
                    : keccak256(bytes.concat(proof[level], node));
            bytes32[] memory rest = new bytes32[](proof.length - level - 1);
            for (uint256 i = 0; i < rest.length; ++i) rest[i] = proof[level + 1 + i];
            assert(!this.contains(root, leaves.length, at >> (level + 1), node, rest));
            assert(!this.contains(root, leaves.length, at, node, proof));
        }
    }

    /// @dev Lessons: "zero root, provable padding".
    function testFuzzPaddingIsNotContained(uint256 seed, uint8 size) external view {
        bytes32[] memory leaves = _leaves(seed, size);
        bytes32 root = Trees.root(leaves);
        uint256 padded = 1;
        while (padded < leaves.length) padded *= 2;
        for (uint256 i = leaves.length; i < padded; ++i) {
            assert(!this.contains(root, leaves.length, i, bytes32(0), Trees.proof(leaves, i)));
        }
    }

    function testNothingIsContainedInAnEmptyTree() external view {
        assert(!this.contains(bytes32(0), 0, 0, bytes32(0), new bytes32[](0)));
    }

    function testFuzzWithinMeansThatTheSliceEndsByTheTotal(
        uint96 cumulative,
        uint96 prefix,
        uint96 total,
        uint8 edge
    ) external pure {
        RewardLeaf memory leaf = RewardLeaf(
            address(1),
            _edge(cumulative, total, edge),
            _edge(prefix, total, edge >> 4)
        );
        // As many numbers as a slice has fit below the total, without ever adding two of them.
        bool expected = leaf.cumulative <= total && leaf.prefix <= total - leaf.cumulative;
        assert(leaf.within(total) == expected);
    }

    function testSlicesAtTheTopOf96Bits() external pure {
        assert(RewardLeaf(address(1), MOST, 0).within(MOST));
        assert(!RewardLeaf(address(1), MOST, 1).within(MOST));
        assert(!RewardLeaf(address(1), 1, MOST).within(MOST));
        assert(!RewardLeaf(address(1), MOST, MOST).within(MOST));
        // In 96 bits the end of this slice would be 0.
        assert(!RewardLeaf(address(1), 1, MOST).within(0));
        assert(RewardLeaf(address(1), MOST, MOST).overlap(RewardLeaf(address(2), 1, MOST)));
        assert(!RewardLeaf(address(1), MOST, 0).overlap(RewardLeaf(address(2), MOST, MOST)));
        assert(RewardLeaf(address(1), MOST, 1).overlap(RewardLeaf(address(2), MOST, MOST)));
    }

    function testFuzzOverlapMeansOneCoinForTwo(
        uint96[4] calldata numbers,
        uint8 edgeA,
        uint8 edgeB
    ) external pure {
        RewardLeaf memory a = RewardLeaf(address(1), numbers[0], numbers[1]);
        RewardLeaf memory b = RewardLeaf(
            address(2),
            _edge(numbers[2], a.cumulative, edgeA),
            _edge(numbers[3], edgeB & 1 == 0 ? a.prefix : _endOf(a), edgeB >> 1)
        );
        uint256 start = a.prefix > b.prefix ? a.prefix : b.prefix;
        uint256 endA = uint256(a.prefix) + a.cumulative;
        uint256 endB = uint256(b.prefix) + b.cumulative;
        bool expected = start < (endA < endB ? endA : endB);
        assert(a.overlap(b) == expected && b.overlap(a) == expected);
    }

    function testFuzzASliceOfLengthZeroOverlapsNothing(
        RewardLeaf memory a,
        uint96 prefix
    ) external pure {
        assert(!a.overlap(RewardLeaf(address(2), 0, prefix)));
        assert(!RewardLeaf(address(2), 0, prefix).overlap(a));
    }

    function testFuzzPackedSlicesAreWithinAndDisjoint(
        uint64[9] calldata cumulatives
    ) external pure {
        address[] memory accounts = new address[](9);
        uint96[] memory sums = new uint96[](9);
        uint96 total = 0;
        for (uint256 i = 0; i < 9; ++i) {
            sums[i] = cumulatives[i] % 3 == 0 ? 0 : cumulatives[i];
            total += sums[i];
        }
        RewardLeaf[] memory leaves = Trees.pack(accounts, sums);
        for (uint256 i = 0; i < 9; ++i) {
            assert(leaves[i].within(total));
            for (uint256 j = 0; j < i; ++j) assert(!leaves[i].overlap(leaves[j]));
        }
    }

    /// @dev Why two comparisons are enough: what is within the total and overlaps nowhere cannot sum up beyond it.
    function testFuzzDisjointSlicesSumUpToTheTotalAtMost(
        uint8[6] calldata cumulatives,
        uint8[6] calldata prefixes,
        uint8 total
    ) external pure {
        uint256 sum = 0;
        RewardLeaf[6] memory leaves;
        for (uint256 i = 0; i < 6; ++i) {
            leaves[i] = RewardLeaf(address(1), cumulatives[i] / 8, prefixes[i]);
            if (!leaves[i].within(total)) return;
            for (uint256 j = 0; j < i; ++j) if (leaves[i].overlap(leaves[j])) return;
            sum += leaves[i].cumulative;
        }
        assert(sum <= total);
    }

    /// @dev In a call of its own, for the calldata.
    function contains(
        bytes32 root,
        uint256 leaves,
        uint256 index,
        bytes32 node,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return RewardTree.contains(root, leaves, index, node, proof);
    }

    function _containedOnlyAt(
        uint256 at,
        bytes32 root,
        bytes32[] memory leaves,
        uint256 index,
        bytes32[] memory proof
    ) private view {
        assert(this.contains(root, leaves.length, index, leaves[at], proof) == (index == at));
    }

    /// @dev 1 to 70 leaves: every depth up to 7.
    function _leaves(uint256 seed, uint8 size) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](1 + (size % 70));
        for (uint256 i = 0; i < leaves.length; ++i) leaves[i] = keccak256(abi.encode(seed, i));
    }

    /// @dev `value` itself, or a number at an edge: 0, 1, around `pivot`, or at the top of 96 bits.
    function _edge(uint96 value, uint96 pivot, uint8 edge) private pure returns (uint96) {
        edge %= 12;
        if (edge < 2) return edge;
        if (edge == 2) return pivot;
        if (edge == 3) return pivot == MOST ? MOST : pivot + 1;
        if (edge == 4) return pivot == 0 ? 0 : pivot - 1;
        if (edge == 5) return MOST;
        if (edge == 6) return MOST - pivot;
        return value;
    }

    /// @dev As much of the slice's end as fits into 96 bits.
    function _endOf(RewardLeaf memory leaf) private pure returns (uint96) {
        return leaf.prefix > MOST - leaf.cumulative ? MOST : leaf.prefix + leaf.cumulative;
    }

    function _same(uint256 actual, uint256 expected) private pure {
        require(actual == expected, Differs(actual, expected));
    }
}
