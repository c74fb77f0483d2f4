// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {Typed} from "../Typed.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Member
/// @notice Each member for itself: pays its bond, leaves, takes the bond back, signs twice.
contract Member is Actor {
    constructor(World world_) Actor(world_) {}

    /// @notice One member signs two reports of one attempt, and is shown up.
    function equivocate(uint256 seed) external {
        address[] memory members = world.members();
        address member = members[seed % members.length];
        // Seldom: a campaign should not run out of members.
        if (_random(seed, 0) % 8 != 0) return;
        World.MemberRecord memory record = world.recordOf(member);
        IEpochLedger.Report memory a;
        a.epoch = uint32(_random(seed, 1) % 9);
        a.attempt = uint16(_random(seed, 2) % 3);
        IEpochLedger.Report memory b = abi.decode(abi.encode(a), (IEpochLedger.Report));
        b.bundleHash = bytes32(uint256(1));
        bytes memory call = abi.encodeCall(
            quorum.proveEquivocation,
            (
                a,
                b,
                Typed.sign(record.key, ledger.reportDigest(a)),
                Typed.sign(record.key, ledger.reportDigest(b))
            )
        );
        address prover = _passerBy(seed);
        uint256 balance = token.balanceOf(prover);
        if (_tried(prover, address(quorum), call) != (record.bond != 0)) {
            world.broken(7, "an equivocation went unpunished, or was punished twice");
        }
        if (record.bond == 0) return;
        address[] memory culprits = new address[](1);
        culprits[0] = member;
        world.slashed(culprits);
        if (token.balanceOf(prover) - balance != record.bond / 2) {
            world.broken(7, "a prover got another part than half");
        }
        world.did("equivocate");
    }

    function depositBond(uint256 seed) external {
        address[] memory members = world.members();
        address member = members[seed % members.length];
        uint256 amount = _random(seed, 0) % (2 * world.MINIMUM_BOND());
        address payer = _passerBy(seed);
        world.endow(payer, amount, address(quorum));
        bytes memory call = abi.encodeCall(quorum.depositBond, (member, amount));
        bool present = world.recordOf(member).leftAt == 0;
        if (_tried(payer, address(quorum), call) != present) {
            world.broken(8, "a bond was refused to a member, or taken from another");
        }
        if (!present) return;
        world.bonded(member, amount);
        world.did("depositBond");
    }

    function exit(uint256 seed) external {
        address[] memory active = world.activeMembers();
        if (active.length == 0) return;
        // Seldom below the threshold: a quorum that leaves is a quorum that does not sign.
        if (active.length <= world.threshold() && _random(seed, 0) % 8 != 0) return;
        address member = active[seed % active.length];
        VM.prank(member);
        quorum.exit();
        world.left(member, world.threshold());
        world.did("exit");
    }

    function withdrawBond(uint256 seed) external {
        address[] memory members = world.members();
        address member = members[seed % members.length];
        World.MemberRecord memory record = world.recordOf(member);
        bool due =
            record.leftAt != 0 &&
                world.time() >= record.leftAt + world.EPOCH_SECONDS() &&
                record.bond != 0 &&
                !world.signedPending(member);
        uint256 balance = token.balanceOf(member);
        bytes memory call = abi.encodeCall(quorum.withdrawBond, (member));
        if (_tried(_passerBy(seed), address(quorum), call) != due) {
            world.broken(6, "a bond was released too early, or held too long");
        }
        if (!due) return;
        if (token.balanceOf(member) - balance != record.bond) {
            world.broken(6, "a released bond went elsewhere");
        }
        world.bondWithdrawn(member);
        world.did("withdrawBond");
    }
}
