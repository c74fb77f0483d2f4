// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../contracts/interfaces/ICustomerEscrow.sol";
import {CompactSignature} from "../../contracts/libraries/CompactSignature.sol";
import {Cast, Suite} from "./Suite.sol";
import {Typed} from "./Typed.sol";
import {VM} from "./Vm.sol";

contract CustomerEscrowTest is Suite {
    uint32 private constant EPOCHS = 16;

    address private customer = VM.addr(Cast.customer(0));
    address private gateway = VM.addr(Cast.gateway(0));

    // The model: what holds in each epoch as things are planned now, one entry an epoch.
    bool[EPOCHS] private _isCustomerAt;
    uint96[EPOCHS] private _capAt;

    function setUp() external {
        _admit(true);
        _setKey(type(uint96).max);
        VM.warp(GENESIS);
    }

    function testFuzzVouchersInAnyOrderPayTheHighestAsFarAsCapAndBalanceReach(
        uint96[6] calldata amounts,
        uint96 balance,
        uint96 cap,
        bytes32 order
    ) external {
        uint256 has = balance % 1e26;
        uint256 most = 1 + (cap % 2e26);
        _setKey(uint96(most));
        VM.warp(endOf(1) + GRACE_SECONDS);
        _deposit(has);
        uint256 highest = 0;
        for (uint256 i = 0; i < 12; ++i) {
            uint96 amount = amounts[uint8(order[i]) % 6] % 2e26;
            if (amount > highest) highest = amount;
            _collect(2, amount);
        }
        if (highest > most) highest = most;
        uint256 owed = highest < has ? highest : has;
        assert(escrow.balanceOf(customer) == has - owed);
        assert(escrow.fund(2) == owed && escrow.paid(customer, 2) == owed);
        assert(token.balanceOf(address(escrow)) == has);
        // What the balance did not cover stays owed, until the seal time.
        _deposit(2e26);
        _collect(2, uint96(highest));
        assert(escrow.paid(customer, 2) == highest);
    }

    /// @notice A voucher is good from its epoch's begin to its seal time, and only once every earlier one is sealed.
    function testFuzzAVoucherIsCollectedForTheEarliestEpochThatIsNotSealed(
        uint32 epoch,
        uint256 delay
    ) external {
        epoch = 1 + (epoch % 8);
        VM.warp(GENESIS - 1 days + (delay % (9 * EPOCH_SECONDS)));
        _deposit(1e18);
        bool due =
            time() >= endOf(epoch - 1) &&
                time() < endOf(epoch) + GRACE_SECONDS &&
                (epoch == 1 || time() >= endOf(epoch - 1) + GRACE_SECONDS);
        try this.collect(epoch, 1e18) {
            assert(due && escrow.paid(customer, epoch) == 1e18 && escrow.fund(epoch) == 1e18);
        } catch (bytes memory reason) {
            assert(!due && bytes4(reason) == ICustomerEscrow.EpochNotCollectable.selector);
        }
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

    /// @notice Admissions, dismissals and caps set in any order, against a list with one entry an epoch.
    function testFuzzCustomersAndKeysAreThoseOfTheNaiveModel(uint256 seed) external {
        for (uint256 i = 0; i < 40; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            uint256 choice = random % 7;
            if (choice < 2) _admit(choice == 0);
            else if (choice < 4) _setKey(choice == 2 ? 0 : uint96(random >> 8));
            else if (escrow.currentEpoch() + 2 < EPOCHS) VM.warp(time() + EPOCH_SECONDS / 2);
            for (uint32 e = 0; e < EPOCHS; ++e) {
                assert(escrow.isCustomerAt(customer, e) == _isCustomerAt[e]);
                uint96 cap = _isCustomerAt[e] ? _capAt[e] : 0;
                assert(escrow.capAt(customer, gateway, e) == cap);
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

    function _setKey(uint96 cap) private {
        VM.prank(customer);
        escrow.setKey(gateway, cap);
        for (uint256 e = escrow.currentEpoch() + 1; e < EPOCHS; ++e) _capAt[e] = cap;
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

    /// @dev In a call of its own, so that it can be refused.
    function collect(uint32 epoch, uint96 amount) external {
        _collect(epoch, amount);
    }

    function _collect(uint32 epoch, uint96 amount) private {
        ICustomerEscrow.Voucher[] memory vouchers = new ICustomerEscrow.Voucher[](1);
        CompactSignature[] memory signatures = new CompactSignature[](1);
        vouchers[0] = ICustomerEscrow.Voucher(customer, epoch, amount);
        bytes32 hash = Typed.voucherHash(customer, epoch, amount);
        signatures[0] = Typed.sign(Cast.gateway(0), Typed.digest(address(escrow), hash));
        escrow.collect(vouchers, signatures);
    }
}
