// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {Cast} from "../Suite.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Governance
/// @notice Sets what may be set, chooses members, admits customers, and may retire the ledger.
contract Governance is Actor {
    address private immutable GOVERNANCE;
    address private immutable ADMISSION;

    constructor(World world_) Actor(world_) {
        GOVERNANCE = world_.GOVERNANCE();
        ADMISSION = world_.ADMISSION();
    }

    function setClassLimit(uint256 seed) external {
        VM.prank(GOVERNANCE);
        registry.setClassLimit(
            uint8(seed % 2),
            IDeviceRegistry.ClassLimit(uint64(seed), uint96(seed >> 64), uint64(seed >> 160))
        );
        world.did("setClassLimit");
    }

    function setTariff(uint256 seed) external {
        VM.prank(GOVERNANCE);
        ledger.setTariff(
            IEpochLedger.Tariff(uint96(seed), uint96(seed >> 96), uint96(seed >> 128), uint32(seed))
        );
        world.did("setTariff");
    }

    function setRules(uint256 seed) external {
        VM.prank(GOVERNANCE);
        ledger.setRules(bytes32(seed | 1));
        world.did("setRules");
    }

    function admit(uint256 seed) external {
        address customer = world.customers(seed % Cast.CUSTOMERS);
        VM.prank(ADMISSION);
        escrow.admit(customer);
        world.did("admit");
    }

    function dismiss(uint256 seed) external {
        if (_random(seed, 0) % 4 != 0) return;
        address customer = world.customers(seed % Cast.CUSTOMERS);
        VM.prank(ADMISSION);
        escrow.dismiss(customer);
        world.did("dismiss");
    }

    /// @notice Adds a member, and mostly pays its bond at once.
    function addMember(uint256 seed) external {
        uint256 known = world.members().length;
        uint256 present = world.membersPresent() + 1;
        if (present > 8 || known > 80) return;
        uint256 threshold = _threshold(seed, present);
        uint256 key = Cast.member(known);
        address member = VM.addr(key);
        uint256 wrong = seed % 2 == 0 ? present / 2 : present + 1;
        _refused(
            8,
            "a threshold of half the members, or of more than there are",
            GOVERNANCE,
            address(quorum),
            abi.encodeCall(quorum.addMember, (member, wrong))
        );
        VM.prank(GOVERNANCE);
        quorum.addMember(member, threshold);
        world.joined(key, threshold);
        if (_random(seed, 1) % 8 != 0) _bond(member);
        world.did("addMember");
    }

    function removeMember(uint256 seed) external {
        address[] memory members = world.members();
        address member = members[seed % members.length];
        uint256 present = world.membersPresent();
        // Never the last one: who appoints a quorum of none stops the ledger, and means to.
        if (world.recordOf(member).leftAt != 0 || present < 2 || _random(seed, 0) % 2 == 0) return;
        uint256 threshold = _threshold(seed, present - 1);
        VM.prank(GOVERNANCE);
        quorum.removeMember(member, threshold);
        world.left(member, threshold);
        world.did("removeMember");
    }

    function setThreshold(uint256 seed) external {
        uint256 threshold = _threshold(seed, world.membersPresent());
        VM.prank(GOVERNANCE);
        quorum.setThreshold(threshold);
        world.thresholdSet(threshold);
        world.did("setThreshold");
    }

    /// @notice Where there are too few members left to sign, replaces those that do not count by three new ones.
    function restoreQuorum(uint256) external {
        address[] memory members = world.members();
        uint256 able = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            World.MemberRecord memory record = world.recordOf(members[i]);
            if (record.leftAt == 0 && record.bond >= world.MINIMUM_BOND()) ++able;
        }
        if (able >= world.threshold() || members.length > 120) return;
        for (uint256 i = 0; i < members.length; ++i) {
            if (world.recordOf(members[i]).leftAt != 0 || world.isActive(members[i])) continue;
            uint256 left = world.membersPresent() - 1;
            VM.prank(GOVERNANCE);
            quorum.removeMember(members[i], left / 2 + 1);
            world.left(members[i], left / 2 + 1);
        }
        for (uint256 known = members.length; known < members.length + 3; ++known) {
            uint256 threshold = (world.membersPresent() + 1) / 2 + 1;
            uint256 key = Cast.member(known);
            address member = VM.addr(key);
            VM.prank(GOVERNANCE);
            quorum.addMember(member, threshold);
            world.joined(key, threshold);
            _bond(member);
        }
        world.did("restoreQuorum");
    }

    function scheduleRetirement(uint256 seed) external {
        if (world.retired()) return;
        VM.prank(GOVERNANCE);
        ledger.scheduleRetirement(_passerBy(seed));
        world.retirementScheduled();
        world.did("scheduleRetirement");
    }

    function cancelRetirement(uint256 seed) external {
        bool possible = world.retirableAt() != 0 && !world.retired();
        if (possible && _random(seed, 0) % 4 != 0) return;
        bytes memory call = abi.encodeCall(ledger.cancelRetirement, ());
        if (_tried(GOVERNANCE, address(ledger), call) != possible) {
            world.broken(4, "a retirement that stood could not be cancelled, or none was");
        }
        if (!possible) return;
        world.retirementCancelled();
        world.did("cancelRetirement");
    }

    function retire(uint256 seed) external {
        bool due =
            world.retirableAt() != 0 && world.time() >= world.retirableAt() && !world.isPending();
        // Seldom: it ends the ledger, and with it most of what a campaign can do.
        if (due && !world.retired() && _random(seed, 0) % 8 != 0) return;
        uint256 balance = token.balanceOf(address(ledger));
        bytes memory call = abi.encodeCall(ledger.retire, ());
        if (_tried(GOVERNANCE, address(ledger), call) != due) {
            world.broken(4, "the ledger was retired before its time, or could not be after");
        }
        if (!due) return;
        world.retire(balance);
        world.did("retire");
    }

    function _bond(address member) private {
        uint256 bond = world.MINIMUM_BOND();
        address payer = _passerBy(bond);
        world.endow(payer, bond, address(quorum));
        VM.prank(payer);
        quorum.depositBond(member, bond);
        world.bonded(member, bond);
    }

    /// @dev More than half of `members`, or one where there is none.
    function _threshold(uint256 seed, uint256 members) private pure returns (uint256) {
        if (members == 0) return 1;
        uint256 least = members / 2 + 1;
        return least + (_random(seed, 2) % (members - least + 1));
    }
}
