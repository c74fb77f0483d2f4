// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EpochClock} from "./EpochClock.sol";
import {Guarded} from "./Guarded.sol";
import {LedgerLink} from "./LedgerLink.sol";
import {IEpochClock} from "./interfaces/IEpochClock.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {RewardLeaf, RewardLeaves} from "./libraries/RewardLeaf.sol";
import {Tree} from "./libraries/Tree.sol";

/// @title RewardDistributor
/// @notice Implements {IRewardDistributor}, where each function is described.
contract RewardDistributor is IRewardDistributor, Guarded, LedgerLink, EIP712, Nonces {
    using RewardLeaves for RewardLeaf;
    using SafeERC20 for IERC20;
    using Tree for bytes32;

    /// @dev `claimed` in wei; `payee` is zero while the account itself is paid.
    struct Account {
        uint96 claimed;
        address payee;
    }

    /// @dev `total` in wei.
    struct Root {
        bytes32 root;
        uint96 total;
        uint32 leaves;
    }

    // Constants

    uint256 public constant PAUSE_SECONDS = 3 days;
    uint256 public constant PAUSE_COOLDOWN_SECONDS = 30 days;

    bytes32 private constant SET_PAYEE_TYPEHASH = keccak256(
        "SetPayee(address account,address payee,uint256 nonce,uint256 deadline)"
    );

    // Parameters

    IERC20 public immutable token;

    address private immutable REGISTRY;
    address private immutable PROGRAMME;
    address private immutable ESCROW;
    address private immutable QUORUM;

    // State

    uint32 public latestEpoch;

    uint40 private _pausedUntil;
    uint40 private _nextPauseAt;

    // The newest root's total and leaves once more, in the slot that every claim reads for the pause: a claim against
    // this root reads one slot less.
    uint96 private _latestTotal;
    uint32 private _latestLeaves;

    mapping(uint32 epoch => Root) public rootOf;

    mapping(address account => Account) private _accounts;

    /// @param token_ The LinkToken.
    /// @param registry The DeviceRegistry, whose clock is copied: like the next three, it cannot be a payee.
    /// @param programme The RewardProgramme.
    /// @param escrow The CustomerEscrow.
    /// @param quorum The OracleQuorum.
    /// @param governance Who names the guardian.
    /// @param guardian Who may pause claims.
    constructor(
        IERC20 token_,
        IEpochClock registry,
        address programme,
        address escrow,
        address quorum,
        address governance,
        address guardian
    )
        EpochClock(registry.genesis(), registry.epochSeconds(), registry.graceSeconds())
        Guarded(guardian)
        EIP712("LinkRewards", "1")
    {
        require(
            address(token_) != address(0) &&
                programme != address(0) &&
                escrow != address(0) &&
                quorum != address(0) &&
                governance != address(0),
            ZeroAddress()
        );
        token = token_;
        REGISTRY = address(registry);
        PROGRAMME = programme;
        ESCROW = escrow;
        QUORUM = quorum;
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
    }

    // Claims

    function claim(Claim[] calldata claims) external {
        require(block.timestamp >= _pausedUntil, PausedUntil(_pausedUntil));
        for (uint256 i = 0; i < claims.length; ++i) _claim(claims[i]);
    }

    function claimed(address account) external view returns (uint256) {
        return _accounts[account].claimed;
    }

    function _claim(Claim calldata c) private {
        RewardLeaf memory leaf = RewardLeaf(c.account, c.cumulative, c.prefix);
        Account storage account = _accounts[leaf.account];
        uint96 before = account.claimed;
        if (leaf.cumulative <= before) return;
        Root storage published = rootOf[c.epoch];
        (uint96 total, uint32 leaves) = c.epoch == latestEpoch
            ? (_latestTotal, _latestLeaves)
            : (published.total, published.leaves);
        require(leaves != 0, RootUnknown(c.epoch));
        uint256 end = leaf.end();
        require(end <= total, SliceBeyondTotal(end, total));
        require(
            published.root.contains(leaves, c.index, leaf.hash(), c.proof),
            InvalidProof(c.epoch, c.index, leaf.account)
        );

        uint96 amount = leaf.cumulative - before;
        address payee = _payeeOf(account, leaf.account);
        account.claimed = leaf.cumulative;
        emit Claimed(leaf.account, payee, c.epoch, amount, leaf.cumulative);
        token.safeTransfer(payee, amount);
    }

    // Payees

    function setPayee(address payee) external {
        // What the account signed before must not come after what it sends now.
        _useNonce(msg.sender);
        _setPayee(msg.sender, payee);
    }

    function setPayeeBySig(
        address account,
        address payee,
        uint256 deadline,
        bytes calldata signature
    ) external {
        require(block.timestamp <= deadline, SignatureExpired(deadline));
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(SET_PAYEE_TYPEHASH, account, payee, _useNonce(account), deadline))
        );
        // The account's own key first: an EOA with EIP-7702 code is still an EOA, whatever its code answers.
        (address signer, , ) = ECDSA.tryRecoverCalldata(digest, signature);
        require(
            (signer == account && account != address(0)) ||
                SignatureChecker.isValidERC1271SignatureNowCalldata(account, digest, signature),
            InvalidAccountSignature(account)
        );
        _setPayee(account, payee);
    }

    function payeeOf(address account) public view returns (address) {
        return _payeeOf(_accounts[account], account);
    }

    function nonces(
        address owner
    ) public view override(IRewardDistributor, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _payeeOf(Account storage state, address account) private view returns (address) {
        address payee = state.payee;
        return payee == address(0) ? account : payee;
    }

    function _setPayee(address account, address payee) private {
        require(
            payee != address(this) &&
                payee != address(token) &&
                payee != REGISTRY &&
                payee != PROGRAMME &&
                payee != ESCROW &&
                payee != QUORUM &&
                (payee != ledger || payee == address(0)),
            PayeeNotAllowed(payee)
        );
        _accounts[account].payee = payee;
        emit PayeeSet(account, payee);
    }

    // Pauses

    function pause() external onlyGuardian {
        require(block.timestamp >= _nextPauseAt, PauseNotAllowedBefore(_nextPauseAt));
        uint256 until = block.timestamp + PAUSE_SECONDS;
        _pausedUntil = SafeCast.toUint40(until);
        _nextPauseAt = SafeCast.toUint40(until + PAUSE_COOLDOWN_SECONDS);
        emit ClaimsPaused(until);
    }

    function resume() external onlyGuardian {
        _pausedUntil = 0;
        emit ClaimsResumed();
    }

    function pausedUntil() external view returns (uint256) {
        return _pausedUntil;
    }

    // Roots

    function publish(uint32 epoch, bytes32 root, uint96 total, uint32 leaves) external onlyLedger {
        latestEpoch = epoch;
        _latestTotal = total;
        _latestLeaves = leaves;
        rootOf[epoch] = Root(root, total, leaves);
        emit RootPublished(epoch, root, total, leaves);
    }
}
