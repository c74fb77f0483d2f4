// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {deploy} from "../Deploy.sol";
import {Actor} from "./Actor.sol";
import {Bystander} from "./Bystander.sol";
import {Draft, Fraud, Frauds} from "./Frauds.sol";
import {Governance} from "./Governance.sol";
import {Proposer} from "./Proposer.sol";
import {World} from "./World.sol";

/// @title HonestTreesTest
/// @notice Item 7 of the design, section 11, to the last pair: every proof that can be drawn up from the leaves of an
/// honest tree, against it.
contract HonestTreesTest is Actor {
    uint256 private constant MOST_ACCOUNTS = 11;

    error Convicted(Fraud fraud, uint256 a, uint256 b);

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
        governance.restoreQuorum(0);
        _enrolAll();
        uint8[3] memory joining = [atFirst, newcomers, later];
        for (uint256 i = 0; i < joining.length; ++i) {
            _bindMore(joining[i] % 5);
            world.moveTo(world.sealTimeOf(i + 1));
            proposer.propose(_random(seed, i));
            _accuseOfEverything();
            bystander.finalize(i);
            assert(world.lastEpoch() == i + 1 && world.brokenItem() == 0);
        }
    }

    function _accuseOfEverything() private {
        Draft memory draft = world.pending();
        Draft memory last = world.finalOf(world.lastEpoch());
        // One position beyond the leaves, too: padding, or the next power of two.
        for (uint256 a = 0; a <= draft.leaves.length; ++a) {
            for (uint256 b = 0; b <= draft.leaves.length; ++b) {
                _accuse(Fraud.Overlap, draft, last, a, b);
            }
            _accuse(Fraud.EmptyLeaf, draft, last, a, 0);
            _accuse(Fraud.Malformed, draft, last, a, 0);
            _accuse(Fraud.Regression, draft, last, a, 0);
        }
    }

    function _accuse(
        Fraud fraud,
        Draft memory draft,
        Draft memory last,
        uint256 a,
        uint256 b
    ) private {
        bytes memory proof = Frauds.proofOf(fraud, draft, last, a, b);
        require(!_tried(_passerBy(a), address(ledger), proof), Convicted(fraud, a, b));
    }

    function _enrolAll() private {
        address[] memory devices = new address[](MOST_ACCOUNTS + 1);
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
            bytes32 hash = Typed.bindHash(device, account, 0, world.time());
            bytes32 digest = Typed.digest(address(registry), hash);
            registry.bind(device, account, world.time(), Typed.sign(_key(i), digest));
            world.accountChanged(device, account);
        }
    }

    function _key(uint256 i) private pure returns (uint256) {
        return 0xDE0000 + i;
    }
}
