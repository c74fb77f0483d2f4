// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {IOracleQuorum} from "../../../contracts/interfaces/IOracleQuorum.sol";
import {ContributionRow, SignedReceipt} from "../../../contracts/libraries/ContributionRow.sol";
import {Receipt} from "../../../contracts/libraries/Receipts.sol";
import {Cast} from "../Suite.sol";
import {Trees} from "../Trees.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {Draft} from "./Draft.sol";
import {World} from "./World.sol";

/// @title Member
/// @notice Each member for itself: pays its bond, changes its key, leaves, takes bond and fees, signs twice, leaves out what it gave its
/// word for.
contract Member is Actor {
    constructor(World world_) Actor(world_) {}

    /// @notice One member signs two reports of one attempt, with any keys it ever had, and is shown up.
    function equivocate(uint256 seed) external logged {
        // Seldom: a campaign should not run out of members.
        if (_random(seed, 0) % 4 != 0) return;
        uint256 slot = seed % world.slots();
        uint256[] memory signers = world.pendingSigners();
        if (world.isPending() && _random(seed, 5) % 2 == 0) slot = signers[seed % signers.length];
        World.MemberRecord memory record = world.memberAt(slot);
        IEpochLedger.Report memory a;
        a.epoch = uint32(_random(seed, 1) % 9);
        a.attempt = uint32(_random(seed, 2) % 3);
        IEpochLedger.Report memory b = abi.decode(abi.encode(a), (IEpochLedger.Report));
        b.bundleHash = bytes32(uint256(1));
        uint256 keyA = world.keyOf(record.keys[_random(seed, 3) % record.keys.length]);
        uint256 keyB = world.keyOf(record.keys[_random(seed, 4) % record.keys.length]);
        bytes memory call = abi.encodeCall(
            quorum.proveEquivocation,
            (
                a,
                b,
                Typed.sign(keyA, ledger.reportDigest(a)),
                Typed.sign(keyB, ledger.reportDigest(b))
            )
        );
        address prover = _passerBy(seed);
        uint256 balance = token.balanceOf(prover);
        if (_tried(prover, address(quorum), call) != (record.bond != 0)) {
            world.broken("an equivocation went unpunished, or was punished twice");
        }
        if (record.bond == 0) return;
        uint256[] memory culprits = new uint256[](1);
        culprits[0] = slot;
        if (token.balanceOf(prover) - balance != world.slashed(culprits, true)) {
            world.broken("a prover got another part than a tenth");
        }
        world.did("equivocate");
    }

    /// @notice A member that signed the last report gave its word for a receipt that the report does not have, or only
    /// an older one; it is shown up. Also for a receipt that is there or is not lawful, and with another member's word:
    /// then nothing comes of it.
    function omit(uint256 seed) external logged {
        Draft memory draft = world.pending();
        if (!draft.isLawful) return;
        uint32 epoch = draft.report.epoch;
        address device = world.devices(_random(seed, 0) % Cast.DEVICES);
        address customer = world.customers(_random(seed, 1) % Cast.CUSTOMERS);
        if (!rules.canServe(device, customer, epoch)) return;
        Receipt memory receipt = rules.receiptOf(device, customer, epoch, _random(seed, 2));
        uint256 choice = _random(seed, 3) % 8;
        if (choice == 0) receipt.sequence = 0;
        SignedReceipt memory signed = rules.sign(receipt, seed);
        if (choice == 1) signed.deviceSignature.r ^= bytes32(uint256(1));

        uint256[] memory signers = world.pendingSigners();
        uint256 slot = signers[_random(seed, 4) % signers.length];
        uint256 other = choice == 2 ? (slot + 1) % world.slots() : slot;
        uint256 sealTime = world.sealTimeOf(epoch);
        // It is the culprit that dates its word.
        uint64 storedAt = uint64(choice == 3 ? sealTime + 1 : sealTime - 1);
        bytes memory call = abi.encodeCall(
            quorum.proveOmission,
            (_omission(draft, signed, [slot, other], storedAt, seed))
        );
        bool due =
            _isMissing(draft, receipt) &&
                choice != 0 &&
                choice != 1 &&
                other == slot &&
                world.memberAt(slot).bond != 0;
        // Seldom: a campaign should not run out of members.
        if (due && _random(seed, 5) % 2 != 0) return;
        address prover = _passerBy(seed);
        uint256 balance = token.balanceOf(prover);
        if (_tried(prover, address(quorum), call) != due) {
            world.broken("an omission went unpunished, or what is none was punished");
        }
        if (!due) return;
        uint256[] memory culprits = new uint256[](1);
        culprits[0] = slot;
        if (token.balanceOf(prover) - balance != world.slashed(culprits, true)) {
            world.broken("a prover got another part than a tenth");
        }
        world.did("omit");
    }

    function depositBond(uint256 seed) external logged {
        uint256 slot = seed % world.slots();
        uint256 amount = _random(seed, 0) % (2 * world.MINIMUM_BOND());
        address payer = _passerBy(seed);
        world.endow(payer, amount, address(quorum));
        address[] memory keys = world.memberAt(slot).keys;
        address member = keys[_random(seed, 1) % keys.length];
        bytes memory call = abi.encodeCall(quorum.depositBond, (member, amount));
        bool present = world.memberAt(slot).seatUntil == 0;
        if (_tried(payer, address(quorum), call) != present) {
            world.broken("a bond was refused to a member, or taken from another");
        }
        if (!present) return;
        world.bonded(slot, amount);
        world.did("depositBond");
    }

    /// @notice Hands the slot to another key. The one before still signs until the epoch is over, and nothing else.
    function rotate(uint256 seed) external logged {
        uint256 slot = seed % world.slots();
        World.MemberRecord memory record = world.memberAt(slot);
        uint256 key = Cast.member(slot) + 0x100000 * record.keys.length;
        bytes memory call = abi.encodeCall(quorum.rotate, (VM.addr(key)));
        bool present = record.seatUntil == 0;
        if (_tried(world.newestKeyOf(slot), address(quorum), call) != present) {
            world.broken("a member could not change its key, or one that has left did");
        }
        if (!present) return;
        world.rotated(slot, key);
        address older = record.keys[record.keys.length - 1];
        _refused("an old key left", older, address(quorum), abi.encodeCall(quorum.exit, ()));
        call = abi.encodeCall(quorum.rotate, (record.keys[0]));
        _refused("a key was used again", VM.addr(key), address(quorum), call);
        world.did("rotate");
    }

    function exit(uint256 seed) external logged {
        uint256[] memory active = world.activeSlots();
        if (active.length == 0) return;
        // Seldom below the threshold: a quorum that leaves is a quorum that does not sign.
        if (active.length <= world.threshold() && _random(seed, 0) % 8 != 0) return;
        uint256 slot = active[seed % active.length];
        bool present = world.memberAt(slot).seatUntil == 0;
        bytes memory call = abi.encodeCall(quorum.exit, ());
        if (_tried(world.newestKeyOf(slot), address(quorum), call) != present) {
            world.broken("a member could not leave, or left twice");
        }
        if (!present) return;
        uint32 next = world.currentEpoch() + 1;
        world.left(slot, next, next);
        world.did("exit");
    }

    /// @notice Mostly the bond of one that left and has one.
    function withdrawBond(uint256 seed) external logged {
        uint256 slots = world.slots();
        uint256 slot = seed % slots;
        World.MemberRecord memory record = world.memberAt(slot);
        for (uint256 i = 0; i < slots && seed % 4 != 0; ++i) {
            if (record.seatUntil != 0 && record.bond != 0) break;
            slot = addmod(seed, i + 1, slots);
            record = world.memberAt(slot);
        }
        // Whatever it signed could be proven: the epoch in which it left, and the one after it, are final, or the
        // ledger was closed an epoch ago; and the windows of all reports that were vetoed are over.
        uint256 closedAt = world.closedAt();
        bool settled = world.lastEpoch() >= record.leftIn + 1;
        bool ended = closedAt != 0 && world.time() >= closedAt + world.EPOCH_SECONDS();
        bool due =
            record.seatUntil != 0 &&
                record.bond != 0 &&
                (settled || ended) &&
                world.time() >= world.provableUntil();
        address member = world.newestKeyOf(slot);
        uint256 balance = token.balanceOf(member);
        bytes memory call = abi.encodeCall(quorum.withdrawBond, (slot));
        if (_tried(_passerBy(seed), address(quorum), call) != due) {
            world.broken("a bond was released too early, or held too long");
        }
        if (!due) return;
        if (token.balanceOf(member) - balance != record.bond) {
            world.broken("a released bond went elsewhere");
        }
        world.bondWithdrawn(slot);
        world.did("withdrawBond");
    }

    function withdrawFees(uint256 seed) external logged {
        uint256 slot = seed % world.slots();
        uint256 fees = world.memberAt(slot).fees;
        address member = world.newestKeyOf(slot);
        uint256 balance = token.balanceOf(member);
        bytes memory call = abi.encodeCall(quorum.withdrawFees, (slot));
        if (_tried(_passerBy(seed), address(quorum), call) != (fees != 0)) {
            world.broken("fees were refused, or paid out of nothing");
        }
        if (fees == 0) return;
        if (token.balanceOf(member) - balance != fees) world.broken("fees went elsewhere");
        world.feesWithdrawn(slot);
        world.did("withdrawFees");
    }

    /// @dev The first of `slots` signed the report, the second gave its word for this receipt and some others.
    function _omission(
        Draft memory draft,
        SignedReceipt memory signed,
        uint256[2] memory slots,
        uint64 storedAt,
        uint256 seed
    ) private view returns (IOracleQuorum.OmissionProof memory omission) {
        bytes32[] memory digests = new bytes32[](1 + (_random(seed, 10) % 5));
        for (uint256 i = 0; i < digests.length; ++i) digests[i] = keccak256(abi.encode(seed, i));
        omission.index = uint32(_random(seed, 11) % digests.length);
        digests[omission.index] = rules.digestOf(signed.receipt);
        omission.proof = Trees.proof(digests, omission.index);
        omission.report = draft.report;
        omission.acknowledgement = IDeviceRegistry.Acknowledgement(
            Trees.root(digests),
            uint32(digests.length),
            storedAt
        );
        omission.reportSignature = Typed.sign(
            world.keyOf(world.newestKeyOf(slots[0])),
            ledger.reportDigest(draft.report)
        );
        omission.acknowledgementSignature = Typed.sign(
            world.keyOf(world.memberAt(slots[1]).keys[0]),
            Typed.digest(address(registry), Typed.acknowledgementHash(omission.acknowledgement))
        );
        omission.omission = abi.encode(_absence(draft, signed));
    }

    /// @dev The rows between which the receipt would stand, or those before and at an older one.
    function _absence(
        Draft memory draft,
        SignedReceipt memory signed
    ) private view returns (IJudge.Omission memory absence) {
        uint256 rows = draft.contributions.length;
        ContributionRow memory row;
        row.signed = signed;
        row.account = registry.ownerAt(signed.receipt.device, draft.report.epoch);
        uint256 place = 0;
        while (place < rows && rules.isBefore(draft.contributions[place], row)) ++place;
        absence.receipt = Trees.bytesOf(signed);
        absence.position = uint32(place);
        absence.publicKey = world.publicKeyOf(signed.receipt.device);
        uint256 first = place == 0 ? 0 : place - 1;
        uint256 end = place == rows ? rows : place + 1;
        absence.openings = new IJudge.Opening[](end - first);
        for (uint256 i = first; i < end; ++i) {
            absence.openings[i - first] = IJudge.Opening(
                IJudge.Table.Contributions,
                uint32(i),
                Trees.bytesOf(draft.contributions[i]),
                Trees.proof(draft.contributionHashes, i)
            );
        }
    }

    /// @dev Whether the tables have nothing of this pair, or only an older receipt.
    function _isMissing(Draft memory draft, Receipt memory receipt) private pure returns (bool) {
        for (uint256 i = 0; i < draft.contributions.length; ++i) {
            Receipt memory there = draft.contributions[i].signed.receipt;
            bool isPair = there.device == receipt.device && there.customer == receipt.customer;
            if (isPair) return there.sequence < receipt.sequence;
        }
        return true;
    }
}
