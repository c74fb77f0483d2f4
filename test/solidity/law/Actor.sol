// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CustomerEscrow} from "../../../contracts/CustomerEscrow.sol";
import {Demands} from "../../../contracts/Demands.sol";
import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {EpochLedger} from "../../../contracts/EpochLedger.sol";
import {Judge} from "../../../contracts/Judge.sol";
import {LinkToken} from "../../../contracts/LinkToken.sol";
import {OracleQuorum} from "../../../contracts/OracleQuorum.sol";
import {RewardDistributor} from "../../../contracts/RewardDistributor.sol";
import {RewardProgramme} from "../../../contracts/RewardProgramme.sol";
import {VM, Vm} from "../Vm.sol";
import {Draft} from "./Draft.sol";
import {Forger} from "./Forger.sol";
import {Invoices} from "./Invoices.sol";
import {LawLog} from "./LawLog.sol";
import {Prosecutor} from "./Prosecutor.sol";
import {Rules} from "./Rules.sol";
import {World} from "./World.sol";

/// @title Actor
/// @notice Someone who calls the suite. Every public function of an actor is an act the fuzzer may choose; an act that
/// has no sense in the present state does nothing.
/// @dev An act never reverts: what must be granted is called as it is, so that a refusal fails the campaign (with
/// `failOnRevert`), and what must be refused goes through {_refused}.
abstract contract Actor {
    World internal immutable world;
    LawLog internal immutable lawLog;
    Rules internal immutable rules;
    Forger internal immutable forger;
    Prosecutor internal immutable prosecutor;
    LinkToken internal immutable token;
    DeviceRegistry internal immutable registry;
    RewardProgramme internal immutable programme;
    CustomerEscrow internal immutable escrow;
    OracleQuorum internal immutable quorum;
    RewardDistributor internal immutable distributor;
    Judge internal immutable judge;
    Demands internal immutable demands;
    EpochLedger internal immutable ledger;

    constructor(World world_) {
        world = world_;
        lawLog = world_.lawLog();
        rules = world_.rules();
        forger = world_.forger();
        prosecutor = world_.prosecutor();
        token = world_.token();
        registry = world_.registry();
        programme = world_.programme();
        escrow = world_.escrow();
        quorum = world_.quorum();
        distributor = world_.distributor();
        judge = world_.judge();
        demands = world_.demands();
        ledger = world_.ledger();
    }

    /// @dev Reads what the act logged.
    modifier logged() {
        VM.recordLogs();
        _;
        lawLog.read(VM.getRecordedLogs());
    }

    /// @notice Calls `target` as `sender`; a revert is an answer.
    /// @dev What a call logged that was refused is recorded, and never was.
    function _tried(
        address sender,
        address target,
        bytes memory data
    ) internal returns (bool granted) {
        return _triedPaying(sender, 0, target, data);
    }

    /// @notice The same with `coins` wei, which the sender has.
    function _triedPaying(
        address sender,
        uint256 coins,
        address target,
        bytes memory data
    ) internal returns (bool granted) {
        lawLog.read(VM.getRecordedLogs());
        VM.deal(sender, sender.balance + coins);
        VM.prank(sender);
        // solhint-disable-next-line avoid-low-level-calls
        (granted, ) = target.call{value: coins}(data);
        Vm.Log[] memory logs = VM.getRecordedLogs();
        if (granted) lawLog.read(logs);
    }

    /// @notice Calls `target` as `sender`, which breaks `rule` if it is granted.
    function _refused(
        string memory rule,
        address sender,
        address target,
        bytes memory data
    ) internal {
        if (_tried(sender, target, data)) world.broken(rule);
    }

    /// @notice Takes the refund of `customer` for `epoch`, if it is due.
    function _refund(uint32 epoch, address customer, uint256 seed) internal {
        Draft memory draft = world.finalOf(epoch);
        bool isFinal = epoch <= world.lastEpoch();
        bool due = isFinal ? Invoices.isOpenableFor(draft, customer) : world.closedAt() != 0;
        if (world.isRefunded(customer, epoch)) due = false;
        bytes memory call = abi.encodeCall(
            escrow.refund,
            (epoch, customer, Invoices.openingsFor(draft, customer))
        );
        if (_tried(_passerBy(seed), address(escrow), call) != due) {
            world.broken("a refund was refused, or granted before its time or twice");
        }
        if (!due) return;
        uint256 counted = Invoices.countedFor(draft, customer);
        if (world.refundTaken(customer, epoch, counted) != 0) world.did("refund");
    }

    /// @notice Somebody without any role.
    function _passerBy(uint256 seed) internal pure returns (address) {
        return address(uint160(0xFACE00 + (seed % 4)));
    }

    function _random(uint256 seed, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
