// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IGuarded} from "./IGuarded.sol";
import {ILedgerLink} from "./ILedgerLink.sol";

/// @title IRewardDistributor
/// @notice Pays accounts what final reward roots promise them.
/// @dev Rewards are cumulative: one claim against any final root pays everything up to that root's epoch that was not
/// claimed before. Every final root stays claimable for ever, in any order. The contract holds exactly what the ledger
/// released and was not yet claimed; donations aside. Governance is whoever holds `DEFAULT_ADMIN_ROLE` of
/// AccessControl; it names the guardian, and has no other power here.
interface IRewardDistributor is IGuarded, ILedgerLink {
    /// @notice One account's leaf under the root of one epoch.
    /// @param epoch A final epoch.
    /// @param index The account's registry index: the position of its leaf.
    /// @param account Who earned.
    /// @param cumulative All the account has earned up to and with `epoch`, in wei.
    /// @param prefix The sum of all earlier leaves' cumulatives, in wei.
    /// @param proof The siblings from the leaf's level upwards.
    struct Claim {
        uint32 epoch;
        uint32 index;
        address account;
        uint96 cumulative;
        uint96 prefix;
        bytes32[] proof;
    }

    /// @notice The ledger released an epoch: its root can be claimed against.
    /// @param total The sum of all accounts' cumulative rewards, in wei.
    /// @param leaves How many leaves the tree has.
    event RootPublished(uint32 indexed epoch, bytes32 root, uint96 total, uint32 leaves);

    /// @notice `payee` got `amount` wei that `account` earned; in all, `account` has now claimed `cumulative` wei.
    event Claimed(
        address indexed account,
        address indexed payee,
        uint32 indexed epoch,
        uint96 amount,
        uint96 cumulative
    );

    /// @notice What `account` earns is paid to `payee` from now on; to the account itself when zero.
    event PayeeSet(address indexed account, address indexed payee);

    /// @notice Claims are paused until `until` (unix seconds) at the latest.
    event ClaimsPaused(uint256 until);

    /// @notice Claims are possible again.
    event ClaimsResumed();

    /// @notice The epoch has no final root, or an empty one.
    error RootUnknown(uint32 epoch);

    /// @notice The leaf is not under the root of that epoch at that index.
    error InvalidProof(uint32 epoch, uint32 index, address account);

    /// @notice The leaf's slice ends beyond the root's total; both in wei.
    error SliceBeyondTotal(uint256 sliceEnd, uint256 total);

    /// @notice A contract of the suite cannot be a payee: tokens sent there would be lost.
    error PayeeNotAllowed(address payee);

    /// @notice The signature's deadline (unix seconds) has passed.
    error SignatureExpired(uint256 deadline);

    /// @notice The signature is not the account's.
    error InvalidAccountSignature(address account);

    /// @notice Claims are paused until `until` (unix seconds).
    error PausedUntil(uint256 until);

    /// @notice The next pause is possible from `from` (unix seconds) on.
    error PauseNotAllowedBefore(uint256 from);

    // Constants

    /// @notice How long a pause lasts at most, in seconds.
    function PAUSE_SECONDS() external view returns (uint256);

    /// @notice How long after a pause would have ended by itself the next one may start, in seconds.
    function PAUSE_COOLDOWN_SECONDS() external view returns (uint256);

    // Parameters

    /// @notice The token that owners earn, an {ILinkToken}.
    function token() external view returns (IERC20);

    // Claims

    /// @notice Pays each claim's account, or its payee, what it has earned and not yet claimed; by anyone.
    /// @dev A claim that brings nothing new is passed over, so that somebody else's claim cannot spoil a batch. A bad
    /// proof or a slice beyond the total reverts the batch. Emits {Claimed} for each payment.
    function claim(Claim[] calldata claims) external;

    /// @notice What `account` has claimed in all, in wei; 0 when nothing.
    function claimed(address account) external view returns (uint256);

    // Payees

    /// @notice Lets `payee` receive what the caller earns; zero restores the caller. Signatures of the caller for
    /// {setPayeeBySig} that were not used are void. Emits {PayeeSet}.
    function setPayee(address payee) external;

    /// @notice Lets `payee` receive what `account` earns, for an account that signs instead of sending: an EOA, one
    /// with EIP-7702 code too, or an ERC-1271 wallet; zero restores the account. Emits {PayeeSet}.
    /// @param deadline Unix time after which the signature is void, in seconds.
    /// @param signature The account's over the EIP-712 struct `SetPayee(account, payee, nonces(account), deadline)`.
    function setPayeeBySig(
        address account,
        address payee,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Who receives what `account` earns: its payee, or itself when it has none.
    function payeeOf(address account) external view returns (address);

    /// @notice The nonce that the next `SetPayee` of `account` must carry; 0 before the first, one more after each
    /// change of its payee.
    function nonces(address account) external view returns (uint256);

    // Pauses

    /// @notice Pauses claims for {PAUSE_SECONDS}. Only the guardian, and not again before the cool-down is over.
    /// Emits {ClaimsPaused}.
    function pause() external;

    /// @notice Ends a pause early; the cool-down is not shortened. Only the guardian. Emits {ClaimsResumed}.
    function resume() external;

    /// @notice Until when claims are paused (unix seconds); 0 or in the past when they are not.
    function pausedUntil() external view returns (uint256);

    // Roots

    /// @notice Makes an epoch's root claimable. Only the ledger, which moves the epoch's tokens here in the same
    /// transaction. Emits {RootPublished}.
    /// @param total The sum of all accounts' cumulative rewards, in wei.
    /// @param leaves How many leaves the tree has; none can be claimed when zero.
    function publish(uint32 epoch, bytes32 root, uint96 total, uint32 leaves) external;

    /// @notice The newest final epoch; 0 when there is none.
    function latestEpoch() external view returns (uint32);

    /// @notice What was published for an epoch, `total` in wei; zeros when it is not final.
    function rootOf(uint32 epoch) external view returns (bytes32 root, uint96 total, uint32 leaves);
}
