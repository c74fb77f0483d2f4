// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {ILedgerLink} from "../../../contracts/interfaces/ILedgerLink.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
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

    /// @notice Holds anything against a report that is lawful, and against one that is settled whatever there is.
    function accuse(uint256 seed) external logged {
        uint256 position = seed % world.reports();
        World.OpenReport memory accused = world.openReportAt(position);
        uint256 count = prosecutor.countOf(accused.draft);
        if (count == 0 || (accused.isOpen && !_isLawful(accused))) return;
        bytes memory evidence = accused.evidence;
        if (evidence.length == 0) {
            (IJudge.Evidence memory about, ) = prosecutor.evidenceOf(
                accused.draft,
                _random(seed, 0) % count
            );
            evidence = abi.encode(about);
        }
        _refused(
            "a lawful report was convicted, or one that was settled",
            _passerBy(seed),
            address(ledger),
            abi.encodeCall(ledger.convict, (accused.draft.report, evidence))
        );
        world.did("accuse");
    }

    /// @notice Holds against a lawful report what is not about it.
    function twist(uint256 seed) external logged {
        World.OpenReport memory accused = world.openReportAt(seed % world.reports());
        uint256 count = prosecutor.countOf(accused.draft);
        if (!accused.isOpen || !_isLawful(accused) || count == 0) return;
        (IJudge.Evidence memory evidence, ) = prosecutor.evidenceOf(
            accused.draft,
            _random(seed, 0) % count
        );
        IEpochLedger.Report memory report = accused.draft.report;
        // Another report than the open one, of which that would not be lawful.
        if (_random(seed, 1) % 8 == 0) report.total += 1;
        else _twist(evidence, seed);
        bytes memory twisted = abi.encode(evidence);
        if (_random(seed, 1) % 8 == 1) twisted = abi.encode(seed, _random(seed, 2));
        _refused(
            "twisted evidence convicted a lawful report",
            _passerBy(seed),
            address(ledger),
            abi.encodeCall(ledger.convict, (report, twisted))
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
            // Of either kind.
            uint256 key = choice == 4 ? Cast.stranger(seed % 2) : world.keyOf(device);
            IDeviceRegistry.Bind[] memory consents = new IDeviceRegistry.Bind[](1);
            IDeviceRegistry.DeviceSignature[]
                memory signatures = new IDeviceRegistry.DeviceSignature[](1);
            consents[0] = IDeviceRegistry.Bind(device, thief, nonce, deadline);
            signatures[0] = Cast.deviceSignature(key, Typed.digest(address(registry), hash));
            // Another's signature beside the device's own key.
            if (_random(seed, 1) % 2 == 0) signatures[0].publicKey = world.publicKeyOf(device);
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

    /// @dev Changes one thing about evidence that shows nothing.
    function _twist(IJudge.Evidence memory evidence, uint256 seed) private view {
        IJudge.Opening[] memory openings = evidence.openings;
        IJudge.Opening memory opening = openings[_random(seed, 3) % openings.length];
        uint256 choice = _random(seed, 4) % 12;
        uint256 some = _random(seed, 5);
        // Another row than the one that stands there.
        if (choice == 0 && opening.row.length != 0) opening.row[some % opening.row.length] ^= 0x01;
        if (choice == 1) opening.row = bytes.concat(opening.row, hex"00");
        // The same row, at a position that the same proof leads to the same root from.
        if (choice == 2) opening.position += uint32(1 << opening.proof.length);
        if (choice == 3) opening.position = uint32(some % 4);
        if (choice == 4) evidence.position = uint32(some % 12);
        if (choice == 5) evidence.proof = IJudge.Proof(uint8(some % 7));
        if (choice == 6) opening.table = IJudge.Table(uint8(some % 4));
        // A node one level up for an empty leaf, or for a row.
        if (choice == 7) {
            opening.proof = _withoutFirst(opening.proof);
            opening.position /= 2;
        }
        if (choice == 8) evidence.openings = new IJudge.Opening[](some % 5);
        for (uint256 i = 0; choice == 8 && i < evidence.openings.length; ++i) {
            evidence.openings[i] = openings[i % openings.length];
        }
        if (choice == 9) openings[some % openings.length] = openings[0];
        if (choice == 10)
            evidence.publicKey = world.publicKeyOf(world.devices(some % Cast.DEVICES));
        if (choice == 11) {
            opening.row = "";
            evidence.proof = IJudge.Proof.EmptyLeaf;
        }
    }

    /// @dev Of a report that is open: whether all of it is as the rules want it, and all before it was.
    function _isLawful(World.OpenReport memory report) private view returns (bool) {
        return report.draft.isLawful && world.isHistoryLawful();
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
        if (choice == 0) return _reservedByRegistry(i % 4);
        if (choice == 1) return _reservedByEscrow(i % 4);
        if (choice == 2) return _reservedByQuorum(i % 5);
        if (choice == 3) return _reservedByDistributor(i % 4);
        if (choice == 4) return _reservedByLedger(i % 6);
        if (choice == 5) return _reservedByProgramme(i % 6);
        address[7] memory targets = [
            address(demands),
            address(programme),
            address(escrow),
            address(quorum),
            address(distributor),
            address(registry),
            address(ledger)
        ];
        // Nobody may link again, not even the deployer.
        bool link = i % 11 < 5;
        bytes memory call =
            link
                ? abi.encodeCall(ILedgerLink.linkLedger, (_passerBy(seed)))
                : abi.encodeCall(IAccessControl.grantRole, (bytes32(0), _passerBy(seed)));
        address target = targets[link ? i % 11 : 1 + (i % 6)];
        return (link ? address(0) : world.GOVERNANCE(), target, call);
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
        bytes[] memory publicKeys = new bytes[](1);
        publicKeys[0] = Typed.publicKeyOf(Cast.stranger(world.time()));
        if (i == 3) call = abi.encodeCall(registry.enrolP256, (publicKeys, 0));
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
        if (i == 1) call = abi.encodeCall(ledger.setRules, (bytes32(i), judge));
        if (i == 2) call = abi.encodeCall(ledger.setGuardian, (_passerBy(i)));
        if (i == 3) call = abi.encodeCall(ledger.veto, (ledger.proposal().digest));
        // Not even governance or guardian: only the contract of the demands, which never does by itself.
        if (i == 4) call = abi.encodeCall(ledger.revokeSilent, (world.pendingReport()));
        if (i == 5) {
            call = abi.encodeCall(ledger.setWindow, (ledger.proposal().digest, world.time()));
        }
        address holder = i == 3 ? world.guardian(true) : world.GOVERNANCE();
        return (i > 3 ? address(demands) : holder, address(ledger), call);
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
