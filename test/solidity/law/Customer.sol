// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Customer
/// @notice Deposits, pays by voucher, changes gateways' keys, and takes its money back as soon as it may.
contract Customer is Actor {
    constructor(World world_) Actor(world_) {}

    function deposit(uint256 seed) external {
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

    function thaw(uint256 seed) external {
        address customer = _customer(seed);
        uint256 free = world.balanceOf(customer) - world.thawing(customer);
        // A thaw that is put off again and again never ends.
        if (world.thawing(customer) != 0 && _random(seed, 2) % 4 != 0) return;
        _refused(
            11,
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

    function cancelThaw(uint256 seed) external {
        address customer = _customer(seed);
        // Seldom, or nothing would ever thaw.
        if (world.thawing(customer) == 0 || _random(seed, 0) % 4 != 0) return;
        VM.prank(customer);
        escrow.cancelThaw();
        world.thawCancelled(customer);
        world.did("cancelThaw");
    }

    function withdraw(uint256 seed) external {
        address customer = _customer(seed);
        bool due = world.thawing(customer) != 0 && world.time() >= world.thawEndsAt(customer);
        bytes memory call = abi.encodeCall(escrow.withdraw, ());
        if (_tried(customer, address(escrow), call) != due) {
            world.broken(11, "a withdrawal was granted before the thaw ended, or refused after");
        }
        if (!due) return;
        world.withdrawn(customer);
        world.did("withdraw");
    }

    function addKey(uint256 seed) external {
        address gateway = world.gateways(_random(seed, 0) % Cast.GATEWAYS);
        VM.prank(_customer(seed));
        escrow.addKey(gateway);
        world.did("addKey");
    }

    function removeKey(uint256 seed) external {
        if (_random(seed, 0) % 4 != 0) return;
        address gateway = world.gateways(_random(seed, 1) % Cast.GATEWAYS);
        VM.prank(_customer(seed));
        escrow.removeKey(gateway);
        world.did("removeKey");
    }

    /// @notice A gateway signs what its customer owes, and somebody collects it.
    function pay(uint256 seed) external {
        address customer = _customer(seed);
        uint256 gateway = _random(seed, 0) % Cast.GATEWAYS;
        uint32 current = world.currentEpoch();
        uint32 epoch = _epoch(seed, current);
        ICustomerEscrow.Voucher memory voucher = ICustomerEscrow.Voucher(
            customer,
            epoch,
            _cumulative(seed, customer)
        );
        bytes32 hash = Typed.voucherHash(customer, epoch, voucher.cumulative);
        bytes memory call = abi.encodeCall(
            escrow.collect,
            (voucher, Typed.sign(Cast.gateway(gateway), Typed.digest(address(escrow), hash)))
        );
        bool valid =
            epoch != 0 &&
                epoch <= current &&
                escrow.isKeyAt(customer, world.gateways(gateway), epoch);
        if (_tried(_passerBy(seed), address(escrow), call) != valid) {
            world.broken(11, "a good voucher was refused, or a bad one granted");
        }
        if (valid && world.voucherPaid(customer, epoch, voucher.cumulative) != 0) world.did("pay");
    }

    function _customer(uint256 seed) private view returns (address) {
        return world.customers(seed % Cast.CUSTOMERS);
    }

    /// @dev Mostly this epoch or the last one; also the next, and the first.
    function _epoch(uint256 seed, uint32 current) private pure returns (uint32) {
        uint256 choice = _random(seed, 2) % 8;
        if (choice == 0) return current + 1;
        if (choice == 1) return 1;
        return choice < 4 && current > 1 ? current - 1 : current;
    }

    /// @dev Mostly a little more than before; also less, and more than the customer has.
    function _cumulative(uint256 seed, address customer) private view returns (uint96) {
        uint256 choice = _random(seed, 3) % 8;
        uint256 collected = world.collected(customer);
        if (choice == 0) return uint96(collected / 2);
        if (choice == 1) return type(uint96).max;
        return uint96(collected + (_random(seed, 4) % 400_000e18));
    }
}
