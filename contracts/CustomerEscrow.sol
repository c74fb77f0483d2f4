// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {LawEvents} from "./LawEvents.sol";
import {LedgerLink} from "./LedgerLink.sol";
import {ICustomerEscrow} from "./interfaces/ICustomerEscrow.sol";
import {IEpochClock} from "./interfaces/IEpochClock.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {ILinkToken} from "./interfaces/ILinkToken.sol";
import {IRewardProgramme} from "./interfaces/IRewardProgramme.sol";
import {CompactSignature, CompactSignatures} from "./libraries/CompactSignature.sol";
import {InvoiceLine, InvoiceLines} from "./libraries/InvoiceLine.sol";
import {PrintableText} from "./libraries/PrintableText.sol";
import {Tree} from "./libraries/Tree.sol";

/// @title CustomerEscrow
/// @notice Implements {ICustomerEscrow}, where each function is described.
contract CustomerEscrow is
    ICustomerEscrow,
    EpochClock,
    LedgerLink,
    LawEvents,
    AccessControl,
    EIP712
{
    using Checkpoints for Checkpoints.Trace160;
    using CompactSignatures for CompactSignature;
    using InvoiceLines for InvoiceLine;
    using PrintableText for string;
    using SafeERC20 for IERC20;
    using Tree for bytes32;

    /// @dev One slot, which every voucher reads and writes. Amounts in wei, `withdrawableAt` in unix seconds.
    struct Account {
        uint96 balance;
        uint96 thawing;
        uint40 withdrawableAt;
    }

    /// @dev `amount` in wei.
    struct Payment {
        uint96 amount;
        bool refunded;
    }

    // Constants

    bytes32 public constant ADMISSION_ROLE = keccak256("ADMISSION_ROLE");

    uint256 public constant MAX_THAW_SECONDS = 5 * 365 days;

    bytes32 private constant VOUCHER_TYPEHASH = keccak256(
        "Voucher(address customer,uint32 epoch,uint96 amount)"
    );

    // Parameters

    IERC20 public immutable token;
    IRewardProgramme public immutable programme;
    uint256 public immutable thawSeconds;

    // State

    bool private _closed;

    mapping(address customer => Account) private _accounts;
    mapping(address customer => mapping(uint32 epoch => Payment)) private _payments;
    mapping(uint32 epoch => EpochAccount) private _epochs;

    // 1 while admitted, 0 otherwise.
    mapping(address customer => Checkpoints.Trace160) private _admittedByEpoch;
    // In wei, 0 while it does not sign.
    mapping(address customer => mapping(address key => Checkpoints.Trace160)) private _capByEpoch;

    /// @param token_ The LinkToken.
    /// @param clock The registry, whose clock is copied.
    /// @param programme_ The RewardProgramme, which pays for inspectors.
    /// @param thawSeconds_ How long a thaw takes, in seconds.
    /// @param governance Who grants and revokes roles.
    /// @param admission Who admits and dismisses customers.
    constructor(
        IERC20 token_,
        IEpochClock clock,
        IRewardProgramme programme_,
        uint256 thawSeconds_,
        address governance,
        address admission
    )
        EpochClock(clock.genesis(), clock.epochSeconds(), clock.graceSeconds())
        EIP712("LinkRewards", "1")
    {
        require(
            address(token_) != address(0) &&
                address(programme_) != address(0) &&
                governance != address(0) &&
                admission != address(0),
            ZeroAddress()
        );
        // A customer must not be able to take the money back before the epoch it was served in can be collected.
        uint256 least = 2 * epochSeconds + graceSeconds;
        require(
            thawSeconds_ >= least && thawSeconds_ <= MAX_THAW_SECONDS,
            ThawOutOfRange(thawSeconds_, least, MAX_THAW_SECONDS)
        );
        token = token_;
        programme = programme_;
        thawSeconds = thawSeconds_;
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
        _grantRole(ADMISSION_ROLE, admission);
    }

    // Admission

    function admit(address customer) external onlyRole(ADMISSION_ROLE) {
        require(customer != address(0), ZeroAddress());
        uint32 fromEpoch = _nextEpoch();
        _admittedByEpoch[customer].push(fromEpoch, 1);
        emit CustomerAdmitted(customer, fromEpoch, _nextRevision());
    }

    function dismiss(address customer) external onlyRole(ADMISSION_ROLE) {
        uint32 fromEpoch = _nextEpoch();
        _admittedByEpoch[customer].push(fromEpoch, 0);
        emit CustomerDismissed(customer, fromEpoch, _nextRevision());
    }

    function isCustomerAt(address customer, uint32 epoch) public view returns (bool) {
        return _admittedByEpoch[customer].upperLookupRecent(epoch) == 1;
    }

    // Keys

    function setKey(address key, uint96 cap) external {
        require(key != address(0), ZeroAddress());
        uint32 fromEpoch = _nextEpoch();
        _capByEpoch[msg.sender][key].push(fromEpoch, cap);
        emit KeySet(msg.sender, key, cap, fromEpoch, _nextRevision());
    }

    function capAt(address customer, address key, uint32 epoch) public view returns (uint96) {
        if (!isCustomerAt(customer, epoch)) return 0;
        return uint96(_capByEpoch[customer][key].upperLookupRecent(epoch));
    }

    // Endpoints

    function setEndpoint(string calldata url) external {
        require(isCustomerAt(msg.sender, _nextEpoch()), CustomerUnknown(msg.sender));
        require(url.isPrintable(), TextNotPrintable());
        emit EndpointSet(msg.sender, url, _nextRevision());
    }

    // Balances

    function deposit(uint256 amount) external {
        depositFor(msg.sender, amount);
    }

    function depositWithPermit(
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        // Whoever has seen the permit can send it first, and the allowance is then there: the deposit says whether it is.
        try
            IERC20Permit(address(token)).permit(
                msg.sender,
                address(this),
                amount,
                deadline,
                v,
                r,
                s
            )
        {
            depositFor(msg.sender, amount);
        } catch {
            depositFor(msg.sender, amount);
        }
    }

    function depositFor(address customer, uint256 amount) public {
        require(customer != address(0), ZeroAddress());
        _accounts[customer].balance += SafeCast.toUint96(amount);
        emit Deposited(customer, msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    function balanceOf(address customer) external view returns (uint256) {
        return _accounts[customer].balance;
    }

    // Thaws

    function thaw(uint256 amount) external {
        Account storage account = _accounts[msg.sender];
        uint256 thawing = account.thawing + amount;
        require(thawing <= account.balance, ThawExceedsBalance(thawing, account.balance));
        uint256 withdrawableAt = block.timestamp + thawSeconds;
        account.thawing = SafeCast.toUint96(thawing);
        account.withdrawableAt = SafeCast.toUint40(withdrawableAt);
        emit ThawStarted(msg.sender, thawing, withdrawableAt);
    }

    function cancelThaw() external {
        Account storage account = _accounts[msg.sender];
        uint96 amount = account.thawing;
        require(amount != 0, NothingThawing(msg.sender));
        account.thawing = 0;
        emit ThawCancelled(msg.sender, amount);
    }

    function withdraw() external {
        Account storage account = _accounts[msg.sender];
        uint96 amount = account.thawing;
        require(amount != 0, NothingThawing(msg.sender));
        require(block.timestamp >= account.withdrawableAt, StillThawing(account.withdrawableAt));
        account.thawing = 0;
        account.balance -= amount;
        emit Withdrawn(msg.sender, amount);
        token.safeTransfer(msg.sender, amount);
    }

    function thawOf(address customer) external view returns (uint96 amount, uint40 withdrawableAt) {
        Account memory account = _accounts[customer];
        return (account.thawing, account.withdrawableAt);
    }

    // Payments

    function collect(
        Voucher[] calldata vouchers,
        CompactSignature[] calldata signatures
    ) external returns (uint256 amount) {
        require(!_closed, LedgerIsClosed());
        require(
            vouchers.length == signatures.length,
            SignatureCountMismatch(vouchers.length, signatures.length)
        );
        uint32 epoch = collectableEpoch();
        bool begun = epoch <= currentEpoch();
        for (uint256 i = 0; i < vouchers.length; ++i) {
            Voucher calldata voucher = vouchers[i];
            require(begun && voucher.epoch == epoch, EpochNotCollectable(voucher.epoch, epoch));
            amount += _collect(voucher, signatures[i]);
        }
        if (amount != 0) _epochs[epoch].fund += SafeCast.toUint96(amount);
    }

    function collectableEpoch() public view returns (uint32) {
        uint32 current = currentEpoch();
        if (current == 0) return 1;
        bool isGrace = current > 1 && block.timestamp < sealTimeOf(current - 1);
        return isGrace ? current - 1 : current;
    }

    function paid(address customer, uint32 epoch) external view returns (uint256) {
        return _payments[customer][epoch].amount;
    }

    function fund(uint32 epoch) external view returns (uint256) {
        return _epochs[epoch].fund;
    }

    function voucherDigest(Voucher calldata voucher) public view returns (bytes32) {
        return
            _hashTypedDataV4(
                keccak256(
                    abi.encode(VOUCHER_TYPEHASH, voucher.customer, voucher.epoch, voucher.amount)
                )
            );
    }

    function _collect(
        Voucher calldata voucher,
        CompactSignature calldata signature
    ) private returns (uint96 amount) {
        (address customer, uint32 epoch) = (voucher.customer, voucher.epoch);
        address key = signature.recover(voucherDigest(voucher));
        uint96 cap = capAt(customer, key, epoch);
        require(cap != 0, KeyUnknown(customer, key, epoch));

        Payment storage payment = _payments[customer][epoch];
        uint96 before = payment.amount;
        // At most what the voucher promises, which has 96 bits.
        uint96 promised = uint96(Math.min(voucher.amount, cap));
        if (promised <= before) return 0;
        amount =
            programme.isInspectorAt(customer, epoch)
                ? programme.draw(customer, epoch, promised)
                : _take(customer, promised - before);
        if (amount == 0) return 0;
        payment.amount = before + amount;
        emit VoucherCollected(
            customer,
            epoch,
            voucher.amount,
            amount,
            before + amount,
            _nextRevision()
        );
    }

    /// @dev Takes `owed` wei, or what there is, out of a customer's balance.
    function _take(address customer, uint96 owed) private returns (uint96 amount) {
        Account storage account = _accounts[customer];
        (uint96 balance, uint96 thawing) = (account.balance, account.thawing);
        amount = owed < balance ? owed : balance;
        balance -= amount;
        account.balance = balance;
        // What is left to thaw can only be what is left: a later deposit must thaw for its own full time.
        if (thawing > balance) account.thawing = balance;
    }

    // Refunds

    function refund(
        uint32 epoch,
        address customer,
        InvoiceOpening[] calldata openings
    ) external returns (uint96 amount) {
        EpochAccount storage account = _epochs[epoch];
        Payment memory payment = _payments[customer][epoch];
        require(!payment.refunded, AlreadyRefunded(customer, epoch));
        if (account.settled) {
            uint256 counted = _countedOf(account, customer, openings);
            uint256 uncounted = Math.saturatingSub(payment.amount, counted);
            // At most what was paid, which has 96 bits. A final table that is wrong must not draw on other epochs.
            amount = uint96(Math.min(uncounted, account.refundable));
            account.refundable -= amount;
        } else {
            require(_closed, EpochNotSettled(epoch));
            amount = payment.amount;
        }
        _payments[customer][epoch].refunded = true;
        emit Refunded(customer, epoch, amount);
        if (programme.isInspectorAt(customer, epoch)) {
            token.safeTransfer(address(programme), amount);
        } else {
            _accounts[customer].balance += amount;
        }
    }

    function isRefunded(address customer, uint32 epoch) external view returns (bool) {
        return _payments[customer][epoch].refunded;
    }

    function epochAccountOf(uint32 epoch) external view returns (EpochAccount memory) {
        return _epochs[epoch];
    }

    /// @dev What counted of a customer's lines: the subtotal of its last one; 0 when it has none.
    function _countedOf(
        EpochAccount storage account,
        address customer,
        InvoiceOpening[] calldata openings
    ) private view returns (uint256) {
        uint32 lines = account.contributions;
        if (lines == 0) {
            require(openings.length == 0, InvalidOpening(0));
            return 0;
        }
        require(openings.length == 1 || openings.length == 2, InvalidOpening(0));
        bytes32 root = account.invoiceRoot;
        for (uint256 i = 0; i < openings.length; ++i) {
            InvoiceOpening calldata opening = openings[i];
            require(
                root.contains(lines, opening.position, opening.line.hash(), opening.proof),
                InvalidOpening(opening.position)
            );
        }
        InvoiceOpening calldata first = openings[0];
        address found = first.line.customer;
        bool shown;
        if (openings.length == 2) {
            InvoiceOpening calldata next = openings[1];
            shown =
                next.position == first.position + 1 &&
                found <= customer &&
                next.line.customer > customer;
        } else {
            // Before the first line, or at and after the last.
            shown = found > customer ? first.position == 0 : first.position == lines - 1;
        }
        require(shown, InvalidOpening(first.position));
        return found == customer ? first.line.subtotal : 0;
    }

    // Settlement

    function settle(
        uint32 epoch,
        uint96 delta,
        uint96 fee,
        uint96 credited,
        bytes32 invoiceRoot,
        uint32 contributions
    ) external onlyLedger {
        EpochAccount storage account = _epochs[epoch];
        uint96 refundable = account.fund - delta - fee;
        account.refundable = refundable;
        account.contributions = contributions;
        account.settled = true;
        if (invoiceRoot != 0) account.invoiceRoot = invoiceRoot;
        emit EpochSettled(epoch, delta, fee, credited, refundable);
        IEpochLedger link = IEpochLedger(msg.sender);
        if (delta != 0) token.safeTransfer(address(link.distributor()), delta);
        if (credited != 0) token.safeTransfer(address(link.quorum()), credited);
        // Burning is the one thing that is asked of the token beyond ERC-20.
        if (fee != credited) ILinkToken(address(token)).burn(fee - credited);
    }

    function close(uint32 lastEpoch) external onlyLedger {
        _closed = true;
        emit EscrowClosed(lastEpoch);
    }
}
