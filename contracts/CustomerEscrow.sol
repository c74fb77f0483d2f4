// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {LedgerLink} from "./LedgerLink.sol";
import {ICustomerEscrow} from "./interfaces/ICustomerEscrow.sol";
import {IEpochClock} from "./interfaces/IEpochClock.sol";
import {CompactSignature, CompactSignatures} from "./libraries/CompactSignature.sol";

/// @title CustomerEscrow
/// @notice Implements {ICustomerEscrow}, where each function is described.
contract CustomerEscrow is ICustomerEscrow, EpochClock, LedgerLink, AccessControl, EIP712 {
    using Checkpoints for Checkpoints.Trace160;
    using CompactSignatures for CompactSignature;
    using SafeERC20 for IERC20;

    /// @dev `amount` in wei, `withdrawableAt` in unix seconds.
    struct Thaw {
        uint96 amount;
        uint40 withdrawableAt;
    }

    // Constants

    bytes32 public constant ADMISSION_ROLE = keccak256("ADMISSION_ROLE");

    bytes32 private constant VOUCHER_TYPEHASH = keccak256(
        "Voucher(address customer,uint32 epoch,uint96 cumulative)"
    );

    // Parameters

    IERC20 public immutable token;
    uint256 public immutable thawSeconds;

    // State

    mapping(address customer => uint256) public balanceOf;
    mapping(address customer => uint256) public collected;
    mapping(address customer => mapping(uint32 epoch => uint256)) public paid;
    mapping(uint32 epoch => uint256) public fund;
    mapping(address customer => Thaw) public thawOf;

    // 1 while admitted or authorised, 0 otherwise.
    mapping(address customer => Checkpoints.Trace160) private _admittedByEpoch;
    mapping(address customer => mapping(address key => Checkpoints.Trace160)) private _keyByEpoch;

    /// @param token_ The LinkToken.
    /// @param clock The registry, whose clock is copied.
    /// @param thawSeconds_ How long a thaw takes, in seconds.
    /// @param governance Who grants and revokes roles.
    /// @param admission Who admits and dismisses customers.
    constructor(
        IERC20 token_,
        IEpochClock clock,
        uint256 thawSeconds_,
        address governance,
        address admission
    )
        EpochClock(clock.genesis(), clock.epochSeconds(), clock.graceSeconds())
        EIP712("LinkRewards", "1")
    {
        require(
            address(token_) != address(0) && governance != address(0) && admission != address(0),
            ZeroAddress()
        );
        // A customer must not be able to take the money back before the epoch it was served in can be collected.
        uint256 least = 2 * epochSeconds + graceSeconds;
        require(thawSeconds_ >= least, ThawTooShort(thawSeconds_, least));
        token = token_;
        thawSeconds = thawSeconds_;
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
        _grantRole(ADMISSION_ROLE, admission);
    }

    // Admission

    function admit(address customer) external onlyRole(ADMISSION_ROLE) {
        require(customer != address(0), ZeroAddress());
        uint32 fromEpoch = _nextEpoch();
        _admittedByEpoch[customer].push(fromEpoch, 1);
        emit CustomerAdmitted(customer, fromEpoch);
    }

    function dismiss(address customer) external onlyRole(ADMISSION_ROLE) {
        uint32 fromEpoch = _nextEpoch();
        _admittedByEpoch[customer].push(fromEpoch, 0);
        emit CustomerDismissed(customer, fromEpoch);
    }

    function isCustomerAt(address customer, uint32 epoch) public view returns (bool) {
        return _admittedByEpoch[customer].upperLookupRecent(epoch) == 1;
    }

    // Keys

    function addKey(address key) external {
        require(key != address(0), ZeroAddress());
        uint32 fromEpoch = _nextEpoch();
        _keyByEpoch[msg.sender][key].push(fromEpoch, 1);
        emit KeyAdded(msg.sender, key, fromEpoch);
    }

    function removeKey(address key) external {
        uint32 fromEpoch = _nextEpoch();
        _keyByEpoch[msg.sender][key].push(fromEpoch, 0);
        emit KeyRemoved(msg.sender, key, fromEpoch);
    }

    function isKeyAt(address customer, address key, uint32 epoch) public view returns (bool) {
        return
            isCustomerAt(customer, epoch) &&
            _keyByEpoch[customer][key].upperLookupRecent(epoch) == 1;
    }

    // Balances

    function deposit(uint256 amount) external {
        depositFor(msg.sender, amount);
    }

    function depositFor(address customer, uint256 amount) public {
        require(customer != address(0), ZeroAddress());
        balanceOf[customer] += amount;
        emit Deposited(customer, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    // Thaws

    function thaw(uint256 amount) external {
        Thaw storage state = thawOf[msg.sender];
        uint256 thawing = state.amount + amount;
        uint256 balance = balanceOf[msg.sender];
        require(thawing <= balance, ThawExceedsBalance(thawing, balance));
        uint256 withdrawableAt = block.timestamp + thawSeconds;
        state.amount = SafeCast.toUint96(thawing);
        state.withdrawableAt = SafeCast.toUint40(withdrawableAt);
        emit ThawStarted(msg.sender, thawing, withdrawableAt);
    }

    function cancelThaw() external {
        uint256 amount = thawOf[msg.sender].amount;
        require(amount != 0, NothingThawing(msg.sender));
        delete thawOf[msg.sender];
        emit ThawCancelled(msg.sender, amount);
    }

    function withdraw() external {
        Thaw memory state = thawOf[msg.sender];
        require(state.amount != 0, NothingThawing(msg.sender));
        require(block.timestamp >= state.withdrawableAt, StillThawing(state.withdrawableAt));
        delete thawOf[msg.sender];
        balanceOf[msg.sender] -= state.amount;
        emit Withdrawn(msg.sender, state.amount);
        token.safeTransfer(msg.sender, state.amount);
    }

    // Payments

    function collect(
        Voucher calldata voucher,
        CompactSignature calldata signature
    ) external returns (uint256 amount) {
        uint32 current = currentEpoch();
        require(
            voucher.epoch != 0 && voucher.epoch <= current,
            EpochNotStarted(voucher.epoch, current)
        );
        address key = signature.recover(voucherDigest(voucher));
        require(
            isKeyAt(voucher.customer, key, voucher.epoch),
            KeyUnknown(voucher.customer, key, voucher.epoch)
        );

        uint256 before = collected[voucher.customer];
        uint256 balance = balanceOf[voucher.customer];
        amount = Math.min(Math.saturatingSub(voucher.cumulative, before), balance);
        if (amount == 0) return 0;
        uint32 counted = block.timestamp < sealTimeOf(voucher.epoch) ? voucher.epoch : current;
        balance -= amount;
        balanceOf[voucher.customer] = balance;
        collected[voucher.customer] = before + amount;
        paid[voucher.customer][counted] += amount;
        fund[counted] += amount;
        // What is left to thaw can only be what is left: a later deposit must thaw for its own full time.
        Thaw storage state = thawOf[voucher.customer];
        if (state.amount > balance) state.amount = uint96(balance);
        emit VoucherCollected(
            voucher.customer,
            voucher.epoch,
            counted,
            voucher.cumulative,
            uint96(amount),
            uint96(before + amount)
        );
        token.safeTransfer(ledger, amount);
    }

    function voucherDigest(Voucher calldata voucher) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(
                    abi.encode(
                        VOUCHER_TYPEHASH,
                        voucher.customer,
                        voucher.epoch,
                        voucher.cumulative
                    )
                )
            );
    }
}
