// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../contracts/interfaces/ICustomerEscrow.sol";
import {Cast, Suite} from "./Suite.sol";
import {Typed} from "./Typed.sol";
import {VM} from "./Vm.sol";

contract CustomerEscrowTest is Suite {
    uint32 private constant EPOCHS = 16;

    address private customer = VM.addr(Cast.customer(0));
    address private gateway = VM.addr(Cast.gateway(0));

    // The model: what holds in each epoch as things are planned now, one entry an epoch.
    bool[EPOCHS] private _isCustomerAt;
    bool[EPOCHS] private _isAddedAt;

    function setUp() external {
        _admit(true);
        _addKey(true);
        VM.warp(GENESIS);
    }

    function testFuzzVouchersInAnyOrderPayTheHighestAsFarAsTheBalanceReaches(
        uint96[6] calldata cumulatives,
        uint96 balance,
        bytes32 order
    ) external {
        _deposit(balance % 1e26);
        uint256 highest = 0;
        for (uint256 i = 0; i < 12; ++i) {
            uint96 cumulative = cumulatives[uint8(order[i]) % 6] % 2e26;
            if (cumulative > highest) highest = cumulative;
            _collect(1, cumulative);
        }
        uint256 owed = highest < balance % 1e26 ? highest : balance % 1e26;
        assert(escrow.collected(customer) == owed);
        assert(escrow.balanceOf(customer) == (balance % 1e26) - owed);
        assert(escrow.fund(1) == owed && escrow.paid(customer, 1) == owed);
        assert(token.balanceOf(address(ledger)) == EMISSION_SHARE + owed);
        // What the balance did not cover stays owed.
        _deposit(2e26);
        _collect(1, uint96(highest));
        assert(escrow.collected(customer) == highest);
    }

    function testFuzzAPaymentCountsForItsEpochUntilTheSealTimeAndThenForTheCurrentOne(
        uint32 epoch,
        uint256 delay
    ) external {
        epoch = 1 + (epoch % 8);
        VM.warp(endOf(epoch - 1) + (delay % (3 * EPOCH_SECONDS)));
        _deposit(1e18);
        _collect(epoch, 1e18);
        uint32 current = uint32((time() - GENESIS) / EPOCH_SECONDS) + 1;
        bool late = time() >= endOf(epoch) + GRACE_SECONDS;
        uint32 counted = late ? current : epoch;
        assert(escrow.paid(customer, counted) == 1e18 && escrow.fund(counted) == 1e18);
        assert(counted == epoch || (escrow.paid(customer, epoch) == 0 && escrow.fund(epoch) == 0));
    }

    function testFuzzWhatThawsStaysCollectableAndIsNeverMoreThanTheBalance(
        uint96 balance,
        uint96 thawing,
        uint96 voucher,
        uint96 later,
        uint32 waiting
    ) external {
        uint256 has = 1 + (balance % 1e26);
        uint256 thaws = thawing % (has + 1);
        uint256 owes = voucher % 2e26;
        uint256 more = later % 1e26;
        _deposit(has);
        VM.prank(customer);
        escrow.thaw(thaws);
        _collect(1, uint96(owes));
        // A later deposit does not thaw with what was there before.
        _deposit(more);
        uint256 rest = owes < has ? has - owes : 0;
        uint256 due = thaws < rest ? thaws : rest;
        (uint96 amount, ) = escrow.thawOf(customer);
        assert(amount == due && escrow.balanceOf(customer) == rest + more);

        VM.warp(GENESIS + (waiting % (2 * THAW_SECONDS)));
        bool withdrawn = _withdraws();
        assert(withdrawn == (due != 0 && time() >= GENESIS + THAW_SECONDS));
        assert(token.balanceOf(customer) == (withdrawn ? due : 0));
        assert(escrow.balanceOf(customer) == rest + more - (withdrawn ? due : 0));
    }

    function testFuzzANewThawNeverBringsAnEarlierOneForward(
        uint96 first,
        uint96 second,
        uint32 between
    ) external {
        _deposit((uint256(first) % 1e26) + (second % 1e26));
        VM.prank(customer);
        escrow.thaw(first % 1e26);
        (, uint40 before) = escrow.thawOf(customer);
        VM.warp(GENESIS + between);
        VM.prank(customer);
        escrow.thaw(second % 1e26);
        (uint96 amount, uint40 withdrawableAt) = escrow.thawOf(customer);
        assert(amount == (first % 1e26) + (second % 1e26));
        assert(withdrawableAt == time() + THAW_SECONDS && withdrawableAt >= before);
    }

    /// @dev Lessons: "anyone cancels your unlock with a zero deposit".
    function testFuzzADepositForAnotherLeavesItsThawAlone(uint96 thawing, uint96 amount) external {
        _deposit(1e26);
        VM.prank(customer);
        escrow.thaw(thawing % 1e26);
        (uint96 before, uint40 withdrawableAt) = escrow.thawOf(customer);
        VM.warp(GENESIS + 1 days);
        _deposit(amount % 1e26);
        (uint96 amountNow, uint40 withdrawableAtNow) = escrow.thawOf(customer);
        assert(amountNow == before && withdrawableAtNow == withdrawableAt);
    }

    /// @notice Admissions, dismissals, keys added and removed in any order, against a list with one entry an epoch.
    function testFuzzCustomersAndKeysAreThoseOfTheNaiveModel(uint256 seed) external {
        for (uint256 i = 0; i < 40; ++i) {
            uint256 choice = uint256(keccak256(abi.encode(seed, i))) % 7;
            if (choice < 2) _admit(choice == 0);
            else if (choice < 4) _addKey(choice == 2);
            else if (escrow.currentEpoch() + 2 < EPOCHS) VM.warp(time() + EPOCH_SECONDS / 2);
            for (uint32 e = 0; e < EPOCHS; ++e) {
                assert(escrow.isCustomerAt(customer, e) == _isCustomerAt[e]);
                bool isKey = _isCustomerAt[e] && _isAddedAt[e];
                assert(escrow.isKeyAt(customer, gateway, e) == isKey);
            }
        }
    }

    function endOf(uint256 epoch) private pure returns (uint256) {
        return GENESIS + epoch * EPOCH_SECONDS;
    }

    function _admit(bool admitted) private {
        VM.prank(ADMISSION);
        if (admitted) escrow.admit(customer);
        else escrow.dismiss(customer);
        for (uint256 e = escrow.currentEpoch() + 1; e < EPOCHS; ++e) _isCustomerAt[e] = admitted;
    }

    function _addKey(bool added) private {
        VM.prank(customer);
        if (added) escrow.addKey(gateway);
        else escrow.removeKey(gateway);
        for (uint256 e = escrow.currentEpoch() + 1; e < EPOCHS; ++e) _isAddedAt[e] = added;
    }

    function _withdraws() private returns (bool) {
        VM.prank(customer);
        try escrow.withdraw() {
            return true;
        } catch {
            return false;
        }
    }

    function _deposit(uint256 amount) private {
        token.approve(address(escrow), amount);
        escrow.depositFor(customer, amount);
    }

    function _collect(uint32 epoch, uint96 cumulative) private {
        bytes32 hash = Typed.voucherHash(customer, epoch, cumulative);
        escrow.collect(
            ICustomerEscrow.Voucher(customer, epoch, cumulative),
            Typed.sign(Cast.gateway(0), Typed.digest(address(escrow), hash))
        );
    }
}
