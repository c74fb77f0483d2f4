// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CompactSignature} from "../libraries/CompactSignature.sol";
import {InvoiceLine} from "../libraries/InvoiceLine.sol";
import {IEpochClock} from "./IEpochClock.sol";
import {ILawEvents} from "./ILawEvents.sol";
import {ILedgerLink} from "./ILedgerLink.sol";
import {IRewardProgramme} from "./IRewardProgramme.sol";

/// @title ICustomerEscrow
/// @notice Customers, the keys of their gateways, and all money that customers pay, until it is due.
/// @dev Who is admitted and which keys sign in an epoch is settled when it begins; what was paid for an epoch, at its
/// seal time. A voucher names neither a recipient nor a cut. As long as what became final was lawful, the contract holds
/// exactly the balances, what was collected for epochs that are not final, the refunds that were not taken, and what
/// rounding leaves: at most two wei for each contribution. Governance is whoever holds `DEFAULT_ADMIN_ROLE` of
/// AccessControl; it grants and revokes all roles.
interface ICustomerEscrow is IEpochClock, ILawEvents, ILedgerLink {
    /// @notice A customer's promise for one epoch.
    /// @param customer Who pays.
    /// @param epoch The epoch it pays for; the promise is void from its seal time on.
    /// @param amount All the customer owes for `epoch` so far, in wei.
    struct Voucher {
        address customer;
        uint32 epoch;
        uint96 amount;
    }

    /// @notice An invoice line and the way from it to an invoice root.
    /// @param line The line.
    /// @param position Its position in invoices.bin.
    /// @param proof The siblings from the leaf's level upwards.
    struct InvoiceOpening {
        InvoiceLine line;
        uint32 position;
        bytes32[] proof;
    }

    /// @notice What an epoch came to.
    /// @param fund What all customers paid for it, in wei.
    /// @param refundable What refunds can still take of that, in wei; 0 until it is settled.
    /// @param contributions How many contributions, and invoice lines, it has.
    /// @param settled Whether it is final.
    /// @param invoiceRoot The root over its invoice lines; zero when there are none.
    struct EpochAccount {
        uint96 fund;
        uint96 refundable;
        uint32 contributions;
        bool settled;
        bytes32 invoiceRoot;
    }

    /// @notice Receipts of `customer` count from `fromEpoch` on.
    event CustomerAdmitted(address indexed customer, uint32 fromEpoch, uint64 revision);

    /// @notice Receipts of `customer` no longer count from `fromEpoch` on.
    event CustomerDismissed(address indexed customer, uint32 fromEpoch, uint64 revision);

    /// @notice `key` signs for `customer` from `fromEpoch` on, vouchers for at most `cap` wei an epoch; a cap of 0
    /// means that it no longer signs.
    event KeySet(
        address indexed customer,
        address indexed key,
        uint96 cap,
        uint32 fromEpoch,
        uint64 revision
    );

    /// @notice The gateways of `customer` are reached at `url`; empty when they are nowhere.
    event EndpointSet(address indexed customer, string url, uint64 revision);

    /// @notice `from` added `amount` wei to the balance of `customer`.
    event Deposited(address indexed customer, address indexed from, uint256 amount);

    /// @notice `amount` wei of the customer's balance thaw in all, and can be withdrawn from `withdrawableAt` (unix
    /// seconds) on.
    event ThawStarted(address indexed customer, uint256 amount, uint256 withdrawableAt);

    /// @notice Nothing of the customer's balance thaws any more; `amount` wei did.
    event ThawCancelled(address indexed customer, uint256 amount);

    /// @notice The customer took `amount` thawed wei back.
    event Withdrawn(address indexed customer, uint256 amount);

    /// @notice A voucher was paid, wholly or as far as cap and balance, or the programme's share, reached.
    /// @param promised What the voucher promises for the epoch, in wei.
    /// @param amount What was paid now, in wei.
    /// @param paid What the customer has paid for the epoch in all, in wei.
    event VoucherCollected(
        address indexed customer,
        uint32 indexed epoch,
        uint96 promised,
        uint96 amount,
        uint96 paid,
        uint64 revision
    );

    /// @notice An epoch is final: `delta` wei went to the distributor, `credited` of the `fee` wei to the quorum, the
    /// rest of the fee was burned, and `refundable` wei wait for the customers that paid more than counted.
    event EpochSettled(
        uint32 indexed epoch,
        uint96 delta,
        uint96 fee,
        uint96 credited,
        uint96 refundable
    );

