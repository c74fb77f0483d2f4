// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Tree} from "../../contracts/libraries/Tree.sol";
import {Trees} from "./Trees.sol";

contract TreeTest {
    function testDepthOfSmallTrees() external pure {
        uint8[10] memory depthOf = [0, 0, 1, 2, 2, 3, 3, 3, 3, 4];
        for (uint256 leaves = 1; leaves < depthOf.length; ++leaves) {
            for (uint256 depth = 0; depth < 256; ++depth) {
                assert(Tree.hasDepth(leaves, depth) == (depth == depthOf[leaves]));
            }
            assert(Tree.depthOf(leaves) == depthOf[leaves]);
        }
    }

    function testFuzzDepthIsTheLeastThatHoldsTheLeaves(uint32 seed, uint8 depth) external pure {
        uint256 leaves = uint256(seed) + 1;
        bool holdsThem = leaves <= 2 ** depth;
        bool isLeast = depth == 0 || leaves > 2 ** (depth - 1);
        assert(Tree.hasDepth(leaves, depth) == (holdsThem && isLeast));
        assert((Tree.depthOf(leaves) == depth) == (holdsThem && isLeast));
    }

    function testFuzzAnOddTreeIsAsDeepAsItsPowerOfTwo(uint8 power) external pure {
        uint256 depth = power % 32;
        assert(Tree.hasDepth(2 ** depth, depth));
        assert(Tree.hasDepth(2 ** depth + 1, depth + 1));
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

    /// @notice The nodes of any level, from the first of a subtree on, lead to its top; what is missing is padding.
    function testFuzzTheTopOfASubtreeIsOverItsNodes(
        uint256 seed,
        uint8 size,
        uint8 height,
        uint8 levels
    ) external pure {
        bytes32[] memory leaves = _leaves(seed, size);
        bytes32[][] memory all = Trees.levels(leaves);
        uint256 depth = all.length - 1;
        uint256 from = height % (depth + 1);
        uint256 up = levels % (depth - from + 1);
        for (uint256 top = 0; top < all[from + up].length; ++top) {
            bytes32[] memory nodes = _below(all[from], leaves.length, from, top << up, 2 ** up);
            if (nodes.length == 0) continue;
            assert(Tree.rootOver(nodes, from, up) == all[from + up][top]);
        }
    }

    /// @notice A tree of one level more is the same with padding beside it.
    function testFuzzARootAboveTheTreeHasPaddingBeside(uint256 seed, uint8 size) external pure {
        bytes32[] memory leaves = _leaves(seed, size);
        bytes32[][] memory all = Trees.levels(leaves);
        bytes32 padding = 0;
        for (uint256 i = 1; i < all.length; ++i)
            padding = keccak256(bytes.concat(padding, padding));
        bytes32 above = keccak256(bytes.concat(Trees.root(leaves), padding));
        assert(Tree.rootOver(leaves, 0, all.length) == above);
    }

    function testFuzzANodeOfAnyLevelClimbsToTheRoot(
        uint256 seed,
        uint8 size,
        uint8 height,
        uint256 position
    ) external view {
        bytes32[] memory leaves = _leaves(seed, size);
        bytes32[][] memory all = Trees.levels(leaves);
        uint256 from = height % all.length;
        position %= all[from].length;
        bytes32[] memory proof = new bytes32[](all.length - 1 - from);
        for (uint256 i = 0; i < proof.length; ++i) proof[i] = all[from + i][(position >> i) ^ 1];
        assert(this.climb(all[from][position], position, proof) == Trees.root(leaves));
        assert(this.climb(all[from][position], position, new bytes32[](0)) == all[from][position]);
    }

    /// @dev In a call of its own, for the calldata.
    function climb(
        bytes32 node,
        uint256 position,
        bytes32[] calldata proof
    ) external pure returns (bytes32) {
        return Tree.climb(node, position, proof);
    }

    function contains(
        bytes32 root,
        uint256 leaves,
        uint256 index,
        bytes32 node,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return Tree.contains(root, leaves, index, node, proof);
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

    /// @dev The nodes of a level from `first` on, at most `most`, without those that have padding alone below them.
    function _below(
        bytes32[] memory level,
        uint256 leaves,
        uint256 height,
        uint256 first,
        uint256 most
    ) private pure returns (bytes32[] memory nodes) {
        uint256 n = 0;
        while (n < most && (first + n) << height < leaves) ++n;
        nodes = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) nodes[i] = level[first + i];
    }

    /// @dev 1 to 70 leaves: every depth up to 7.
    function _leaves(uint256 seed, uint8 size) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](1 + (size % 70));
        for (uint256 i = 0; i < leaves.length; ++i) leaves[i] = keccak256(abi.encode(seed, i));
    }
}
