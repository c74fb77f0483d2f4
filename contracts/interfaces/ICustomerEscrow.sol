// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CompactSignature} from "../libraries/CompactSignature.sol";
import {IEpochClock} from "./IEpochClock.sol";
import {ILedgerLink} from "./ILedgerLink.sol";

/// @title ICustomerEscrow
/// @notice Customers, the keys of their gateways, and the tokens with which they pay for what they received.
/// @dev Who is admitted and which keys sign in an epoch is settled when it begins; what was paid for an epoch, at its
/// seal time. A voucher names neither a recipient nor a cut: what is collected goes to the ledger. Governance is
/// whoever holds `DEFAULT_ADMIN_ROLE` of AccessControl; it grants and revokes all roles.
interface ICustomerEscrow is IEpochClock, ILedgerLink {
    /// @notice A customer's promise.
    /// @param customer Who pays.
    /// @param epoch The epoch the promise reaches up to.
    /// @param cumulative All the customer owes, from its admission up to and with `epoch`, in wei.
    struct Voucher {
        address customer;
        uint32 epoch;
        uint96 cumulative;
    }

    /// @notice Receipts of `customer` count from `fromEpoch` on.
    event CustomerAdmitted(address indexed customer, uint32 fromEpoch);

    /// @notice Receipts of `customer` no longer count from `fromEpoch` on.
    event CustomerDismissed(address indexed customer, uint32 fromEpoch);

    /// @notice `key` signs for `customer` from `fromEpoch` on.
    event KeyAdded(address indexed customer, address indexed key, uint32 fromEpoch);

    /// @notice `key` no longer signs for `customer` from `fromEpoch` on.
    event KeyRemoved(address indexed customer, address indexed key, uint32 fromEpoch);

    /// @notice `from` added `amount` wei to the balance of `customer`.
    event Deposited(address indexed customer, address indexed from, uint256 amount);

    /// @notice `amount` wei of the customer's balance thaw in all, and can be withdrawn from `withdrawableAt` (unix
    /// seconds) on.
    event ThawStarted(address indexed customer, uint256 amount, uint256 withdrawableAt);

    /// @notice Nothing of the customer's balance thaws any more; `amount` wei did.
    event ThawCancelled(address indexed customer, uint256 amount);

    /// @notice The customer took `amount` thawed wei back.
    event Withdrawn(address indexed customer, uint256 amount);

    /// @notice A voucher was paid, wholly or as far as the balance reached.
    /// @param epoch The voucher's epoch.
    /// @param countedEpoch The epoch the amount counts for: the voucher's until its seal time, then the current one.
    /// @param cumulative What the voucher promises in all, in wei.
    /// @param amount What was paid now, in wei.
    /// @param collected What the customer has paid in all, in wei.
    event VoucherCollected(
        address indexed customer,
        uint32 indexed epoch,
        uint32 indexed countedEpoch,
        uint96 cumulative,
        uint96 amount,
        uint96 collected
    );

    /// @notice The thaw time must be at least `least`: two epochs and the grace, in seconds.
    error ThawTooShort(uint256 thawSeconds, uint256 least);

    /// @notice More would thaw than the customer has, both in wei.
    error ThawExceedsBalance(uint256 thawing, uint256 balance);

    /// @notice Nothing of the customer's balance thaws.
    error NothingThawing(address customer);

    /// @notice The thaw is not over before `withdrawableAt` (unix seconds).
    error StillThawing(uint256 withdrawableAt);

    /// @notice The voucher's epoch has not begun, or is zero.
    error EpochNotStarted(uint32 epoch, uint32 currentEpoch);

    /// @notice The voucher's signer is not a key of this customer in the voucher's epoch.
    error KeyUnknown(address customer, address key, uint32 epoch);

    // Constants

    /// @notice The role that admits and dismisses customers.
    function ADMISSION_ROLE() external view returns (bytes32);

    // Parameters

    /// @notice The token that customers pay with, an {ILinkToken}.
    function token() external view returns (IERC20);

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

    /// @notice Lets `key` sign for the caller from the next epoch on. Emits {KeyAdded}.
    function addKey(address key) external;

    /// @notice Stops `key` from signing for the caller from the next epoch on. Emits {KeyRemoved}.
    function removeKey(address key) external;

    /// @notice Whether `key` signs for `customer` in `epoch`; false when the customer is not admitted then.
    /// @dev For a future epoch it is what is scheduled now.
    function isKeyAt(address customer, address key, uint32 epoch) external view returns (bool);

    // Balances

    /// @notice Moves `amount` wei from the caller, who must have allowed it, to its balance here. Emits {Deposited}.
    function deposit(uint256 amount) external;

    /// @notice Moves `amount` wei from the caller, who must have allowed it, to the balance of `customer`. What thaws
    /// there goes on as it was. Emits {Deposited}.
    function depositFor(address customer, uint256 amount) external;

    /// @notice What `customer` holds here, in wei, thawing or not; 0 when nothing was deposited.
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

    /// @notice Pays the ledger what the voucher promises and was not yet paid, as far as the balance reaches; by
    /// anyone. Emits {VoucherCollected}.
    /// @dev What the balance does not cover stays owed and can be collected with the same voucher later. When nothing
    /// is owed or the balance is empty, the call does not revert: `amount` is zero and nothing is emitted.
    /// @param signature EIP-712 signature over the voucher by a key of the customer in the voucher's epoch.
    /// @return amount What was paid now, in wei.
    function collect(
        Voucher calldata voucher,
        CompactSignature calldata signature
    ) external returns (uint256 amount);

    /// @notice What `customer` has paid in all, in wei; 0 when nothing.
    function collected(address customer) external view returns (uint256);

    /// @notice What `customer` paid that counts for `epoch`, in wei; 0 when nothing. Final from the epoch's seal time
    /// on.
    function paid(address customer, uint32 epoch) external view returns (uint256);

    /// @notice What all customers paid that counts for `epoch`, in wei; 0 when nothing. Final from the epoch's seal
    /// time on.
    function fund(uint32 epoch) external view returns (uint256);

    /// @notice The EIP-712 digest of a voucher, as a key of its customer signs it.
    function voucherDigest(Voucher calldata voucher) external view returns (bytes32);
}