    /// @notice What `customer` paid for `epoch` and did not count, `amount` wei, is back in its balance, or in the
    /// programme when it was an inspector.
    event Refunded(address indexed customer, uint32 indexed epoch, uint96 amount);

    /// @notice Nothing can be collected any more. What was collected for epochs after `lastEpoch` is refundable.
    event EscrowClosed(uint32 lastEpoch);

    /// @notice The thaw time must be at least `least`, two epochs and the grace, and at most `most`; in seconds.
    error ThawOutOfRange(uint256 thawSeconds, uint256 least, uint256 most);

    /// @notice The caller is not admitted in the next epoch.
    error CustomerUnknown(address caller);

    /// @notice More would thaw than the customer has, both in wei.
    error ThawExceedsBalance(uint256 thawing, uint256 balance);

    /// @notice Nothing of the customer's balance thaws.
    error NothingThawing(address customer);

    /// @notice The thaw is not over before `withdrawableAt` (unix seconds).
    error StillThawing(uint256 withdrawableAt);

    /// @notice Vouchers are collected for `collectable` alone, the earliest epoch that is not sealed, once it has begun.
    error EpochNotCollectable(uint32 epoch, uint32 collectable);

    /// @notice The voucher's signer is not a key of this customer in the voucher's epoch.
    error KeyUnknown(address customer, address key, uint32 epoch);

    /// @notice The epoch is not final, and the ledger is not closed.
    error EpochNotSettled(uint32 epoch);

    /// @notice The customer took its refund of that epoch.
    error AlreadyRefunded(address customer, uint32 epoch);

    /// @notice The lines do not lead to the epoch's invoice root, or do not show where the customer's lines end.
    error InvalidOpening(uint32 position);

    // Constants

    /// @notice The role that admits and dismisses customers.
    function ADMISSION_ROLE() external view returns (bytes32);

    /// @notice The longest thaw time, in seconds: two epochs of the longest, and some.
    function MAX_THAW_SECONDS() external view returns (uint256);

    // Parameters

    /// @notice The token that customers pay with, an {ILinkToken}.
    function token() external view returns (IERC20);

    /// @notice Pays what inspectors promise.
    function programme() external view returns (IRewardProgramme);

    /// @notice How long a thaw takes, in seconds.
    function thawSeconds() external view returns (uint256);

    // Admission

    /// @notice Admits `customer` from the next epoch on. Only the admission role. Emits {CustomerAdmitted}.
    function admit(address customer) external;

    /// @notice Dismisses `customer` from the next epoch on; vouchers for epochs before that stay collectable. Only the
    /// admission role. Emits {CustomerDismissed}.
    function dismiss(address customer) external;

    /// @notice Whether receipts and vouchers of `customer` are valid in `epoch`; false for one never admitted.
    /// @dev For a future epoch it is what is scheduled now.
    function isCustomerAt(address customer, uint32 epoch) external view returns (bool);

    // Keys

    /// @notice Lets `key` sign for the caller from the next epoch on, vouchers for at most `cap` wei an epoch; with a
    /// cap of 0 it no longer signs. Emits {KeySet}.
    function setKey(address key, uint96 cap) external;

    /// @notice The most that is collected for `epoch` on vouchers of `customer` that `key` signed, in wei; 0 when it
    /// does not sign for it, or the customer is not admitted then.
    /// @dev For a future epoch it is what is scheduled now.
    function capAt(address customer, address key, uint32 epoch) external view returns (uint96);

    // Endpoints

    /// @notice Publishes where the gateways of the caller, a customer in the next epoch, are, at once; an empty text
    /// withdraws it. At most 256 bytes of printable ASCII. Emits {EndpointSet}.
    function setEndpoint(string calldata url) external;

    // Balances

    /// @notice Moves `amount` wei from the caller, who must have allowed it, to its balance here. Emits {Deposited}.
    function deposit(uint256 amount) external;

