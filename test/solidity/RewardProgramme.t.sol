// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {RewardProgramme} from "../../contracts/RewardProgramme.sol";
import {deploy} from "./Deploy.sol";
import {VM} from "./Vm.sol";

contract RewardProgrammeTest {
    uint32 private constant EPOCHS = 16;
    uint256 private constant INSPECTORS = 4;

    // The model: who is an inspector in each epoch as things are planned now.
    bool[EPOCHS][INSPECTORS] private _isInspectorAt;

    function testFuzzSixtyYearsIssueNoMoreThanTheShare(uint256 share, uint256 length) external {
        (RewardProgramme programme, uint256 perYear) = _programme(share, length);
        uint256 issued = 0;
        uint256 before = type(uint256).max;
        for (uint256 year = 0; year < 60; ++year) {
            uint32 first = uint32(year * perYear + 1);
            uint256 emission = programme.emission(first);
            // Equal within the year, halved after it.
            assert(programme.emission(uint32(first + perYear - 1)) == emission);
            assert(emission <= before / 2 || before == type(uint256).max);
            issued += emission * perYear;
            before = emission;
        }
        assert(issued <= programme.emissionShare());
        // Nor is much lost: a wei an epoch by rounding, and what the 60th halving leaves.
        assert(issued + 60 * (perYear + 1) + 1e11 >= programme.emissionShare());
    }

    function testFuzzEmissionIsNeverMoreThanBefore(
        uint256 share,
        uint256 length,
        uint32 earlier,
        uint32 later
    ) external {
        (RewardProgramme programme, ) = _programme(share, length);
        if (earlier > later) (earlier, later) = (later, earlier);
        // Epoch 0 is the time before genesis and issues nothing.
        assert(earlier == 0 || programme.emission(later) <= programme.emission(earlier));
        assert(programme.emission(0) == 0);
    }

    function testFuzzEmissionIsHalvedOnceAYear(
        uint256 share,
        uint256 length,
        uint32 epoch
    ) external {
        (RewardProgramme programme, uint256 perYear) = _programme(share, length);
        if (epoch == 0) return;
        uint256 yearly = programme.emissionShare();
        for (uint256 year = 0; year <= (epoch - 1) / perYear && yearly != 0; ++year) yearly /= 2;
        assert(programme.emission(epoch) == yearly / perYear);
    }

    function testEmissionEndsAndDoesNotFail() external {
        (RewardProgramme programme, uint256 perYear) = _programme(type(uint96).max, 365 days);
        assert(programme.emission(type(uint32).max) == 0);
        assert(programme.emission(uint32(128 * perYear + 1)) == 0);
        assert(programme.emission(1) > 0);
    }

    /// @notice Inspectors come and go in any order, against a list with one entry an epoch. What changes now changes the
    /// epochs after this one: all shares of an epoch together are its emission at most.
    function testFuzzInspectorsAreThoseOfTheNaiveModel(uint256 seed) external {
        (RewardProgramme programme, ) = _programme(type(uint96).max, 1 days - 1 hours);
        for (uint256 i = 0; i < 40; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            if (random % 3 != 0) _change(programme, (random >> 8) % INSPECTORS, random % 3 == 1);
            else if (programme.currentEpoch() + 2 < EPOCHS) {
                VM.warp(VM.getBlockTimestamp() + 12 hours);
            }
            for (uint32 e = 0; e < EPOCHS; ++e) _isTheModels(programme, e);
        }
    }

    function _change(RewardProgramme programme, uint256 i, bool added) private {
        uint256 next = programme.currentEpoch() + 1;
        bool changes = _isInspectorAt[i][EPOCHS - 1] != added;
        bytes memory call =
            added
                ? abi.encodeCall(programme.addInspector, (_inspector(i)))
                : abi.encodeCall(programme.removeInspector, (_inspector(i)));
        // solhint-disable-next-line avoid-low-level-calls
        (bool changed, ) = address(programme).call(call);
        assert(changed == changes);
        for (uint256 e = next; e < EPOCHS; ++e) _isInspectorAt[i][e] = added;
    }

    function _isTheModels(RewardProgramme programme, uint32 epoch) private view {
        uint256 inspectors = 0;
        for (uint256 i = 0; i < INSPECTORS; ++i) {
            assert(programme.isInspectorAt(_inspector(i), epoch) == _isInspectorAt[i][epoch]);
            if (_isInspectorAt[i][epoch]) ++inspectors;
        }
        assert(programme.inspectorsAt(epoch) == inspectors);
        uint256 emission = programme.emission(epoch);
        uint256 share = programme.shareAt(epoch);
        assert(inspectors == 0 ? share == 0 : share == emission / inspectors);
    }

    /// @dev A programme with epochs of an hour to a year, and any share of the supply.
    function _programme(
        uint256 share,
        uint256 length
    ) private returns (RewardProgramme programme, uint256 epochsPerYear) {
        uint256 epochSeconds = 1 hours + (length % (365 days - 1 hours + 1));
        address registry = deploy(
            "DeviceRegistry",
            abi.encode(VM.getBlockTimestamp(), epochSeconds, 0, address(this), address(this))
        );
        // The token is of no consequence here.
        bytes memory arguments = abi.encode(address(1), registry, uint96(share), address(this));
        programme = RewardProgramme(deploy("RewardProgramme", arguments));
        epochsPerYear = 365 days / epochSeconds;
    }

    function _inspector(uint256 i) private pure returns (address) {
        return address(uint160(0x15EC + i));
    }
}
