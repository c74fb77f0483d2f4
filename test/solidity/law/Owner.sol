// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Owner
/// @notice Binds devices, passes them on, and says who is to be paid.
contract Owner is Actor {
    constructor(World world_) Actor(world_) {}

    function bind(uint256 seed) external {
        uint256 i = seed % Cast.DEVICES;
        address device = world.devices(i);
        // A careless owner may name a contract of the suite: what it earns then stays there, like a donation.
        address account =
            _random(seed, 0) % 16 == 0
                ? address(distributor)
                : world.owners(_random(seed, 1) % Cast.OWNERS);
        uint256 deadline = world.time() + (_random(seed, 2) % 2 days);
        bytes32 hash = Typed.bindHash(device, account, registry.nonces(device), deadline);
        bytes memory call = abi.encodeCall(
            registry.bind,
            (
                device,
                account,
                deadline,
                Typed.sign(Cast.device(i), Typed.digest(address(registry), hash))
            )
        );
        (bool enrolled, , uint32 revokedFrom, address bound, ) = registry.deviceOf(device);
        bool granted = _tried(_passerBy(seed), address(registry), call);
        if (granted != (enrolled && revokedFrom == 0 && bound == address(0))) {
            world.broken(9, "a binding was refused to a free device, or granted to another");
        }
        if (!granted) return;
        world.accountChanged(device, account);
        world.signedCall(address(registry), call);
        world.did("bind");
    }

    function transfer(uint256 seed) external {
        address device = world.devices(seed % Cast.DEVICES);
        (, , uint32 revokedFrom, address account, ) = registry.deviceOf(device);
        if (account == address(0) || account == address(distributor) || revokedFrom != 0) return;
        uint256 i = _random(seed, 0) % (Cast.OWNERS + 1);
        address to = i == Cast.OWNERS ? address(0) : world.owners(i);
        VM.prank(account);
        registry.transfer(device, to);
        world.did("transfer");
    }

    function acceptTransfer(uint256 seed) external {
        for (uint256 i = 0; i < Cast.DEVICES; ++i) {
            address device = world.devices((seed + i) % Cast.DEVICES);
            (, , uint32 revokedFrom, , address offeredTo) = registry.deviceOf(device);
            if (offeredTo == address(0) || revokedFrom != 0) continue;
            bool granted = _tried(
                offeredTo,
                address(registry),
                abi.encodeCall(registry.acceptTransfer, (device))
            );
            if (granted != (world.accountFrom(device) <= world.currentEpoch())) {
                world.broken(9, "an accepted device was refused, or changed hands twice at once");
            }
            if (granted) {
                world.accountChanged(device, offeredTo);
                world.did("acceptTransfer");
            }
            return;
        }
    }

    function setPayee(uint256 seed) external {
        address account = world.owners(seed % Cast.OWNERS);
        address payee = _payee(seed);
        bool allowed = !_ofTheSuite(payee);
        bytes memory call = abi.encodeCall(distributor.setPayee, (payee));
        if (_tried(account, address(distributor), call) != allowed) {
            world.broken(3, "a payee was refused, or is a contract of the suite");
        }
        if (allowed) world.payeeSet(account, payee);
        world.did("setPayee");
    }

    function setPayeeBySig(uint256 seed) external {
        uint256 i = seed % Cast.OWNERS;
        address account = world.owners(i);
        address payee = _payee(seed);
        uint256 deadline = world.time() + (_random(seed, 2) % 2 days);
        bytes32 hash = Typed.setPayeeHash(account, payee, distributor.nonces(account), deadline);
        bytes32 digest = Typed.digest(address(distributor), hash);
        bytes memory call = abi.encodeCall(
            distributor.setPayeeBySig,
            (account, payee, deadline, Typed.signLong(Cast.owner(i), digest))
        );
        bool allowed = !_ofTheSuite(payee);
        if (_tried(_passerBy(seed), address(distributor), call) != allowed) {
            world.broken(3, "a signed payee was refused, or is a contract of the suite");
        }
        if (!allowed) return;
        world.payeeSet(account, payee);
        world.signedCall(address(distributor), call);
        world.did("setPayeeBySig");
    }

    function _payee(uint256 seed) private view returns (address) {
        uint256 choice = _random(seed, 3) % 8;
        if (choice == 0) return address(0);
        if (choice == 1) return [address(ledger), address(distributor), address(escrow)][seed % 3];
        if (choice == 2) return [address(token), address(registry), address(quorum)][seed % 3];
        return choice < 5 ? world.owners(_random(seed, 4) % Cast.OWNERS) : _passerBy(seed);
    }

    function _ofTheSuite(address payee) private view returns (bool) {
        return
            payee == address(token) ||
            payee == address(registry) ||
            payee == address(escrow) ||
            payee == address(quorum) ||
            payee == address(distributor) ||
            payee == address(ledger);
    }
}
