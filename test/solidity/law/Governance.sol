// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {Cast} from "../Suite.sol";
import {VM} from "../Vm.sol";
import {Actor} from "./Actor.sol";
import {World} from "./World.sol";

/// @title Governance
/// @notice Sets what may be set, chooses members, guardians and inspectors, admits customers, and may retire the
/// programme.
contract Governance is Actor {
    address private immutable GOVERNANCE;
    address private immutable ADMISSION;

    constructor(World world_) Actor(world_) {
        GOVERNANCE = world_.GOVERNANCE();
        ADMISSION = world_.ADMISSION();
    }

    /// @notice Mostly more than anybody delivers, now and then little.
    function setClassLimit(uint256 seed) external logged {
        bool little = _random(seed, 0) % 4 == 0;
        VM.prank(GOVERNANCE);
        registry.setClassLimit(
            uint8(seed % 2),
            IDeviceRegistry.ClassLimit(
                uint64(seed % (little ? 1e17 : 2 ** 64)),
                uint96((seed >> 64) % (little ? 1e22 : 2 ** 96)),
                uint64((seed >> 160) % (little ? 1e16 : 2 ** 64))
            )
        );
        world.did("setClassLimit");
    }

    function setTariff(uint256 seed) external logged {
        // Mostly prices that customers can pay, now and then the highest.
        uint96 price = seed % 4 == 0 ? type(uint96).max : uint96(_random(seed, 0) % 2e18);
        uint16 feeBps = uint16(_random(seed, 1) % 5001);
        bytes memory tooHigh = abi.encodeCall(
            ledger.setTariff,
            (IEpochLedger.Tariff(price, 1e12, price, 5001))
        );
        _refused("a fee of more than half was set", GOVERNANCE, address(ledger), tooHigh);
        VM.prank(GOVERNANCE);
        ledger.setTariff(IEpochLedger.Tariff(price, 1e12, price, feeBps));
        world.tariffSet(feeBps);
        world.did("setTariff");
    }

    /// @notice Mostly new ones, also such that were in force before; their judge cannot change.
    function setRules(uint256 seed) external logged {
        bytes32 rules_ = _random(seed, 0) % 4 == 0 ? ledger.rulesAt(1) : bytes32(seed | 1);
        _refused(
            "rules got another judge",
            GOVERNANCE,
            address(ledger),
            abi.encodeCall(ledger.setRules, (ledger.rulesAt(1), IJudge(address(world))))
        );
        _refused(
            "rules got a judge that is no contract",
            GOVERNANCE,
            address(ledger),
            abi.encodeCall(ledger.setRules, (rules_, IJudge(_passerBy(seed))))
        );
        VM.prank(GOVERNANCE);
        ledger.setRules(rules_, judge);
        world.did("setRules");
    }

    function admit(uint256 seed) external logged {
        address customer = world.customers(seed % Cast.CUSTOMERS);
        VM.prank(ADMISSION);
        escrow.admit(customer);
        world.admitted(customer, true);
        world.did("admit");
    }

    function dismiss(uint256 seed) external logged {
        if (_random(seed, 0) % 4 != 0) return;
        address customer = world.customers(seed % Cast.CUSTOMERS);
        VM.prank(ADMISSION);
        escrow.dismiss(customer);
        world.admitted(customer, false);
        world.did("dismiss");
    }

    function addInspector(uint256 seed) external logged {
        _setInspector(world.customers(seed % Cast.CUSTOMERS), true);
    }

    function removeInspector(uint256 seed) external logged {
        _setInspector(world.customers(seed % Cast.CUSTOMERS), false);
    }

    /// @notice Names another guardian of ledger or distributor, or the first one again.
    function setGuardian(uint256 seed) external logged {
        address guardian = seed % 3 == 0 ? world.GUARDIAN() : address(uint160(0xA100 + (seed % 3)));
        bool ofLedger = _random(seed, 0) % 2 == 0;
        VM.prank(GOVERNANCE);
        if (ofLedger) ledger.setGuardian(guardian);
        else distributor.setGuardian(guardian);
        world.guardianSet(ofLedger, guardian);
        world.did("setGuardian");
    }

    /// @notice Adds a member, and mostly pays its bond at once.
    function addMember(uint256 seed) external logged {
        uint256 slot = world.slots();
        uint256 present = world.membersPresent() + 1;
        if (present > 8 || slot > 80) return;
        uint256 threshold = _threshold(seed, present);
        uint256 key = Cast.member(slot);
        uint256 wrong = seed % 2 == 0 ? present / 2 : present + 1;
        _refused(
            "a threshold of half the members, or of more than there are",
            GOVERNANCE,
            address(quorum),
            abi.encodeCall(quorum.addMember, (VM.addr(key), wrong))
        );
        _add(slot, key, threshold, _random(seed, 1) % 8 != 0);
        world.did("addMember");
    }

    function removeMember(uint256 seed) external logged {
        uint256 slot = seed % world.slots();
        // Never the last one: who appoints a quorum of none stops the ledger, and means to.
        if (world.memberAt(slot).seatUntil != 0 || world.membersPresent() < 2) return;
        if (_random(seed, 0) % 2 == 0) return;
        _remove(slot);
        world.did("removeMember");
    }

    function setThreshold(uint256 seed) external logged {
        uint256 threshold = _threshold(seed, world.membersPresent());
        VM.prank(GOVERNANCE);
        quorum.setThreshold(threshold);
        world.thresholdSet(threshold);
        world.did("setThreshold");
    }

    /// @notice Where there are too few members left to sign in two epochs, replaces those that will not count by three
    /// new ones.
    function restoreQuorum(uint256) external logged {
        uint256 slots = world.slots();
        uint256 able = 0;
        for (uint256 i = 0; i < slots; ++i) if (_isAble(i)) ++able;
        if (able >= world.thresholdAt(world.currentEpoch() + 2) || slots > 120) return;
        for (uint256 i = 0; i < slots; ++i) {
            if (world.memberAt(i).seatUntil == 0 && !_isAble(i)) _remove(i);
        }
        for (uint256 slot = slots; slot < slots + 3; ++slot) {
            _add(slot, Cast.member(slot), (world.membersPresent() + 1) / 2 + 1, true);
        }
        world.did("restoreQuorum");
    }

    function scheduleRetirement(uint256 seed) external logged {
        VM.prank(GOVERNANCE);
        programme.scheduleRetirement(_passerBy(seed));
        world.retirementSet(world.time() + 30 days);
        world.did("scheduleRetirement");
    }

    function cancelRetirement(uint256 seed) external logged {
        bool possible = world.retirableAt() != 0;
        if (possible && _random(seed, 0) % 4 != 0) return;
        bytes memory call = abi.encodeCall(programme.cancelRetirement, ());
        if (_tried(GOVERNANCE, address(programme), call) != possible) {
            world.broken("a retirement that stood could not be cancelled, or none was");
        }
        if (!possible) return;
        world.retirementSet(0);
        world.did("cancelRetirement");
    }

    /// @notice Takes what is not issued, but what open epochs can draw: 30 days after it was announced, and for 30 days.
    function retire(uint256 seed) external logged {
        uint256 from = world.retirableAt();
        if (from > world.time() && _random(seed, 1) % 4 == 0) world.moveTo(from);
        uint256 now_ = world.time();
        bool due = from != 0 && now_ >= from && now_ < from + 30 days;
        // Seldom: it ends what inspectors can do.
        if (due && _random(seed, 0) % 4 != 0) return;
        uint256 held = world.programmeHeld();
        uint256 reserved = world.reserved();
        bytes memory call = abi.encodeCall(programme.retire, ());
        if (_tried(GOVERNANCE, address(programme), call) != due) {
            world.broken("the programme was retired before its time, or could not be after");
        }
        if (!due) return;
        world.retired(held > reserved ? held - reserved : 0);
        world.did("retire");
    }

    function _setInspector(address inspector, bool is_) private {
        bool changes = world.isInspectorLatest(inspector) != is_;
        bytes memory call =
            is_
                ? abi.encodeCall(programme.addInspector, (inspector))
                : abi.encodeCall(programme.removeInspector, (inspector));
        if (_tried(GOVERNANCE, address(programme), call) != changes) {
            world.broken("an inspector was added or removed twice, or not at all");
        }
        if (!changes) return;
        world.inspectorSet(inspector, is_);
        world.did(is_ ? "addInspector" : "removeInspector");
    }

    /// @dev Present, with a bond that is enough.
    function _isAble(uint256 slot) private view returns (bool) {
        World.MemberRecord memory record = world.memberAt(slot);
        return record.seatUntil == 0 && record.bond >= world.MINIMUM_BOND();
    }

    function _add(uint256 slot, uint256 key, uint256 threshold, bool withBond) private {
        address member = VM.addr(key);
        VM.prank(GOVERNANCE);
        quorum.addMember(member, threshold);
        world.joined(key, threshold);
        if (withBond) _bond(slot, member);
    }

    function _remove(uint256 slot) private {
        // By whichever of its keys is known.
        address[] memory keys = world.memberAt(slot).keys;
        VM.prank(GOVERNANCE);
        quorum.removeMember(keys[slot % keys.length]);
        uint32 from = world.currentEpoch() + 2;
        world.left(slot, from, from);
    }

    function _bond(uint256 slot, address member) private {
        uint256 bond = world.MINIMUM_BOND();
        address payer = _passerBy(bond);
        world.endow(payer, bond, address(quorum));
        VM.prank(payer);
        quorum.depositBond(member, bond);
        world.bonded(slot, bond);
    }

    /// @dev More than half of `members`, or one where there is none.
    function _threshold(uint256 seed, uint256 members) private pure returns (uint256) {
        if (members == 0) return 1;
        uint256 least = members / 2 + 1;
        return least + (_random(seed, 2) % (members - least + 1));
    }
}
