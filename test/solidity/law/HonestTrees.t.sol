// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {deploy} from "../Deploy.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {Bystander} from "./Bystander.sol";
import {Customer} from "./Customer.sol";
import {Draft, Fraud, Frauds} from "./Frauds.sol";
import {Gateway} from "./Gateway.sol";
import {Governance} from "./Governance.sol";
import {Proposer} from "./Proposer.sol";
import {World} from "./World.sol";

/// @title HonestTreesTest
/// @notice Every proof that can be drawn up from the leaves of an honest reward table, to the last pair, against it.
contract HonestTreesTest is Actor {
    uint256 private constant MOST_ACCOUNTS = 11;

    error Convicted(Fraud fraud, uint256 index);

    constructor() Actor(World(deploy("World", abi.encode(true)))) {}

    /// hardhat-config: fuzz.runs = 24
    function testFuzzAnHonestTreeIsNeverConvicted(
        uint256 seed,
        uint8 atFirst,
        uint8 newcomers,
        uint8 later
    ) external {
        Governance governance = Governance(deploy("Governance", abi.encode(world)));
        Proposer proposer = Proposer(deploy("Proposer", abi.encode(world)));
        Bystander bystander = Bystander(deploy("Bystander", abi.encode(world)));
        Customer customer = Customer(deploy("Customer", abi.encode(world)));
        Gateway gateway = Gateway(deploy("Gateway", abi.encode(world)));
        governance.restoreQuorum(0);
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) {
            governance.admit(i);
            customer.deposit(i);
            for (uint256 j = 0; j < 4; ++j) customer.setKey(i + 3 * j);
        }
        _enrolAll();
        uint8[3] memory joining = [atFirst, newcomers, later];
        for (uint256 i = 0; i < joining.length; ++i) {
            _bindMore(joining[i] % 5);
            world.moveTo(i == 0 ? world.GENESIS() : world.sealTimeOf(i));
            for (uint256 j = 0; j < 6; ++j) gateway.pay(_random(seed, 10 * i + j));
            world.moveTo(world.sealTimeOf(i + 1));
            proposer.propose(_random(seed, i));
            _accuseOfEverything();
            bystander.finalize(i);
            assert(world.lastEpoch() == i + 1 && bytes(world.brokenRule()).length == 0);
        }
    }

    function _accuseOfEverything() private {
        Draft memory draft = world.pending();
        Draft memory last = world.finalOf(world.lastEpoch());
        // One position beyond the leaves, too: padding, or the next power of two.
        for (uint256 index = 0; index <= draft.leaves.length; ++index) {
            for (uint8 f = 1; f <= uint8(type(Fraud).max); ++f) {
                bytes memory proof = Frauds.proofOf(Fraud(f), draft, last, index);
                bool granted = _tried(_passerBy(index), address(ledger), proof);
                require(!granted, Convicted(Fraud(f), index));
            }
            _accuseWithMadeUpLeaves(draft, last, index);
        }
    }

    /// @dev Less than stands in the new tree, more than stood in the old one, and another account.
    function _accuseWithMadeUpLeaves(Draft memory draft, Draft memory last, uint256 index) private {
        if (index >= draft.leaves.length) return;
        IEpochLedger.Opening memory old = Frauds.opening(last, index);
        IEpochLedger.Opening memory madeUp = Frauds.opening(draft, index);
        uint96 cumulative = madeUp.leaf.cumulative;
        bytes[3] memory proofs;
        madeUp.leaf.cumulative = 0;
        proofs[0] = abi.encodeCall(ledger.proveRegression, (draft.report, old, madeUp));
        (old.leaf.cumulative, madeUp.leaf.cumulative) = (type(uint96).max, cumulative);
        proofs[1] = abi.encodeCall(ledger.proveRegression, (draft.report, old, madeUp));
        madeUp.leaf.account = _passerBy(index);
        proofs[2] = abi.encodeCall(ledger.proveMisplaced, (draft.report, madeUp));
        for (uint256 i = 0; i < proofs.length; ++i) {
            bool granted = _tried(_passerBy(i), address(ledger), proofs[i]);
            require(!granted, Convicted(Fraud.Regression, index));
        }
    }

    function _enrolAll() private {
        address[] memory devices = new address[](MOST_ACCOUNTS);
        for (uint256 i = 0; i < devices.length; ++i) devices[i] = VM.addr(_key(i));
        address manufacturer = world.MANUFACTURER();
        VM.prank(manufacturer);
        registry.enrol(devices, 0);
    }

    function _bindMore(uint256 count) private {
        uint256 known = world.accounts().length;
        for (uint256 i = known; i < known + count && i < MOST_ACCOUNTS; ++i) {
            address device = VM.addr(_key(i));
            address account = address(uint160(0xACC0 + i));
            IDeviceRegistry.Bind[] memory consents = new IDeviceRegistry.Bind[](1);
            CompactSignature[] memory signatures = new CompactSignature[](1);
            consents[0] = IDeviceRegistry.Bind(device, account, 1, world.time());
            bytes32 hash = Typed.bindHash(device, account, 1, world.time());
            signatures[0] = Typed.sign(_key(i), Typed.digest(address(registry), hash));
            registry.bind(consents, signatures);
            world.accountChanged(device, account, 1);
        }
    }

    /// @dev The world's devices, which are served, and some more that are not.
    function _key(uint256 i) private view returns (uint256) {
        return i < Cast.DEVICES ? world.keyOf(world.devices(i)) : 0xDE0000 + i;
    }
}
