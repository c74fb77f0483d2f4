// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CustomerEscrow} from "../../contracts/CustomerEscrow.sol";
import {Demands} from "../../contracts/Demands.sol";
import {DeviceRegistry} from "../../contracts/DeviceRegistry.sol";
import {EpochLedger} from "../../contracts/EpochLedger.sol";
import {Judge} from "../../contracts/Judge.sol";
import {LinkToken} from "../../contracts/LinkToken.sol";
import {OracleQuorum} from "../../contracts/OracleQuorum.sol";
import {RewardDistributor} from "../../contracts/RewardDistributor.sol";
import {RewardProgramme} from "../../contracts/RewardProgramme.sol";
import {IDeviceRegistry} from "../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../contracts/libraries/CompactSignature.sol";
import {deploy} from "./Deploy.sol";
import {Typed} from "./Typed.sol";
import {VM} from "./Vm.sol";

/// @title Suite
/// @notice The nine contracts, wired as a deployment wires them, and the cast around them.
/// @dev Epochs of 30 days, 12 a year: a campaign of some dozen epochs crosses several halvings of the emission.
contract Suite {
    uint256 public constant DEPLOYED_AT = 1_800_000_000;
    uint256 public constant GENESIS = DEPLOYED_AT + 5 days;
    uint256 public constant EPOCH_SECONDS = 30 days;
    uint256 public constant GRACE_SECONDS = 1 days;
    uint256 public constant TIMEOUT_SECONDS = 3 days;
    uint256 public constant WINDOW_SECONDS = 5 days;
    uint256 public constant ANSWER_SECONDS = 8 hours;
    uint256 public constant SPACING_SECONDS = 1 hours;
    uint256 public constant DEMAND_BOND = 0.01 ether;
    uint256 public constant THAW_SECONDS = 2 * EPOCH_SECONDS + GRACE_SECONDS;
    uint256 public constant EPOCHS_PER_YEAR = 12;
    uint256 public constant CLOSE_DELAY_SECONDS = 4 * EPOCH_SECONDS;
    uint256 public constant SUPPLY = 1_000_000_000e18;
    uint256 public constant EMISSION_SHARE = 600_000_000e18;
    uint16 public constant FEE_BPS = 500;
    uint256 public constant MINIMUM_BOND = 10_000e18;
    bytes32 public constant RULES = keccak256("link-rewards/rules/2");

    address public constant GOVERNANCE = address(0xA001);
    address public constant GUARDIAN = address(0xA002);
    address public constant MANUFACTURER = address(0xA003);
    address public constant ADMISSION = address(0xA004);

    LinkToken public immutable token;
    DeviceRegistry public immutable registry;
    RewardProgramme public immutable programme;
    CustomerEscrow public immutable escrow;
    OracleQuorum public immutable quorum;
    RewardDistributor public immutable distributor;
    Judge public immutable judge;
    Demands public immutable demands;
    EpochLedger public immutable ledger;

    constructor() {
        VM.recordLogs();
        VM.warp(DEPLOYED_AT);
        token = LinkToken(
            deploy("LinkToken", abi.encode("LinkToken", "LTK", SUPPLY, address(this)))
        );
        registry = DeviceRegistry(
            deploy(
                "DeviceRegistry",
                abi.encode(GENESIS, EPOCH_SECONDS, GRACE_SECONDS, GOVERNANCE, MANUFACTURER)
            )
        );
        programme = RewardProgramme(
            deploy("RewardProgramme", abi.encode(token, registry, EMISSION_SHARE, GOVERNANCE))
        );
        escrow = CustomerEscrow(
            deploy(
                "CustomerEscrow",
                abi.encode(token, registry, programme, THAW_SECONDS, GOVERNANCE, ADMISSION)
            )
        );
        quorum = OracleQuorum(
            deploy("OracleQuorum", abi.encode(token, registry, MINIMUM_BOND, GOVERNANCE))
        );
        distributor = RewardDistributor(
            deploy(
                "RewardDistributor",
                abi.encode(token, registry, programme, escrow, quorum, GOVERNANCE, GUARDIAN)
            )
        );
        judge = Judge(deploy("Judge", abi.encode(registry, escrow)));
        demands = Demands(
            deploy("Demands", abi.encode(ANSWER_SECONDS, SPACING_SECONDS, DEMAND_BOND))
        );
        EpochLedger.Parameters memory parameters = EpochLedger.Parameters({
            registry: registry,
            escrow: escrow,
            quorum: quorum,
            distributor: distributor,
            demands: demands,
            proposalTimeoutSeconds: TIMEOUT_SECONDS,
            windowSeconds: WINDOW_SECONDS,
            rulesHash: RULES,
            judge: judge,
            tariff: IEpochLedger.Tariff(1e18, 1e12, 1e18, FEE_BPS),
            governance: GOVERNANCE,
            guardian: GUARDIAN
        });
        ledger = EpochLedger(deploy("EpochLedger", abi.encode(parameters)));
        _link();
        token.transfer(address(programme), EMISSION_SHARE);
    }

    /// @notice Hands out of the treasury what an actor is to spend, and lets `spender` take it.
    function endow(address actor, uint256 amount, address spender) public {
        token.transfer(actor, amount);
        VM.prank(actor);
        token.approve(spender, amount);
    }

    /// @notice The unix time now.
    function time() public view returns (uint256) {
        return VM.getBlockTimestamp();
    }

    function _link() private {
        programme.linkLedger(address(ledger));
        escrow.linkLedger(address(ledger));
        quorum.linkLedger(address(ledger));
        distributor.linkLedger(address(ledger));
        demands.linkLedger(address(ledger));
    }
}

