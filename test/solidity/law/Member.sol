// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Member
/// @notice Each member for itself: pays its bond, changes its key, leaves, takes bond and fees, signs twice.
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
        if (token.balanceOf(prover) - balance != world.slashed(culprits)) {
            world.broken("a prover got another part than a tenth");
        }
        world.did("equivocate");
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
        // Whatever it signed could be proven: the epoch in which it left, and the one after it, are final; or the
        // ledger was closed an epoch ago.
        uint256 closedAt = world.closedAt();
        bool settled = world.lastEpoch() >= record.leftIn + 1;
        bool ended = closedAt != 0 && world.time() >= closedAt + world.EPOCH_SECONDS();
        bool due = record.seatUntil != 0 && record.bond != 0 && (settled || ended);
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
}
