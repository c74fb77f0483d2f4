// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../contracts/interfaces/IEpochLedger.sol";
import {Suite} from "./Suite.sol";
import {VM} from "./Vm.sol";

contract EpochLedgerTest is Suite {
    uint256 private constant BPS = 10_000;

    /// @notice What is earned and its fee are never more than what counted, and all but two wei a row of it.
    function testFuzzEarnedAndFeeAreWhatCountedToTwoWeiARow(
        uint88[7] calldata counted,
        uint16 feeBps
    ) external {
        uint256 bps = feeBps % 5001;
        _setFee(uint16(bps));
        uint256 sum = 0;
        uint256 delta = 0;
        for (uint256 i = 0; i < counted.length; ++i) {
            // Every other row is a small one, where rounding weighs most.
            uint256 row = i % 2 == 0 ? counted[i] : counted[i] % 16;
            sum += row;
            delta += (row * (BPS - bps)) / BPS;
        }
        uint256 paidOut = delta + ledger.feeOf(delta, 1);
        assert(paidOut <= sum && sum - paidOut <= 2 * counted.length);
    }

    function testFuzzTheFeeOfAnythingIsItsPart(uint96 delta, uint16 feeBps) external {
        uint256 bps = feeBps % 5001;
        _setFee(uint16(bps));
        assert(ledger.feeOf(delta, 1) == (uint256(delta) * bps) / (BPS - bps));
    }

    function testFuzzAFeeOverHalfIsRefused(uint16 feeBps) external {
        VM.prank(GOVERNANCE);
        try ledger.setTariff(IEpochLedger.Tariff(1, 1, 1, feeBps)) {
            assert(feeBps <= 5000);
        } catch (bytes memory reason) {
            assert(feeBps > 5000 && bytes4(reason) == IEpochLedger.FeeTooHigh.selector);
        }
    }

    function _setFee(uint16 feeBps) private {
        VM.prank(GOVERNANCE);
        ledger.setTariff(IEpochLedger.Tariff(1, 1, 1, feeBps));
    }
}
