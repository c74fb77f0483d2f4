// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Gateway
/// @notice Signs what customers owe, and more than that.
contract Gateway is Actor {
    constructor(World world_) Actor(world_) {}

    /// @notice Gateways sign what their customers owe, and somebody collects some of it at once: also old vouchers, such
    /// for other epochs, and what is over cap, balance or share.
    function pay(uint256 seed) external logged {
        uint256 n = _random(seed, 0) % 4 == 0 ? 3 : 1;
        ICustomerEscrow.Voucher[] memory vouchers = new ICustomerEscrow.Voucher[](n);
        address[] memory keys = new address[](n);
        CompactSignature[] memory signatures = new CompactSignature[](n);
        bool due = true;
        for (uint256 i = 0; i < n; ++i) {
            (vouchers[i], keys[i]) = _voucher(_random(seed, 10 + i));
            signatures[i] = _signed(vouchers[i], keys[i]);
            if (!world.isCollectable(vouchers[i], keys[i])) due = false;
        }
        bytes memory call = abi.encodeCall(escrow.collect, (vouchers, signatures));
        if (_tried(_passerBy(seed), address(escrow), call) != due) {
            world.broken("good vouchers were refused, or bad ones granted");
        }
        if (!due) return;
        for (uint256 i = 0; i < n; ++i) {
            bool draws = world.isInspectorAt(vouchers[i].customer, vouchers[i].epoch);
            if (world.voucherPaid(vouchers[i], keys[i]) != 0) world.did(draws ? "draw" : "pay");
        }
    }

    /// @dev A new one, or now and then one that was signed before.
    function _voucher(
        uint256 seed
    ) private returns (ICustomerEscrow.Voucher memory voucher, address key) {
        uint256 known = world.vouchers();
        if (known != 0 && _random(seed, 0) % 6 == 0) {
            World.SignedVoucher memory signed = world.voucherAt(_random(seed, 1) % known);
            return (signed.voucher, signed.key);
        }
        key = world.gateways(_random(seed, 0) % Cast.GATEWAYS);
        voucher.customer = world.customers(_random(seed, 1) % Cast.CUSTOMERS);
        voucher.epoch = _epoch(seed);
        voucher.amount = _amount(seed, voucher.customer, voucher.epoch, key);
        world.voucherSigned(voucher, key);
    }

    /// @dev Mostly the one that can be collected for; also its neighbours, the first, and the one that is running.
    function _epoch(uint256 seed) private view returns (uint32) {
        uint256 choice = _random(seed, 2) % 16;
        uint32 collectable = world.collectableEpoch();
        if (choice == 0) return collectable + 1;
        if (choice == 1) return collectable - 1;
        if (choice == 2) return 1;
        return choice == 3 ? world.currentEpoch() : collectable;
    }

    /// @dev Mostly more than before; also dust, less, all that there is, and what the cap is.
    function _amount(
        uint256 seed,
        address customer,
        uint32 epoch,
        address key
    ) private view returns (uint96) {
        uint256 choice = _random(seed, 3) % 10;
        uint256 paid = world.paid(customer, epoch);
        if (choice == 0) return uint96(paid / 2);
        if (choice == 1) return type(uint96).max;
        if (choice == 2) return uint96(paid + 1);
        if (choice == 3) return world.capAt(customer, key, epoch);
        return uint96(paid + (_random(seed, 4) % 400_000e18));
    }

    function _signed(
        ICustomerEscrow.Voucher memory voucher,
        address key
    ) private view returns (CompactSignature memory) {
        bytes32 hash = Typed.voucherHash(voucher.customer, voucher.epoch, voucher.amount);
        return Typed.sign(world.keyOf(key), Typed.digest(address(escrow), hash));
    }
}
