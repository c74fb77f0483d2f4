// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Owner
/// @notice Binds devices, passes them on, and says who is to be paid.
contract Owner is Actor {
    constructor(World world_) Actor(world_) {}

    /// @notice With a fresh consent, or one as old as the last or older, which is passed over, or one from the future;
    /// also of a device that has an account already.
    function bind(uint256 seed) external logged {
        address device = world.devices(seed % Cast.DEVICES);
        World.DeviceRecord memory record = world.deviceOf(device);
        // A careless owner may name a contract of the suite: what it earns then stays there, like a donation.
        address account =
            _random(seed, 0) % 16 == 0
                ? address(distributor)
                : world.owners(_random(seed, 1) % Cast.OWNERS);
        // The seconds since 1970, as devices count, or what was used before.
        uint64 nonce = uint64(world.time());
        uint256 choice = _random(seed, 3) % 8;
        if (choice == 0) nonce = record.nonce;
        if (choice == 1 && record.nonce != 0) nonce = record.nonce - 1;
        if (choice == 2) nonce = record.nonce + 1;
        if (choice == 3) nonce = uint64(world.time() + 1 hours + (_random(seed, 4) % 2));
        bytes memory call = _binding(device, account, nonce, seed);
        (IDeviceRegistry.KeyType keyType, , uint32 revokedFrom, , ) = registry.deviceOf(device);
        bool present = keyType != IDeviceRegistry.KeyType.None && revokedFrom == 0;
        bool isVoid = nonce <= record.nonce;
        bool granted = _tried(_passerBy(seed), address(registry), call);
        if (granted != (isVoid || (present && _isBindable(record, nonce)))) {
            world.broken("a binding was refused that was due, or granted to another");
        }
        if (!granted || isVoid) return;
        world.did(record.account == address(0) ? "bind" : "bindAnew");
        world.accountChanged(device, account, nonce);
        world.signedCall(address(registry), call);
    }

    function transfer(uint256 seed) external logged {
        address device = world.devices(seed % Cast.DEVICES);
        (, , uint32 revokedFrom, address account, ) = registry.deviceOf(device);
        if (account == address(0) || account == address(distributor) || revokedFrom != 0) return;
        uint256 i = _random(seed, 0) % (Cast.OWNERS + 1);
        address to = i == Cast.OWNERS ? address(0) : world.owners(i);
        VM.prank(account);
        registry.transfer(device, to);
        world.did("transfer");
    }

    function acceptTransfer(uint256 seed) external logged {
        for (uint256 i = 0; i < Cast.DEVICES; ++i) {
            address device = world.devices(addmod(seed, i, Cast.DEVICES));
            (, , uint32 revokedFrom, , address offeredTo) = registry.deviceOf(device);
            if (offeredTo == address(0) || revokedFrom != 0) continue;
            bool granted = _tried(
                offeredTo,
                address(registry),
                abi.encodeCall(registry.acceptTransfer, (device))
            );
            World.DeviceRecord memory record = world.deviceOf(device);
            // A binding must have stood a whole epoch; a transfer must have taken effect.
            uint32 free = record.isByConsent ? record.accountFrom + 1 : record.accountFrom;
            if (granted != (free <= world.currentEpoch())) {
                world.broken("an accepted device was refused, or changed hands twice at once");
            }
            if (granted) {
                world.accountChanged(device, offeredTo, 0);
                world.did("acceptTransfer");
            }
            return;
        }
    }

    function setPayee(uint256 seed) external logged {
        address account = world.owners(seed % Cast.OWNERS);
        address payee = _payee(seed);
        bool allowed = !_ofTheSuite(payee);
        bytes memory call = abi.encodeCall(distributor.setPayee, (payee));
        if (_tried(account, address(distributor), call) != allowed) {
            world.broken("a payee was refused, or is a contract of the suite");
        }
        if (allowed) world.payeeSet(account, payee);
        world.did("setPayee");
    }

    function setPayeeBySig(uint256 seed) external logged {
        address account = world.owners(seed % Cast.OWNERS);
        address payee = _payee(seed);
        uint256 deadline = world.time() + (_random(seed, 2) % 2 days);
        bytes32 hash = Typed.setPayeeHash(account, payee, distributor.nonces(account), deadline);
        bytes32 digest = Typed.digest(address(distributor), hash);
        bytes memory call = abi.encodeCall(
            distributor.setPayeeBySig,
            (account, payee, deadline, Typed.signLong(world.keyOf(account), digest))
        );
        bool allowed = !_ofTheSuite(payee);
        if (_tried(_passerBy(seed), address(distributor), call) != allowed) {
            world.broken("a signed payee was refused, or is a contract of the suite");
        }
        if (!allowed) return;
        world.payeeSet(account, payee);
        world.signedCall(address(distributor), call);
        world.did("setPayeeBySig");
    }

    function _binding(
        address device,
        address account,
        uint64 nonce,
        uint256 seed
    ) private view returns (bytes memory) {
        uint256 deadline = world.time() + (_random(seed, 2) % 2 days);
        IDeviceRegistry.Bind[] memory consents = new IDeviceRegistry.Bind[](1);
        IDeviceRegistry.DeviceSignature[] memory signatures = new IDeviceRegistry.DeviceSignature[](
            1
        );
        consents[0] = IDeviceRegistry.Bind(device, account, nonce, deadline);
        bytes32 hash = Typed.bindHash(device, account, nonce, deadline);
        bytes32 digest = Typed.digest(address(registry), hash);
        signatures[0] = Cast.deviceSignature(world.keyOf(device), digest);
        return abi.encodeCall(registry.bind, (consents, signatures));
    }

    /// @dev Bound to nobody yet; or by consent, for less than a whole epoch, and not twice in this one.
    function _isBindable(
        World.DeviceRecord memory record,
        uint64 nonce
    ) private view returns (bool) {
        uint32 current = world.currentEpoch();
        if (nonce > world.time() + 1 hours) return false;
        if (record.account == address(0)) return true;
        bool often = record.boundIn == current && record.bindings == 2;
        return record.isByConsent && current <= record.accountFrom && !often;
    }

    function _payee(uint256 seed) private view returns (address) {
        uint256 choice = _random(seed, 3) % 9;
        if (choice == 0) return address(0);
        if (choice == 1) return [address(ledger), address(distributor), address(escrow)][seed % 3];
        if (choice == 2) return [address(token), address(registry), address(quorum)][seed % 3];
        if (choice == 3) return address(programme);
        return choice < 6 ? world.owners(_random(seed, 4) % Cast.OWNERS) : _passerBy(seed);
    }

    function _ofTheSuite(address payee) private view returns (bool) {
        return
            payee == address(token) ||
            payee == address(registry) ||
            payee == address(programme) ||
            payee == address(escrow) ||
            payee == address(quorum) ||
            payee == address(distributor) ||
            payee == address(ledger);
    }
}
