// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {EpochLedger} from "../../contracts/EpochLedger.sol";
import {LinkToken} from "../../contracts/LinkToken.sol";
import {ICustomerEscrow} from "../../contracts/interfaces/ICustomerEscrow.sol";
import {IDeviceRegistry} from "../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../contracts/interfaces/IEpochLedger.sol";
import {IOracleQuorum} from "../../contracts/interfaces/IOracleQuorum.sol";
import {IRewardDistributor} from "../../contracts/interfaces/IRewardDistributor.sol";
import {deploy} from "./Deploy.sol";

contract EpochLedgerEmissionTest {
    LinkToken private token = LinkToken(deploy("LinkToken", abi.encode(address(this))));

    function testFuzzSixtyYearsIssueNoMoreThanTheShare(uint256 share, uint256 length) external {
        (EpochLedger ledger, uint256 perYear) = _ledger(share, length);
        uint256 issued = 0;
        uint256 before = type(uint256).max;
        for (uint256 year = 0; year < 60; ++year) {
            uint32 first = uint32(year * perYear + 1);
            uint256 emission = ledger.emission(first);
            // Equal within the year, halved after it.
            assert(ledger.emission(uint32(first + perYear - 1)) == emission);
            assert(emission <= before / 2 || before == type(uint256).max);
            issued += emission * perYear;
            before = emission;
        }
        assert(issued <= ledger.emissionShare());
        // Nor is much lost: a wei an epoch by rounding, and what the 60th halving leaves.
        assert(issued + 60 * (perYear + 1) + 1e10 >= ledger.emissionShare());
    }

    function testFuzzEmissionIsNeverMoreThanBefore(
        uint256 share,
        uint256 length,
        uint32 earlier,
        uint32 later
    ) external {
        (EpochLedger ledger, ) = _ledger(share, length);
        if (earlier > later) (earlier, later) = (later, earlier);
        // Epoch 0 is the time before genesis and issues nothing.
        assert(earlier == 0 || ledger.emission(later) <= ledger.emission(earlier));
        assert(ledger.emission(0) == 0);
    }

    function testFuzzEmissionIsHalvedOnceAYear(
        uint256 share,
        uint256 length,
        uint32 epoch
    ) external {
        (EpochLedger ledger, uint256 perYear) = _ledger(share, length);
        if (epoch == 0) return;
        uint256 yearly = ledger.emissionShare();
        for (uint256 year = 0; year <= (epoch - 1) / perYear && yearly != 0; ++year) yearly /= 2;
        assert(ledger.emission(epoch) == yearly / perYear);
    }

    function testEmissionEndsAndDoesNotFail() external {
        (EpochLedger ledger, uint256 perYear) = _ledger(type(uint256).max, type(uint256).max);
        assert(ledger.emission(type(uint32).max) == 0);
        assert(ledger.emission(uint32(128 * perYear + 1)) == 0);
        assert(ledger.emission(1) > 0);
    }

    /// @dev A ledger with epochs of an hour to a year, and any share of the supply.
    function _ledger(
        uint256 share,
        uint256 length
    ) private returns (EpochLedger ledger, uint256 epochsPerYear) {
        uint256 epochSeconds = 1 hours + (length % (365 days - 1 hours + 1));
        address registry = deploy(
            "DeviceRegistry",
            abi.encode(block.timestamp, epochSeconds, 0, address(this), address(this))
        );
        // The emission depends on none of the other contracts.
        address other = address(1);
        EpochLedger.Parameters memory parameters = EpochLedger.Parameters({
            token: token,
            registry: IDeviceRegistry(registry),
            escrow: ICustomerEscrow(other),
            quorum: IOracleQuorum(other),
            distributor: IRewardDistributor(other),
            emissionShare: share % (token.SUPPLY() + 1),
            proposalTimeoutSeconds: 1,
            windowSeconds: 1,
            rulesHash: "rules",
            tariff: IEpochLedger.Tariff(1, 1, 1, 1),
            governance: address(this),
            guardian: address(this)
        });
        ledger = EpochLedger(deploy("EpochLedger", abi.encode(parameters)));
        epochsPerYear = 365 days / epochSeconds;
    }
}
