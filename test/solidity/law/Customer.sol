// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Cast} from "../Suite.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Customer
/// @notice Deposits, limits its gateways' keys, and takes its money back as soon as it may. An inspector is
/// one of them, and as hostile.
contract Customer is Actor {
    constructor(World world_) Actor(world_) {}

    function deposit(uint256 seed) external logged {
        address customer = _customer(seed);
        bool forAnother = _random(seed, 0) % 2 == 0;
        address payer = forAnother ? _passerBy(seed) : customer;
        uint256 amount = _random(seed, 1) % 1_000_000e18;
        world.endow(payer, amount, address(escrow));
        VM.prank(payer);
        if (forAnother) escrow.depositFor(customer, amount);
        else escrow.deposit(amount);
        world.deposited(customer, amount);
        world.did("deposit");
    }

    function thaw(uint256 seed) external logged {
        address customer = _customer(seed);
        uint256 free = world.balanceOf(customer) - world.thawing(customer);
        // A thaw that is put off again and again never ends.
        if (world.thawing(customer) != 0 && _random(seed, 2) % 4 != 0) return;
        _refused(
            "more thaws than the customer has",
            customer,
            address(escrow),
            abi.encodeCall(escrow.thaw, (free + 1))
        );
        uint256 amount = _random(seed, 0) % 2 == 0 ? free : _random(seed, 1) % (free + 1);
        VM.prank(customer);
        escrow.thaw(amount);
        world.thawed(customer, amount);
        world.did("thaw");
    }

    function cancelThaw(uint256 seed) external logged {
        address customer = _customer(seed);
        // Seldom, or nothing would ever thaw.
        if (world.thawing(customer) == 0 || _random(seed, 0) % 2 != 0) return;
        VM.prank(customer);
        escrow.cancelThaw();
        world.thawCancelled(customer);
        world.did("cancelThaw");
    }

    function withdraw(uint256 seed) external logged {
        address customer = _customer(seed);
        bool due = world.thawing(customer) != 0 && world.time() >= world.thawEndsAt(customer);
        bytes memory call = abi.encodeCall(escrow.withdraw, ());
        if (_tried(customer, address(escrow), call) != due) {
            world.broken("a withdrawal was granted before the thaw ended, or refused after");
        }
        if (!due) return;
        world.withdrawn(customer);
        world.did("withdraw");
    }

    /// @notice Sets the most that a gateway can promise for one epoch: nothing, little, much, anything.
    function setKey(uint256 seed) external logged {
        address customer = _customer(seed);
        address gateway = world.gateways(_random(seed, 0) % Cast.GATEWAYS);
        uint256 choice = _random(seed, 1) % 6;
        uint96 cap = uint96(_random(seed, 2) % 300_000e18);
        if (choice == 0) cap = 0;
        if (choice == 1) cap = uint96(1 + (_random(seed, 2) % 10));
        if (choice > 3) cap = type(uint96).max;
        VM.prank(customer);
        escrow.setKey(gateway, cap);
        world.keySet(customer, gateway, cap);
        world.did("setKey");
    }

    function setEndpoint(uint256 seed) external logged {
        address customer = _customer(seed);
        bool due = world.isCustomerAt(customer, world.currentEpoch() + 1);
        string memory url = seed % 2 == 0 ? "" : "https://gateway.example:8443/";
        bytes memory call = abi.encodeCall(escrow.setEndpoint, (url));
        if (_tried(customer, address(escrow), call) != due) {
            world.broken("an endpoint was refused, or taken of one that is no customer");
        }
        _refused(
            "a line break was published",
            customer,
            address(escrow),
            abi.encodeCall(escrow.setEndpoint, ("https://gateway\n"))
        );
        if (due) world.did("setEndpoint");
    }

    function _customer(uint256 seed) private view returns (address) {
        return world.customers(seed % Cast.CUSTOMERS);
    }
}
