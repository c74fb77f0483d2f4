// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {SignedReceipt} from "../../../contracts/libraries/ContributionRow.sol";
import {deploy} from "../Deploy.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {Bystander} from "./Bystander.sol";
import {Court} from "./Court.sol";
import {Customer} from "./Customer.sol";
import {Draft} from "./Draft.sol";
import {Gateway} from "./Gateway.sol";
import {Governance} from "./Governance.sol";
import {Proposer} from "./Proposer.sol";
import {Reporter} from "./Reporter.sol";
import {World} from "./World.sol";

/// @title JudgingTest
/// @notice All evidence that there is, to the last row, against honest tables, which it never convicts; and against bent
/// ones, of which some of it convicts each that is not lawful.
contract JudgingTest is Reporter, Court {
    uint256 private constant MOST_ACCOUNTS = 11;

    error Broken(string rule);
    error Convicted(IJudge.Evidence evidence);
    error Unanswered(IJudge.Evidence evidence);
    error Bent(string rule, uint256 seed, Draft draft);

    Governance private governance = Governance(deploy("Governance", abi.encode(world)));
    Proposer private proposer = Proposer(deploy("Proposer", abi.encode(world)));
    Bystander private bystander = Bystander(deploy("Bystander", abi.encode(world)));
    Customer private customer = Customer(deploy("Customer", abi.encode(world)));
    Gateway private gateway = Gateway(deploy("Gateway", abi.encode(world)));

    address[] private _devices;

    constructor() Actor(World(deploy("World", abi.encode(true)))) {}

    function setUp() external {
        governance.restoreQuorum(0);
        for (uint256 i = 0; i < Cast.CUSTOMERS; ++i) {
            governance.admit(i);
            customer.deposit(i);
            for (uint256 j = 0; j < 4; ++j) customer.setKey(i + 3 * j);
        }
        _enrolAll();
    }

    /// hardhat-config: fuzz.runs = 12
    function testFuzzHonestTablesAreNeverConvicted(
        uint256 seed,
        uint8 atFirst,
        uint8 newcomers,
        uint8 later
    ) external {
        uint8[3] memory joining = [atFirst, newcomers, later];
        for (uint256 i = 0; i < joining.length; ++i) {
            _begin(i, joining[i] % 5, seed);
            proposer.propose(_random(seed, i));
            _accuseOfEverything();
            bystander.finalize(i);
            _nothingWasBroken();
            assert(world.lastEpoch() == i + 1);
        }
    }

    /// hardhat-config: fuzz.runs = 16
    function testFuzzTablesThatAreNotLawfulAreConvicted(
        uint256 seed,
        uint8 atFirst,
        uint8 newcomers
    ) external {
        uint8[2] memory joining = [atFirst, newcomers];
        for (uint256 i = 0; i < joining.length; ++i) {
            _begin(i, (joining[i] % 5) + (i == 0 ? 4 : 0), seed);
            for (uint256 j = 0; j < 32; ++j) this.bendAndExamine(_random(seed, 100 * i + j));
            proposer.propose(_random(seed, i));
            bystander.finalize(i);
            _nothingWasBroken();
        }
    }

    /// @notice In a call of its own: memory is free again after it.
    function bendAndExamine(uint256 seed) external {
        Draft memory draft = forger.bend(
            _random(seed, 50) % 8 == 0 ? _idle() : _honest(seed),
            seed
        );
        _examine(draft, seed);
        string memory rule = world.brokenRule();
        require(bytes(rule).length == 0, Bent(rule, seed, draft));
    }

    /// @dev An epoch in which nobody was served.
    function _idle() private view returns (Draft memory) {
        SignedReceipt[] memory none = new SignedReceipt[](0);
        return rules.draft(none, world.lastEpoch() + 1, world.attempt(), 0);
    }

    /// @dev Some more accounts, and another tariff; an epoch in which customers pay; and it is sealed.
    function _begin(uint256 i, uint256 joining, uint256 seed) private {
        _bindMore(joining);
        if (i != 0) governance.setTariff(_random(seed, i));
        world.moveTo(i == 0 ? world.GENESIS() : world.sealTimeOf(i));
        for (uint256 j = 0; j < 6; ++j) gateway.pay(_random(seed, 10 * i + j));
        world.moveTo(world.sealTimeOf(i + 1));
    }

    function _accuseOfEverything() private {
        Draft memory draft = world.pending();
        uint256 count = prosecutor.countOf(draft);
        for (uint256 i = 0; i < count; ++i) {
            (IJudge.Evidence memory about, bool isOpenable) = prosecutor.evidenceOf(draft, i);
            bytes memory evidence = abi.encode(about);
            (bool granted, bool convicted) = prosecutor.ask(draft, evidence);
            require(granted || !isOpenable, Unanswered(about));
            require(!convicted, Convicted(about));
            bytes memory call = abi.encodeCall(ledger.convict, (draft.report, evidence));
            require(!_tried(_passerBy(i), address(ledger), call), Convicted(about));
        }
    }

    function _nothingWasBroken() private view {
        string memory rule = world.brokenRule();
        require(bytes(rule).length == 0, Broken(rule));
    }

    /// @dev The world's devices, which are served, and some more that are not: of either kind of key.
    function _enrolAll() private {
        address manufacturer = world.MANUFACTURER();
        for (uint256 i = 0; i < MOST_ACCOUNTS; ++i) {
            address[] memory devices = new address[](1);
            bytes[] memory publicKeys = new bytes[](1);
            devices[0] = i < Cast.DEVICES ? world.devices(i) : world.newDevice(0xDE0000 + i);
            publicKeys[0] = world.publicKeyOf(devices[0]);
            _devices.push(devices[0]);
            VM.prank(manufacturer);
            if (publicKeys[0].length == 0) registry.enrol(devices, 0);
            else registry.enrolP256(publicKeys, 0);
        }
    }

    function _bindMore(uint256 count) private {
        uint256 known = world.accounts().length;
        for (uint256 i = known; i < known + count && i < MOST_ACCOUNTS; ++i) {
            address device = _devices[i];
            address account = address(uint160(0xACC0 + i));
            IDeviceRegistry.Bind[] memory consents = new IDeviceRegistry.Bind[](1);
            IDeviceRegistry.DeviceSignature[]
                memory signatures = new IDeviceRegistry.DeviceSignature[](1);
            consents[0] = IDeviceRegistry.Bind(device, account, 1, world.time());
            bytes32 hash = Typed.bindHash(device, account, 1, world.time());
            signatures[0] = Cast.deviceSignature(
                world.keyOf(device),
                Typed.digest(address(registry), hash)
            );
            registry.bind(consents, signatures);
            world.accountChanged(device, account, 1);
        }
    }
}