    /// @notice The same, allowed by an ERC-2612 permit of the caller's over exactly `amount`. Emits {Deposited}.
    /// @dev A permit that somebody else has sent already does no harm: then the allowance is there.
    function depositWithPermit(
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Moves `amount` wei from the caller, who must have allowed it, to the balance of `customer`. What thaws
    /// there goes on as it was. Emits {Deposited}.
    function depositFor(address customer, uint256 amount) external;

    /// @notice What `customer` holds here, in wei, thawing or not; 0 when nothing was deposited.
    /// @dev Who serves a customer counts on this less what thaws, see {thawOf}: a thaw that is over can be withdrawn at
    /// any later time. What a customer paid too much for an epoch is not here until {refund} brings it back.
    function balanceOf(address customer) external view returns (uint256);

    // Thaws

    /// @notice Starts to thaw another `amount` wei of the caller's balance; all that thaws can then be withdrawn
    /// {thawSeconds} from now. Emits {ThawStarted}.
    /// @dev What thaws stays collectable. A further thaw also puts off the end of the one before.
    function thaw(uint256 amount) external;

    /// @notice Stops the caller's thaw, all of it. Emits {ThawCancelled}.
    function cancelThaw() external;

    /// @notice Pays the caller what has thawed. Emits {Withdrawn}.
    function withdraw() external;

    /// @notice What thaws of a customer's balance, in wei, and from when on it can be withdrawn (unix seconds). With an
    /// `amount` of 0 nothing thaws, and the time says nothing.
    function thawOf(address customer) external view returns (uint96 amount, uint40 withdrawableAt);

    // Payments

    /// @notice Takes what each voucher promises and was not yet paid, as far as the key's cap and the customer's
    /// balance reach, or the programme's share when the customer is an inspector; by anyone. Emits {VoucherCollected}
    /// for each that brings something.
    /// @dev All for the {collectableEpoch}. What is not covered stays owed until the epoch's seal time. A voucher that
    /// brings nothing is passed over, so that somebody else's call cannot spoil a batch. A running thaw is cut to what
    /// is left.
    /// @param signatures EIP-712 signatures over the vouchers, each by a key of its customer in the voucher's epoch.
    /// @return amount What was taken now, in wei.
    function collect(
        Voucher[] calldata vouchers,
        CompactSignature[] calldata signatures
    ) external returns (uint256 amount);

    /// @notice The one epoch that vouchers are collected for: the earliest that is not sealed, at least 1.
    function collectableEpoch() external view returns (uint32);

    /// @notice What `customer` paid for `epoch`, in wei; 0 when nothing. Final from the epoch's seal time on.
    function paid(address customer, uint32 epoch) external view returns (uint256);

    /// @notice What all customers paid for `epoch`, in wei; 0 when nothing. Final from the epoch's seal time on.
    function fund(uint32 epoch) external view returns (uint256);

    /// @notice The EIP-712 digest of a voucher, as a key of its customer signs it.
    function voucherDigest(Voucher calldata voucher) external view returns (bytes32);

    // Refunds

    /// @notice Puts what `customer` paid for a final epoch and did not count back into its balance, or into the
    /// programme when it was an inspector in that epoch; by anyone, once. Emits {Refunded}.
    /// @dev All refunds of an epoch never take more than its fund less what it released and its fee. When the ledger is
    /// closed, what was paid for an epoch that is not final comes back whole, without openings.
    /// @param openings The customer's last line and the line after it, or the two lines between which the customer's
    /// would stand; at the beginning or end of the table the one line there; none when the epoch has no lines.
    /// @return amount What came back, in wei.
    function refund(
        uint32 epoch,
        address customer,
        InvoiceOpening[] calldata openings
    ) external returns (uint96 amount);

    /// @notice Whether the refund of `customer` for `epoch` was taken.
    function isRefunded(address customer, uint32 epoch) external view returns (bool);

    /// @notice What an epoch came to; zeros before anything was paid for it.
    function epochAccountOf(uint32 epoch) external view returns (EpochAccount memory);

    // Settlement

    /// @notice Pays out an epoch that became final: `delta` wei to the distributor, `credited` wei to the quorum; burns
    /// the rest of the fee and makes the rest of the fund refundable. Only the ledger. Emits {EpochSettled}.
    function settle(
        uint32 epoch,
        uint96 delta,
        uint96 fee,
        uint96 credited,
        bytes32 invoiceRoot,
        uint32 contributions
    ) external;

    /// @notice Ends collecting for good; what was paid for epochs after `lastEpoch` becomes refundable. Only the
    /// ledger, when it is closed. Emits {EscrowClosed}.
    function close(uint32 lastEpoch) external;
}
