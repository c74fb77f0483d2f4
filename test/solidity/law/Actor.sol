// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CustomerEscrow} from "../../../contracts/CustomerEscrow.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {EpochLedger} from "../../../contracts/EpochLedger.sol";
import {LinkToken} from "../../../contracts/LinkToken.sol";
import {OracleQuorum} from "../../../contracts/OracleQuorum.sol";
import {RewardDistributor} from "../../../contracts/RewardDistributor.sol";
import {VM} from "../Vm.sol";
import {Draft, Fraud, Frauds} from "./Frauds.sol";
import {World} from "./World.sol";

/// @title Actor
/// @notice Someone who calls the suite. Every public function of an actor is an act the fuzzer may choose; an act that
/// has no sense in the present state does nothing.
/// @dev An act never reverts: what must be granted is called as it is, so that a refusal fails the campaign (with
/// `failOnRevert`), and what must be refused goes through {_refused}.
abstract contract Actor {
    World internal immutable world;
    LinkToken internal immutable token;
    DeviceRegistry internal immutable registry;
    CustomerEscrow internal immutable escrow;
    OracleQuorum internal immutable quorum;
    RewardDistributor internal immutable distributor;
    EpochLedger internal immutable ledger;

    constructor(World world_) {
        world = world_;
        token = world_.token();
        registry = world_.registry();
        escrow = world_.escrow();
        quorum = world_.quorum();
        distributor = world_.distributor();
        ledger = world_.ledger();
    }

    /// @notice Calls `target` as `sender`; a revert is an answer.
    function _tried(
        address sender,
        address target,
        bytes memory data
    ) internal returns (bool granted) {
        VM.prank(sender);
        // solhint-disable-next-line avoid-low-level-calls
        (granted, ) = target.call(data);
    }

    /// @notice Calls `target` as `sender`, which breaks rule `item` if it is granted.
    function _refused(
        uint256 item,
        string memory rule,
        address sender,
        address target,
        bytes memory data
    ) internal {
        if (_tried(sender, target, data)) world.broken(item, rule);
    }

    /// @notice Disproves the pending root if anything can be held against it.
    function _disprove(uint256 seed) internal returns (bool disproven) {
        Draft memory draft = world.pending();
        Draft memory last = world.finalOf(world.lastEpoch());
        (Fraud fraud, uint256 a, uint256 b) = Frauds.find(draft, last, world.accounts(), seed);
        if (fraud == Fraud.None) return false;
        address prover = _passerBy(seed);
        uint256 balance = token.balanceOf(prover);
        uint256 bonds = token.balanceOf(address(quorum));
        if (!_tried(prover, address(ledger), Frauds.proofOf(fraud, draft, last, a, b))) {
            world.broken(6, "a valid fraud proof was refused");
            return false;
        }
        world.rejected(true);
        bonds -= token.balanceOf(address(quorum));
        if (token.balanceOf(prover) - balance != bonds / 2) {
            world.broken(6, "a prover got another part than half");
        }
        world.did("disprove");
        return true;
    }

    /// @notice Somebody without any role.
    function _passerBy(uint256 seed) internal pure returns (address) {
        return address(uint160(0xFACE00 + (seed % 4)));
    }

    function _random(uint256 seed, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
