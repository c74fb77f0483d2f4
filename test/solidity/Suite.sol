// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {CustomerEscrow} from "../../contracts/CustomerEscrow.sol";
import {DeviceRegistry} from "../../contracts/DeviceRegistry.sol";
import {EpochLedger} from "../../contracts/EpochLedger.sol";
import {LinkToken} from "../../contracts/LinkToken.sol";
import {OracleQuorum} from "../../contracts/OracleQuorum.sol";
import {RewardDistributor} from "../../contracts/RewardDistributor.sol";
import {RewardProgramme} from "../../contracts/RewardProgramme.sol";
import {IEpochLedger} from "../../contracts/interfaces/IEpochLedger.sol";
import {deploy} from "./Deploy.sol";
import {VM} from "./Vm.sol";

/// @title Suite
/// @notice The seven contracts, wired as a deployment wires them, and the cast around them.
/// @dev Epochs of 30 days, 12 a year: a campaign of some dozen epochs crosses several halvings of the emission.
contract Suite {
    uint256 public constant DEPLOYED_AT = 1_800_000_000;
    uint256 public constant GENESIS = DEPLOYED_AT + 5 days;
    uint256 public constant EPOCH_SECONDS = 30 days;
    uint256 public constant GRACE_SECONDS = 1 days;
    uint256 public constant TIMEOUT_SECONDS = 3 days;
    uint256 public constant WINDOW_SECONDS = 5 days;
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
        EpochLedger.Parameters memory parameters = EpochLedger.Parameters({
            registry: registry,
            escrow: escrow,
            quorum: quorum,
            distributor: distributor,
            proposalTimeoutSeconds: TIMEOUT_SECONDS,
            windowSeconds: WINDOW_SECONDS,
            rulesHash: RULES,
            tariff: IEpochLedger.Tariff(1e18, 1e12, 1e18, FEE_BPS),
            governance: GOVERNANCE,
            guardian: GUARDIAN
        });
        ledger = EpochLedger(deploy("EpochLedger", abi.encode(parameters)));
        programme.linkLedger(address(ledger));
        escrow.linkLedger(address(ledger));
        quorum.linkLedger(address(ledger));
        distributor.linkLedger(address(ledger));
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
