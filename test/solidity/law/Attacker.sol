// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {ILedgerLink} from "../../../contracts/interfaces/ILedgerLink.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
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
    function usurp(uint256 seed) external logged {
        (address rightful, address target, bytes memory call) = _reserved(seed);
        address[8] memory callers = [
            _passerBy(seed),
            world.GOVERNANCE(),
            world.guardian(true),
            world.guardian(false),
            world.MANUFACTURER(),
            world.ADMISSION(),
            world.newestKeyOf(0),
            // Who deployed all contracts.
            address(world)
        ];
        address caller = callers[_random(seed, 2) % callers.length];
        if (caller == rightful) caller = callers[0];
        _refused("a role's function was open to another", caller, target, call);
        world.did("usurp");
    }

    /// @notice Sends again, as it was, what somebody signed and what was accepted once: a consent to bind is passed over
    /// at best, all else is refused.
    function replay(uint256 seed) external logged {
        uint256 calls = world.signedCalls();
        if (calls == 0) return;
        (address target, bytes memory call) = world.signedCallAt(seed % calls);
        uint64 before = registry.revision();
        bool granted = _tried(_passerBy(seed), target, call);
        if (granted && (target != address(registry) || registry.revision() != before)) {
            world.broken("a signature was good twice");
        }
        world.did("replay");
    }

    /// @notice Holds against a report that is pending or was vetoed what it does not show; and against one that is
    /// settled whatever can be held against it.
    function accuse(uint256 seed) external logged {
        World.OpenReport[] memory open = world.openReports();
        World.OpenReport memory accused = open[seed % open.length];
        Draft memory draft = accused.draft;
        Draft memory last = world.finalOf(world.lastEpoch());
        bool isOpen = !accused.convicted;
        if (!isOpen) {
            if (world.lastEpoch() == 0) return;
            (draft, last) = (last, world.finalOf(world.lastEpoch() - 1));
        }
        Fraud fraud = Fraud(1 + (_random(seed, 0) % 4));
        // Now and then a position in the padding, or beyond it.
        uint256 index = _random(seed, 1) % (draft.leaves.length + 2);
        if (isOpen && Frauds.shows(fraud, draft, last, world.accounts(), index)) return;
        _refused(
            "a report was convicted of what it does not show, or after it was final",
            _passerBy(seed),
            address(ledger),
            Frauds.proofOf(fraud, draft, last, index)
        );
        world.did("accuse");
    }

    /// @notice Twists openings of a tree that shows nothing.
    function twist(uint256 seed) external logged {
        World.OpenReport[] memory open = world.openReports();
        World.OpenReport memory accused = open[seed % open.length];
        if (accused.convicted) return;
        Draft memory draft = accused.draft;
        Draft memory last = world.finalOf(world.lastEpoch());
        (Fraud fraud, ) = Frauds.find(draft, last, world.accounts(), seed);
        if (fraud != Fraud.None || draft.leaves.length == 0) return;
        _refused(
            "a twisted opening convicted an honest tree",
            _passerBy(seed),
            address(ledger),
            _twisted(draft, last, seed)
        );
        world.did("twist");
    }

    /// @notice Says that a member signed twice: with one report, with two of different attempts, with another's hand.
    function frame(uint256 seed) external logged {
        uint256 slot = seed % world.slots();
        IEpochLedger.Report[] memory reports = world.signedReports(slot);
        if (reports.length == 0) return;
        IEpochLedger.Report memory a = reports[_random(seed, 0) % reports.length];
        IEpochLedger.Report memory b = reports[_random(seed, 1) % reports.length];
        uint256 keyA = world.keyOf(world.newestKeyOf(slot));
        uint256 keyB = keyA;
        if (_random(seed, 2) % 2 == 0) {
            b = abi.decode(abi.encode(a), (IEpochLedger.Report));
            b.total += 1;
            uint256 other = (slot + 1) % world.slots();
            keyB = other == slot ? Cast.stranger(0) : world.keyOf(world.newestKeyOf(other));
        }
        _refused(
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
    function stealDevice(uint256 seed) external logged {
        address device = world.devices(seed % Cast.DEVICES);
        address thief = _passerBy(seed);
        uint256 choice = _random(seed, 0) % 5;
        bytes memory call = abi.encodeCall(registry.transfer, (device, thief));
        if (choice == 0) call = abi.encodeCall(registry.acceptTransfer, (device));
        if (choice >= 2) {
            // Fresher than any; but one from the future is for whoever means to outrun the next owner.
            uint64 nonce = uint64(world.time() + 1 hours + (choice == 2 ? 1 : 0));
            if (nonce <= registry.nonceOf(device)) return;
            uint256 deadline = choice == 3 ? world.time() - 1 : world.time();
            bytes32 hash = Typed.bindHash(device, thief, nonce, deadline);
            uint256 key = choice == 4 ? Cast.stranger(1) : world.keyOf(device);
            IDeviceRegistry.Bind[] memory consents = new IDeviceRegistry.Bind[](1);
            CompactSignature[] memory signatures = new CompactSignature[](1);
            consents[0] = IDeviceRegistry.Bind(device, thief, nonce, deadline);
            signatures[0] = Typed.sign(key, Typed.digest(address(registry), hash));
            call = abi.encodeCall(registry.bind, (consents, signatures));
        }
        _refused("a device was stolen", thief, address(registry), call);
        world.did("stealDevice");
    }

    /// @notice Signs a voucher for a customer with a key that is none of its, or over another domain.
    function forgeVoucher(uint256 seed) external logged {
        address customer = world.customers(_random(seed, 0) % Cast.CUSTOMERS);
        uint32 epoch = world.collectableEpoch();
        uint96 amount = uint96(world.paid(customer, epoch) + 1e18);
        bytes32 hash = Typed.voucherHash(customer, epoch, amount);
        bytes32 digest = Typed.digest(address(escrow), hash);
        // The customer's own key is not one of its gateways' either.
        uint256 key = seed % 2 == 0 ? Cast.stranger(2) : world.keyOf(customer);
        if (_random(seed, 1) % 2 == 0) {
            key = Cast.gateway(_random(seed, 2) % Cast.GATEWAYS);
            digest = Typed.digestOn(block.chainid + 1, address(escrow), hash);
        }
        ICustomerEscrow.Voucher[] memory vouchers = new ICustomerEscrow.Voucher[](1);
        CompactSignature[] memory signatures = new CompactSignature[](1);
        vouchers[0] = ICustomerEscrow.Voucher(customer, epoch, amount);
        signatures[0] = Typed.sign(key, digest);
        _refused(
            "a customer was collected what it did not sign",
            _passerBy(seed),
            address(escrow),
            abi.encodeCall(escrow.collect, (vouchers, signatures))
        );
        world.did("forgeVoucher");
    }

    /// @notice Redirects an owner's rewards without the owner's signature, or with one that is void.
    function redirect(uint256 seed) external logged {
        address account = world.owners(seed % Cast.OWNERS);
        address thief = _passerBy(seed);
        uint256 choice = _random(seed, 0) % 3;
        uint256 deadline = choice == 0 ? world.time() - 1 : world.time();
        uint256 nonce = distributor.nonces(account) + (choice == 1 ? 1 : 0);
        bytes32 hash = Typed.setPayeeHash(account, thief, nonce, deadline);
        bytes memory signature = Typed.signLong(
            choice == 2 ? Cast.stranger(3) : world.keyOf(account),
            Typed.digest(address(distributor), hash)
        );
        _refused(
            "an owner's rewards were redirected",
            thief,
            address(distributor),
            abi.encodeCall(distributor.setPayeeBySig, (account, thief, deadline, signature))
        );
        world.did("redirect");
    }

    /// @notice Takes tokens out of a contract's hands as if they had been allowed to it.
    function stealTokens(uint256 seed) external logged {
        address from = _holders()[seed % 4];
        address thief = _passerBy(seed);
        bytes memory call = abi.encodeCall(token.transferFrom, (from, thief, 1));
        if (_random(seed, 0) % 3 == 0) call = abi.encodeCall(token.burnFrom, (from, 1));
        _refused("tokens were taken from the suite", thief, address(token), call);
        _refused(
            "money was withdrawn by a stranger",
            thief,
            address(escrow),
            abi.encodeCall(escrow.withdraw, ())
        );
        _refused(
            "a thaw was cancelled by a stranger",
            thief,
            address(escrow),
            abi.encodeCall(escrow.cancelThaw, ())
        );
        _refused(
            "a stranger left the quorum",
            thief,
            address(quorum),
            abi.encodeCall(quorum.exit, ())
        );
        world.did("stealTokens");
    }

    /// @notice Sends tokens where nobody asked for them.
    function donate(uint256 seed) external logged {
        world.donate(_holders()[seed % 4], _random(seed, 0) % 1_000e18);
        world.did("donate");
    }

    /// @dev An accusation against `draft` with an opening that is not what it says.
    function _twisted(
        Draft memory draft,
        Draft memory last,
        uint256 seed
    ) private view returns (bytes memory) {
        uint256 choice = _random(seed, 1) % 9;
        uint32 index = uint32(_random(seed, 2) % draft.leaves.length);
        IEpochLedger.Opening memory honest = Frauds.opening(draft, index);
        IEpochLedger.Opening memory twisted = Frauds.opening(draft, index);
        if (choice == 0) {
            // Another leaf than the one that stands there.
            twisted.leaf.account = _passerBy(seed);
            return abi.encodeCall(ledger.proveMisplaced, (draft.report, twisted));
        }
        if (choice == 1) {
            // The same leaf, at a position that the same proof leads to the same root from.
            twisted.index += uint32(1 << twisted.proof.length);
            return abi.encodeCall(ledger.proveMisplaced, (draft.report, twisted));
        }
        if (choice == 2) {
            // A node one level up for an empty leaf.
            bytes32[] memory shorter = _withoutFirst(honest.proof);
            return abi.encodeCall(ledger.proveEmptyLeaf, (draft.report, index / 2, shorter));
        }
        if (choice == 3) {
            // Leaves that are no neighbours, or one too many or too few.
            IEpochLedger.Opening[] memory openings = new IEpochLedger.Opening[](seed % 4);
            for (uint256 i = 0; i < openings.length; ++i) openings[i] = honest;
            return abi.encodeCall(ledger.proveGap, (draft.report, openings, index));
        }
        // The new tree for the old one; or another position of the old one.
        if (choice == 4) (honest, twisted) = (Frauds.opening(last, index), honest);
        if (choice == 5) twisted = Frauds.opening(last, _random(seed, 3) % draft.leaves.length);
        // Less than stands in the new tree, or more than stood in the old one.
        if (choice == 6) (honest.leaf.cumulative, twisted) = (0, Frauds.opening(last, index));
        if (choice == 7) twisted = Frauds.opening(last, index);
        if (choice == 7) twisted.leaf.cumulative = type(uint96).max;
        if (choice < 8) {
            return abi.encodeCall(ledger.proveRegression, (draft.report, twisted, honest));
        }
        // A report that is not the pending one: what is honest does not end at its total.
        draft.report.total += 1;
        uint32 end = uint32(draft.leaves.length);
        return abi.encodeCall(ledger.proveGap, (draft.report, Frauds.around(draft, end), end));
    }

    function _holders() private view returns (address[4] memory) {
        return [address(programme), address(distributor), address(escrow), address(quorum)];
    }

    function _withoutFirst(bytes32[] memory proof) private pure returns (bytes32[] memory rest) {
        if (proof.length == 0) return new bytes32[](1);
        rest = new bytes32[](proof.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) rest[i] = proof[i + 1];
    }

    /// @dev A function of a role, with arguments that its holder could use: the holder, the contract, the call.
    function _reserved(uint256 seed) private view returns (address, address, bytes memory) {
        uint256 choice = _random(seed, 0) % 7;
        uint256 i = _random(seed, 1);
        if (choice == 0) return _reservedByRegistry(i % 3);
        if (choice == 1) return _reservedByEscrow(i % 4);
        if (choice == 2) return _reservedByQuorum(i % 5);
        if (choice == 3) return _reservedByDistributor(i % 4);
        if (choice == 4) return _reservedByLedger(i % 4);
        if (choice == 5) return _reservedByProgramme(i % 6);
        address[6] memory targets = [
            address(programme),
            address(escrow),
            address(quorum),
            address(distributor),
            address(registry),
            address(ledger)
        ];
        // Nobody may link again, not even the deployer.
        bool link = i % 10 < 4;
        bytes memory call =
            link
                ? abi.encodeCall(ILedgerLink.linkLedger, (_passerBy(seed)))
                : abi.encodeCall(IAccessControl.grantRole, (bytes32(0), _passerBy(seed)));
        return (link ? address(0) : world.GOVERNANCE(), targets[link ? i % 10 : i % 6], call);
    }

    function _reservedByRegistry(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        address[] memory devices = new address[](1);
        devices[0] = i == 0 ? address(uint160(world.time())) : world.devices(0);
        IDeviceRegistry.ClassLimit memory limit = IDeviceRegistry.ClassLimit(1, 1, 1);
        if (i == 0) call = abi.encodeCall(registry.enrol, (devices, 0));
        if (i == 1) call = abi.encodeCall(registry.revoke, (devices, ""));
        if (i == 2) call = abi.encodeCall(registry.setClassLimit, (0, limit));
        return (i == 2 ? world.GOVERNANCE() : world.MANUFACTURER(), address(registry), call);
    }

    function _reservedByEscrow(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        address customer = world.customers(0);
        uint32 next = world.lastEpoch() + 1;
        if (i == 0) call = abi.encodeCall(escrow.admit, (customer));
        if (i == 1) call = abi.encodeCall(escrow.dismiss, (customer));
        if (i == 2) call = abi.encodeCall(escrow.settle, (next, 0, 0, 0, 0, 0));
        if (i == 3) call = abi.encodeCall(escrow.close, (next));
        return (i < 2 ? world.ADMISSION() : address(ledger), address(escrow), call);
    }

    function _reservedByQuorum(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        uint256 present = world.membersPresent();
        uint256[] memory active = world.activeSlots();
        address member = active.length == 0 ? address(0) : world.newestKeyOf(active[0]);
        if (i == 0)
            call = abi.encodeCall(quorum.addMember, (address(0xFADE), (present + 1) / 2 + 1));
        if (i == 1) call = abi.encodeCall(quorum.removeMember, (member));
        if (i == 2) call = abi.encodeCall(quorum.setThreshold, (present / 2 + 1));
        // Not even governance may slash, or credit: only the ledger, which never does by itself.
        if (i == 3) call = abi.encodeCall(quorum.slash, (1, _passerBy(i)));
        if (i == 4) call = abi.encodeCall(quorum.credit, (1, 1, 1));
        return (i < 3 ? world.GOVERNANCE() : address(ledger), address(quorum), call);
    }

    function _reservedByDistributor(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        if (i == 0) call = abi.encodeCall(distributor.pause, ());
        if (i == 1) call = abi.encodeCall(distributor.resume, ());
        if (i == 2) call = abi.encodeCall(distributor.publish, (1, bytes32(i), 1, 1));
        if (i == 3) call = abi.encodeCall(distributor.setGuardian, (_passerBy(i)));
        address holder = i == 3 ? world.GOVERNANCE() : world.guardian(false);
        return (i == 2 ? address(ledger) : holder, address(distributor), call);
    }

    function _reservedByLedger(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        if (i == 0) call = abi.encodeCall(ledger.setTariff, (IEpochLedger.Tariff(1, 1, 1, 1)));
        if (i == 1) call = abi.encodeCall(ledger.setRules, (bytes32(i)));
        if (i == 2) call = abi.encodeCall(ledger.setGuardian, (_passerBy(i)));
        if (i == 3) call = abi.encodeCall(ledger.veto, (ledger.proposal().digest));
        return (i == 3 ? world.guardian(true) : world.GOVERNANCE(), address(ledger), call);
    }

    function _reservedByProgramme(
        uint256 i
    ) private view returns (address, address, bytes memory call) {
        address inspector = world.customers(0);
        bool is_ = world.isInspectorLatest(inspector);
        uint32 current = world.currentEpoch();
        if (i == 0) {
            call =
                is_
                    ? abi.encodeCall(programme.removeInspector, (inspector))
                    : abi.encodeCall(programme.addInspector, (inspector));
        }
        if (i == 1) call = abi.encodeCall(programme.scheduleRetirement, (_passerBy(i)));
        if (i == 2) call = abi.encodeCall(programme.cancelRetirement, ());
        if (i == 3) call = abi.encodeCall(programme.retire, ());
        // For an inspector or not, and whatever its share.
        if (i > 3) call = abi.encodeCall(programme.draw, (world.customers(i - 4), current, 1e18));
        return (i > 3 ? address(escrow) : world.GOVERNANCE(), address(programme), call);
    }
}
