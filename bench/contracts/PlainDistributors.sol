// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @notice What one would write with OpenZeppelin alone, for the bench to compare with: a cumulative distributor without
/// payees, pauses, slices or roots that stay claimable.
contract PlainCumulativeDistributor {
    using SafeERC20 for IERC20;

    IERC20 public immutable TOKEN;
    bytes32 public root;
    mapping(address account => uint256) public claimed;

    event Claimed(address indexed account, uint256 amount);

    error InvalidProof(address account);

    struct Claim {
        address account;
        uint256 cumulative;
        bytes32[] proof;
    }

    constructor(IERC20 token) {
        TOKEN = token;
    }

    function publish(bytes32 newRoot) external {
        root = newRoot;
    }

    function claim(address account, uint256 cumulative, bytes32[] calldata proof) external {
        _claim(account, cumulative, proof);
    }

    function claimBatch(Claim[] calldata claims) external {
        for (uint256 i = 0; i < claims.length; ++i) {
            _claim(claims[i].account, claims[i].cumulative, claims[i].proof);
        }
    }

    function _claim(address account, uint256 cumulative, bytes32[] calldata proof) private {
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, cumulative))));
        require(MerkleProof.verifyCalldata(proof, root, leaf), InvalidProof(account));
        uint256 amount = cumulative - claimed[account];
        claimed[account] = cumulative;
        TOKEN.safeTransfer(account, amount);
        emit Claimed(account, amount);
    }
}

/// @notice The same per epoch: a root and a bitmap for each, and every epoch is claimed for itself.
contract PlainEpochDistributor {
    using SafeERC20 for IERC20;

    IERC20 public immutable TOKEN;
    mapping(uint256 epoch => bytes32) public roots;
    mapping(uint256 epoch => mapping(uint256 word => uint256)) private _claimed;

    event Claimed(uint256 indexed epoch, uint256 index, address indexed account, uint256 amount);

    error AlreadyClaimed(uint256 epoch, uint256 index);
    error InvalidProof(uint256 epoch, uint256 index);

    constructor(IERC20 token) {
        TOKEN = token;
    }

    function publish(uint256 epoch, bytes32 root) external {
        roots[epoch] = root;
    }

    function claim(
        uint256 epoch,
        uint256 index,
        address account,
        uint256 amount,
        bytes32[] calldata proof
    ) external {
        uint256 bit = 1 << (index & 0xff);
        uint256 word = _claimed[epoch][index >> 8];
        require(word & bit == 0, AlreadyClaimed(epoch, index));
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(index, account, amount))));
        require(MerkleProof.verifyCalldata(proof, roots[epoch], leaf), InvalidProof(epoch, index));
        _claimed[epoch][index >> 8] = word | bit;
        TOKEN.safeTransfer(account, amount);
        emit Claimed(epoch, index, account, amount);
    }
}