/// @title Cast
/// @notice The private keys of everyone who signs.
library Cast {
    uint256 internal constant DEVICES = 8;
    uint256 internal constant OWNERS = 5;
    uint256 internal constant CUSTOMERS = 3;
    uint256 internal constant GATEWAYS = 3;

    function device(uint256 i) internal pure returns (uint256 key) {
        return 0xD000 + i;
    }

    /// @notice Every other device has a key of P-256.
    function isP256(uint256 key) internal pure returns (bool) {
        return key % 2 == 1;
    }

    function deviceAddress(uint256 key) internal pure returns (address) {
        if (!isP256(key)) return VM.addr(key);
        return address(uint160(uint256(keccak256(Typed.publicKeyOf(key)))));
    }

    /// @notice The 64 bytes of a P-256 key; empty for another.
    function publicKeyOf(uint256 key) internal pure returns (bytes memory) {
        return isP256(key) ? Typed.publicKeyOf(key) : bytes("");
    }

    function signAsDevice(
        uint256 key,
        bytes32 digest
    ) internal pure returns (CompactSignature memory) {
        return isP256(key) ? Typed.signP256(key, digest) : Typed.sign(key, digest);
    }

    /// @notice The same with the public key, as the registry takes it.
    function deviceSignature(
        uint256 key,
        bytes32 digest
    ) internal pure returns (IDeviceRegistry.DeviceSignature memory) {
        CompactSignature memory signature = signAsDevice(key, digest);
        return IDeviceRegistry.DeviceSignature(signature.r, signature.vs, publicKeyOf(key));
    }

    function owner(uint256 i) internal pure returns (uint256 key) {
        return 0xF000 + i;
    }

    function customer(uint256 i) internal pure returns (uint256 key) {
        return 0xC000 + i;
    }

    /// @dev Gateways are shared on purpose: a key of one customer signs nothing for another that did not add it.
    function gateway(uint256 i) internal pure returns (uint256 key) {
        return 0xCA00 + i;
    }

    function member(uint256 i) internal pure returns (uint256 key) {
        return 0xE000 + i;
    }

    function stranger(uint256 i) internal pure returns (uint256 key) {
        return 0xBAD000 + i;
    }
}
