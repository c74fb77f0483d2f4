// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice The cheatcodes these tests use, of those that Hardhat's Solidity test runner has.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function warp(uint256 timestamp) external;

    // `block.timestamp` may be read before a `warp` in the same function: the optimizer takes it for a constant.
    function getBlockTimestamp() external view returns (uint256);

    function prank(address sender) external;

    function deal(address account, uint256 balance) external;

    function fee(uint256 baseFee) external;

    function addr(uint256 key) external pure returns (address);

    function signCompact(uint256 key, bytes32 digest) external pure returns (bytes32 r, bytes32 vs);

    function publicKeyP256(uint256 key) external pure returns (uint256 x, uint256 y);

    function signP256(uint256 key, bytes32 digest) external pure returns (bytes32 r, bytes32 s);

    function getCode(string calldata contractName) external view returns (bytes memory);

    function assume(bool condition) external pure;

    function recordLogs() external;

    function getRecordedLogs() external returns (Log[] memory logs);
}

Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
