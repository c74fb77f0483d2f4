// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {ILedgerLink} from "../../../contracts/interfaces/ILedgerLink.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
import {Draft, Fraud, Frauds} from "./Frauds.sol";
import {World} from "./World.sol";

/// @title Attacker
/// @notice Has no role and no key, and tries everything: nothing it does may be granted, donations aside.
contract Attacker is Actor {
    constructor(World world_) Actor(world_) {}

    /// @notice Calls what belongs to a role, as anyone, and as the holders of other roles.
    function usurp(uint256 seed) external {
        (address rightful, address target, bytes memory call) = _reserved(seed);
        address[7] memory callers = [
            _passerBy(seed),
            world.GOVERNANCE(),
            world.GUARDIAN(),
            world.MANUFACTURER(),
            world.ADMISSION(),
            world.members()[0],
            // Who deployed all contracts.
            address(world)
        ];
        address caller = callers[_random(seed, 2) % callers.length];
        if (caller == rightful) caller = callers[0];
        _refused(14, "a role's function was open to another", caller, target, call);
        world.did("usurp");
    }

    /// @notice Sends again, as it was, what somebody signed and what was accepted once.
    function replay(uint256 seed) external {
        uint256 calls = world.signedCalls();
        if (calls == 0) return;
        (address target, bytes memory call) = world.signedCallAt(seed % calls);
        _refused(5, "a signature was good twice", _passerBy(seed), target, call);
        world.did("replay");
    }

    /// @notice Holds against the pending tree what it does not show.
    function accuse(uint256 seed) external {
        if (!world.isPending()) return;
        Draft memory draft = world.pending();
        Draft memory last = world.finalOf(world.lastEpoch());
        Fraud fraud = Fraud(1 + (_random(seed, 0) % 4));
        // Now and then a position in the padding, or beyond it.
        uint256 a = _random(seed, 1) % (draft.leaves.length + 2);
        uint256 b = _random(seed, 2) % (draft.leaves.length + 2);
        if (Frauds.shows(fraud, draft, last, world.accounts(), a, b)) return;
        bytes memory call = Frauds.proofOf(fraud, draft, last, a, b);
        _refused(
            7,
            "a tree was convicted of what it does not show",
            _passerBy(seed),
            address(ledger),
            call
        );
        world.did("accuse");
    }

    /// @notice Twists openings of a tree that shows nothing.
    function twist(uint256 seed) external {
        if (!world.isPending()) return;
        Draft memory draft = world.pending();
        Draft memory last = world.finalOf(world.lastEpoch());
        (Fraud fraud, , ) = Frauds.find(draft, last, world.accounts(), seed);
        if (fraud != Fraud.None || draft.leaves.length == 0) return;
        _refused(
            7,
            "a twisted opening convicted an honest tree",
            _passerBy(seed),
            address(ledger),
            _twisted(draft, last, seed)
        );
        world.did("twist");
    }

    /// @notice Says that a member signed twice: with one report, with two of different attempts, with another's hand.
    function frame(uint256 seed) external {
        address[] memory members = world.members();
        address member = members[seed % members.length];
        IEpochLedger.Report[] memory reports = world.signedReports(member);
        if (reports.length == 0) return;
        IEpochLedger.Report memory a = reports[_random(seed, 0) % reports.length];
        IEpochLedger.Report memory b = reports[_random(seed, 1) % reports.length];
        uint256 keyA = world.recordOf(member).key;
        uint256 keyB = keyA;
        if (_random(seed, 2) % 2 == 0) {
            b = abi.decode(abi.encode(a), (IEpochLedger.Report));
            b.total += 1;
            keyB = Cast.stranger(0);
        }
        _refused(
            7,
            "a member was convicted of what it did not sign",
            _passerBy(seed),
            address(quorum),
            abi.encodeCall(
                quorum.proveEquivocation,
                (
                    a,
                    b,
                    Typed.sign(keyA, ledger.reportDigest(a)),
                    Typed.sign(keyB, ledger.reportDigest(b))
                )
            )
        );
        world.did("frame");
    }

    /// @notice Binds a device with another key than the device's, takes one that is not its own, or was not offered.
    function stealDevice(uint256 seed) external {
        uint256 i = seed % Cast.DEVICES;
        address device = world.devices(i);
        address thief = _passerBy(seed);
        uint256 choice = _random(seed, 0) % 5;
        bytes memory call = abi.encodeCall(registry.transfer, (device, thief));
        if (choice == 0) call = abi.encodeCall(registry.acceptTransfer, (device));
        if (choice >= 2) {
            uint256 nonce = registry.nonces(device) + (choice == 2 ? 1 : 0);
            uint256 deadline = choice == 3 ? world.time() - 1 : world.time();
            bytes32 hash = Typed.bindHash(device, thief, nonce, deadline);
            uint256 key = choice == 4 ? Cast.stranger(1) : Cast.device(i);
            call = abi.encodeCall(
                registry.bind,
                (device, thief, deadline, Typed.sign(key, Typed.digest(address(registry), hash)))
            );
        }
        _refused(9, "a device was stolen", thief, address(registry), call);
        world.did("stealDevice");
    }

    /// @notice Signs a voucher for a customer with a key that is none of its, or over another domain.
    function forgeVoucher(uint256 seed) external {
        uint256 i = _random(seed, 0) % Cast.CUSTOMERS;
        address customer = world.customers(i);
        uint32 epoch = world.currentEpoch();
        uint96 cumulative = uint96(world.collected(customer) + 1e18);
        bytes32 hash = Typed.voucherHash(customer, epoch, cumulative);
        bytes32 digest = Typed.digest(address(escrow), hash);
        // The customer's own key is not one of its gateways' either.
        uint256 key = seed % 2 == 0 ? Cast.stranger(2) : Cast.customer(i);
        if (_random(seed, 1) % 2 == 0) {
            key = Cast.gateway(_random(seed, 2) % Cast.GATEWAYS);
            digest = Typed.digestOn(block.chainid + 1, address(escrow), hash);
        }
        _refused(
            11,
            "a customer was collected what it did not sign",
            _passerBy(seed),
            address(escrow),
            abi.encodeCall(
                escrow.collect,
                (ICustomerEscrow.Voucher(customer, epoch, cumulative), Typed.sign(key, digest))
            )
        );
        world.did("forgeVoucher");
    }

    /// @notice Redirects an owner's rewards without the owner's signature, or with one that is void.
    function redirect(uint256 seed) external {
        uint256 i = seed % Cast.OWNERS;
        address account = world.owners(i);
        address thief = _passerBy(seed);
        uint256 choice = _random(seed, 0) % 3;
        uint256 deadline = choice == 0 ? world.time() - 1 : world.time();
        uint256 nonce = distributor.nonces(account) + (choice == 1 ? 1 : 0);
        bytes32 hash = Typed.setPayeeHash(account, thief, nonce, deadline);
        bytes memory signature = Typed.signLong(
            choice == 2 ? Cast.stranger(3) : Cast.owner(i),
            Typed.digest(address(distributor), hash)
        );
        _refused(
            3,
            "an owner's rewards were redirected",
            thief,
            address(distributor),
            abi.encodeCall(distributor.setPayeeBySig, (account, thief, deadline, signature))
        );
        world.did("redirect");
    }

    /// @notice Takes tokens out of a contract's hands as if they had been allowed to it.
    function stealTokens(uint256 seed) external {
        address from = [address(ledger), address(distributor), address(escrow), address(quorum)][
            seed % 4
        ];
        address thief = _passerBy(seed);
        bytes memory call = abi.encodeCall(token.transferFrom, (from, thief, 1));
        if (_random(seed, 0) % 3 == 0) call = abi.encodeCall(token.burnFrom, (from, 1));
        _refused(4, "tokens were taken from the suite", thief, address(token), call);
        _refused(
            11,
            "money was withdrawn by a stranger",
            thief,
            address(escrow),
            abi.encodeCall(escrow.withdraw, ())
        );
        _refused(
            11,
            "a thaw was cancelled by a stranger",
            thief,
            address(escrow),
            abi.encodeCall(escrow.cancelThaw, ())
        );
        _refused(
            8,
            "a stranger left the quorum",
            thief,
            address(quorum),
            abi.encodeCall(quorum.exit, ())
        );
        world.did("stealTokens");
    }

    /// @notice Sends tokens where nobody asked for them.
    function donate(uint256 seed) external {
        address[4] memory targets = [
            address(ledger),
            address(distributor),
            address(escrow),
            address(quorum)
        ];
        world.donate(targets[seed % 4], _random(seed, 0) % 1_000e18);
        world.did("donate");
    }

    /// @dev An accusation against `draft` with an opening that is not what it says.
    function _twisted(
        Draft memory draft,
        Draft memory last,
        uint256 seed
    ) private view returns (bytes memory) {
        uint256 choice = _random(seed, 1) % 6;
        uint256 index = _random(seed, 2) % draft.leaves.length;
        IEpochLedger.Opening memory honest = Frauds.opening(draft, index);
        IEpochLedger.Opening memory twisted = Frauds.opening(draft, index);
        if (choice == 0) {
            // Another leaf than the one that stands there.
            if (seed % 2 == 0) twisted.leaf.account = _passerBy(seed);
            else twisted.leaf.cumulative = type(uint96).max;
            return abi.encodeCall(ledger.proveMalformed, (draft.report, twisted));
        }
        if (choice == 1) {
            // The same leaf, at a position that the same proof leads to the same root from.
            twisted.index += uint32(1 << twisted.proof.length);
            return abi.encodeCall(ledger.proveOverlap, (draft.report, honest, twisted));
        }
        if (choice == 2) {
            // A node one level up for an empty leaf.
            bytes32[] memory shorter = _withoutFirst(honest.proof);
            return
                abi.encodeCall(ledger.proveEmptyLeaf, (draft.report, uint32(index / 2), shorter));
        }
        // The new tree for the old one; or another position of the old one.
        if (choice == 3) twisted = Frauds.opening(last, index);
        if (choice == 3) (honest, twisted) = (twisted, honest);
        if (choice == 4) twisted = Frauds.opening(last, _random(seed, 3) % draft.leaves.length);
        if (choice < 5) {
            return abi.encodeCall(ledger.proveRegression, (draft.report, twisted, honest));
        }
        // A report that is not the pending one: what is honest is beyond its total.
        draft.report.total = 0;
        return abi.encodeCall(ledger.proveMalformed, (draft.report, honest));
    }

    function _withoutFirst(bytes32[] memory proof) private pure returns (bytes32[] memory rest) {
        if (proof.length == 0) return new bytes32[](1);
        rest = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) rest[i] = proof[i + 1];
    }

    /// @dev A function of a role, with arguments that its holder could use: the holder, the contract, the call.
    function _reserved(uint256 seed) private view returns (address, address, bytes memory) {
        uint256 choice = _random(seed, 0) % 6;
        if (choice == 0) return _reservedByRegistry(_random(seed, 1) % 3);
        if (choice == 1) return _reservedByEscrow(_random(seed, 1) % 2);
        if (choice == 2) return _reservedByQuorum(_random(seed, 1) % 4);
        if (choice == 3) return _reservedByDistributor(_random(seed, 1) % 3);
        if (choice == 4) return _reservedByLedger(_random(seed, 1) % 6);
        address[5] memory targets = [
            address(escrow),
            address(quorum),
            address(distributor),
            address(registry),
            address(ledger)
        ];
        uint256 i = _random(seed, 1) % 8;
        bytes memory call =
            i < 3
                ? abi.encodeCall(ILedgerLink.linkLedger, (_passerBy(seed)))
                : abi.encodeCall(IAccessControl.grantRole, (bytes32(0), _passerBy(seed)));
        // Nobody may link again, not even the deployer.
        return (i < 3 ? address(0) : world.GOVERNANCE(), targets[i < 3 ? i : i - 3], call);
    }

    function _reservedByRegistry(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        address[] memory devices = new address[](1);
        devices[0] = i == 0 ? address(uint160(world.time())) : world.devices(0);
        IDeviceRegistry.ClassLimit memory limit = IDeviceRegistry.ClassLimit(1, 1, 1);
        if (i == 0) call = abi.encodeCall(registry.enrol, (devices, 0));
        if (i == 1) call = abi.encodeCall(registry.revoke, (devices));
        if (i == 2) call = abi.encodeCall(registry.setClassLimit, (0, limit));
        return (i == 2 ? world.GOVERNANCE() : world.MANUFACTURER(), address(registry), call);
    }

    function _reservedByEscrow(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        address customer = world.customers(0);
        if (i == 0) call = abi.encodeCall(escrow.admit, (customer));
        if (i == 1) call = abi.encodeCall(escrow.dismiss, (customer));
        return (world.ADMISSION(), address(escrow), call);
    }

    function _reservedByQuorum(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        uint256 present = world.membersPresent();
        address[] memory active = world.activeMembers();
        address member = active.length == 0 ? address(0) : active[0];
        uint256 fewer = present == 0 ? 1 : (present - 1) / 2 + 1;
        if (i == 0)
            call = abi.encodeCall(quorum.addMember, (address(0xFADE), (present + 1) / 2 + 1));
        if (i == 1) call = abi.encodeCall(quorum.removeMember, (member, fewer));
        if (i == 2) call = abi.encodeCall(quorum.setThreshold, (present / 2 + 1));
        // Not even governance may slash: only the ledger, which never does by itself.
        if (i == 3) call = abi.encodeCall(quorum.slash, (1, _passerBy(i)));
        return (i == 3 ? address(ledger) : world.GOVERNANCE(), address(quorum), call);
    }

    function _reservedByDistributor(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        if (i == 0) call = abi.encodeCall(distributor.pause, ());
        if (i == 1) call = abi.encodeCall(distributor.resume, ());
        if (i == 2) call = abi.encodeCall(distributor.publish, (1, bytes32(i), 1, 1));
        return (i == 2 ? address(ledger) : world.GUARDIAN(), address(distributor), call);
    }

    function _reservedByLedger(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        if (i == 0) call = abi.encodeCall(ledger.setTariff, (IEpochLedger.Tariff(1, 1, 1, 1)));
        if (i == 1) call = abi.encodeCall(ledger.setRules, (bytes32(i)));
        if (i == 2) call = abi.encodeCall(ledger.scheduleRetirement, (_passerBy(i)));
        if (i == 3) call = abi.encodeCall(ledger.cancelRetirement, ());
        if (i == 4) call = abi.encodeCall(ledger.retire, ());
        if (i == 5) call = abi.encodeCall(ledger.veto, (ledger.proposal().digest));
        return (i == 5 ? world.GUARDIAN() : world.GOVERNANCE(), address(ledger), call);
    }
}
