// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Receipt} from "../libraries/Receipts.sol";
import {IEpochClock} from "./IEpochClock.sol";
import {ILawEvents} from "./ILawEvents.sol";
import {ISharedErrors} from "./ISharedErrors.sol";

/// @title IDeviceRegistry
/// @notice Which devices are authorised hardware, which account each one earns for, and the index of every account.
/// @dev `ownerAt(device, epoch)` stops changing when the epoch ends: bindings and transfers take effect in the next
/// epoch, and a revocation voids the running epoch at once but none that has ended. Governance is whoever holds
/// `DEFAULT_ADMIN_ROLE` of AccessControl; it grants and revokes all roles.
interface IDeviceRegistry is IEpochClock, ILawEvents, ISharedErrors {
    /// @notice What kind of key a device has; `None` for one that was never enrolled.
    enum KeyType {
        None,
        Secp256k1,
        P256
    }

    /// @notice A device's signature over an EIP-712 digest.
    /// @dev A secp256k1 key signs the digest, as EIP-2098 writes it. A P-256 key signs the SHA-256 of the digest, so that
    /// OpenSSL, WebCrypto and secure elements can make and check it as they are; its `s` is in the lower half.
    /// @param r The x coordinate of the nonce point.
    /// @param vs `s`; for secp256k1 with the parity of the nonce point in the highest bit.
    /// @param publicKey The 64 bytes x ‖ y of a P-256 key; ignored for secp256k1.
    struct DeviceSignature {
        bytes32 r;
        bytes32 vs;
        bytes publicKey;
    }

    /// @notice An oracle member's word that it has stored the receipts of one request.
    /// @param root The root over the receipts' digests, in the order of the request.
    /// @param receipts How many they are.
    /// @param storedAt When it had stored them, by its clock, in unix seconds.
    struct Acknowledgement {
        bytes32 root;
        uint32 receipts;
        uint64 storedAt;
    }

    /// @notice The most of each resource that one device of a class can plausibly deliver in one epoch.
    /// @param egressBytes Bytes delivered.
    /// @param storageByteSeconds Bytes kept times seconds.
    /// @param computeMilliseconds vCPU milliseconds.
    struct ClassLimit {
        uint64 egressBytes;
        uint96 storageByteSeconds;
        uint64 computeMilliseconds;
    }

    /// @notice A device's consent to earn for an account.
    /// @param device An enrolled device that is not revoked.
    /// @param account Who will earn what the device earns.
    /// @param nonce When it was signed, in unix seconds; higher than in every consent of the device that was used before.
    /// @param deadline Unix time after which the consent is void, in seconds.
    struct Bind {
        address device;
        address account;
        uint64 nonce;
        uint256 deadline;
    }

    /// @notice A device was authorised. It earns nothing until it is bound to an account.
    /// @param deviceClass Its class; spelled so everywhere, as `class` is a reserved word in the types made of the ABI.
    /// @param publicKey The 64 bytes x ‖ y of a P-256 key; empty for secp256k1.
    event DeviceEnrolled(
        address indexed device,
        uint8 deviceClass,
        bytes publicKey,
        uint64 revision
    );

    /// @notice The limit of a class changes from `fromEpoch` on.
    event ClassLimitSet(
        uint8 indexed deviceClass,
        uint32 fromEpoch,
        uint64 egressBytes,
        uint96 storageByteSeconds,
        uint64 computeMilliseconds,
        uint64 revision
    );

    /// @notice An account got its permanent index: it has a leaf from `fromEpoch` on.
    event AccountIndexed(address indexed account, uint32 index, uint32 fromEpoch, uint64 revision);

    /// @notice A device earns for `account` from `fromEpoch` on.
    event DeviceBound(
        address indexed device,
        address indexed account,
        uint32 fromEpoch,
        uint64 revision
    );

    /// @notice The account of a device offers it to another, or withdraws its offer when `to` is zero.
    event TransferOffered(address indexed device, address indexed from, address indexed to);

    /// @notice The offer was accepted: the device earns for `to` from `fromEpoch` on.
    event DeviceTransferred(
        address indexed device,
        address indexed from,
        address indexed to,
        uint32 fromEpoch,
        uint64 revision
    );

    /// @notice A device is no longer authorised, for this reason; `fromEpoch` is the epoch that was running, or 1 before
    /// genesis.
    event DeviceRevoked(address indexed device, uint32 fromEpoch, string reason, uint64 revision);

    /// @notice The device is enrolled already.
    error DeviceAlreadyEnrolled(address device);

    /// @notice The device was never enrolled.
    error DeviceUnknown(address device);

    /// @notice The device is bound to an account already; only that account may pass it on.
    error DeviceAlreadyBound(address device, address account);

    /// @notice The consent's nonce is over `most`, {CONSENT_AHEAD_SECONDS} past the block's time: who sells a device could
    /// else keep a consent that outranks all the buyer's.
    error ConsentFromFuture(address device, uint64 nonce, uint256 most);

    /// @notice The device was revoked, which is final.
    error DeviceIsRevoked(address device, uint32 fromEpoch);

    /// @notice The caller is not the account the device is bound to.
    error NotDeviceAccount(address device, address caller, address account);

    /// @notice The device was not offered to the caller.
    error TransferNotOffered(address device, address caller, address offeredTo);

    /// @notice The device's account changed not long ago, or is about to: the next change is possible in `fromEpoch`.
    error ChangeAlreadyScheduled(address device, uint32 fromEpoch);

    /// @notice The binding's deadline (unix seconds) has passed.
    error BindingExpired(uint256 deadline);

    /// @notice The consent was not signed by the device's key.
    error NotSignedByDevice(address device);

    /// @notice These are not the 64 bytes of a point of P-256.
    error InvalidPublicKey(bytes publicKey);

    /// @notice The device has a P-256 key, and it is not this one.
    error PublicKeyMismatch(address device, bytes publicKey);

    // Constants

    /// @notice The role that enrols and revokes devices.
    function MANUFACTURER_ROLE() external view returns (bytes32);

    /// @notice The value of {indexOf} for an account that was never bound: 2^256 − 1.
    function NO_INDEX() external view returns (uint256);

    // Devices

    /// @notice Authorises `devices` with secp256k1 keys as hardware of `deviceClass`. Only the manufacturer. Emits
    /// {DeviceEnrolled} for each.
    /// @dev Reverts when one is zero or enrolled already.
    function enrol(address[] calldata devices, uint8 deviceClass) external;

    /// @notice The same for devices with P-256 keys, such as secure elements have. A device's address is the last 20 bytes
    /// of the keccak256 of its key.
    /// @dev Reverts when a key is no point of the curve, or its device enrolled already.
    /// @param publicKeys The keys, 64 bytes x ‖ y each.
    function enrolP256(bytes[] calldata publicKeys, uint8 deviceClass) external;

    /// @notice Revokes `devices` for good: the running epoch and all later ones. Only the manufacturer.
    /// Emits {DeviceRevoked} for each; one that is revoked already is passed over.
    /// @dev Reverts when one was never enrolled.
    /// @param reason What its owner is told: at most 256 bytes of printable ASCII.
    function revoke(address[] calldata devices, string calldata reason) external;

    /// @notice The key, the class and the state of a device; zeros for one that was never enrolled.
    /// @return keyType What kind of key it has.
    /// @return deviceClass Its class.
    /// @return revokedFrom The first epoch it is void for; 0 when not revoked. A device revoked before genesis gives 1.
    /// @return account The account it is bound to by its latest change, in effect or scheduled; zero when unbound.
    /// @return offeredTo Whom it is offered to; zero when to nobody.
    function deviceOf(
        address device
    )
        external
        view
        returns (
            KeyType keyType,
            uint8 deviceClass,
            uint32 revokedFrom,
            address account,
            address offeredTo
        );

    /// @notice Whether the key of `device` signed `digest`; false for a signature that is none, and for a device that was
    /// never enrolled.
    /// @dev Reverts with {PublicKeyMismatch} when the device has another P-256 key. Where the chain has no precompile for
    /// P-256 (EIP-7951), a check takes some 200,000 gas.
    function isSignedBy(
        address device,
        bytes32 digest,
        DeviceSignature calldata signature
    ) external view returns (bool);

    // Class limits

    /// @notice Sets the limit of `deviceClass` from the next epoch on. Only governance. Emits {ClassLimitSet}.
    function setClassLimit(uint8 deviceClass, ClassLimit calldata limit) external;

    /// @notice The limit of `deviceClass` in force in `epoch`; zeros when none was set.
    /// @dev For a future epoch it is what is scheduled now.
    function limitAt(uint8 deviceClass, uint32 epoch) external view returns (ClassLimit memory);

    // Bindings and transfers

    /// @notice The most bindings of one device in an epoch: no epoch adds more accounts than these for each device.
    function MAX_BINDINGS_PER_EPOCH() external view returns (uint256);

    /// @notice How far a consent's nonce may be ahead of the block's time, in seconds: the device's clock may be wrong.
    function CONSENT_AHEAD_SECONDS() external view returns (uint256);

    /// @notice Binds each consent's device to its account, from the next epoch on. By anyone who holds the devices'
    /// signatures.
    /// @dev Emits {AccountIndexed} on an account's first binding, and {DeviceBound}. A consent that is no fresher than
    /// {nonceOf} is void, and passed over, so that somebody else's call does not spoil a batch. A device can be bound
    /// when it is bound to no account; and by a fresher consent instead of the one it was bound with, as long as that
    /// binding has not been in effect for a whole epoch: who sold a device can outrun its buyer with older consents for
    /// no longer than he has two of them an epoch.
    /// @param signatures EIP-712 signatures over the consents, each by the key of its device.
    function bind(Bind[] calldata consents, DeviceSignature[] calldata signatures) external;

    /// @notice Offers the caller's device to another account, or withdraws the offer with zero. Emits
    /// {TransferOffered}.
    function transfer(address device, address to) external;

    /// @notice Accepts an offered device, from the next epoch on. Emits {AccountIndexed} on the account's first device,
    /// and {DeviceTransferred}.
    /// @dev Once an epoch at most, and not before a binding has been in effect for a whole epoch, in which a fresher
    /// consent can replace it: no epoch adds more accounts than {MAX_BINDINGS_PER_EPOCH} for each device.
    function acceptTransfer(address device) external;

    /// @notice The account that `device` earned for in `epoch`; zero when unknown, unbound or revoked.
    /// @dev Final once the epoch has ended. For a future epoch it is what is scheduled now.
    function ownerAt(address device, uint32 epoch) external view returns (address);

    /// @notice The nonce of the freshest consent that `device` was bound with; 0 before the first.
    function nonceOf(address device) external view returns (uint64);

    // Accounts

    /// @notice How many accounts have an index; the next account to get one gets this number.
    function accounts() external view returns (uint32);

    /// @notice How many accounts have a leaf in `epoch`: those whose first binding takes effect by then.
    /// @dev For a future epoch it is what is scheduled now.
    function accountsAt(uint32 epoch) external view returns (uint32);

    /// @notice The permanent index of `account`, or {NO_INDEX}.
    function indexOf(address account) external view returns (uint256);

    // Receipts

    /// @notice The EIP-712 digest of a receipt, as its device and a key of its customer sign it.
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32);

    /// @notice The EIP-712 digest of an acknowledgement, as a member signs it.
    function acknowledgementDigest(
        Acknowledgement calldata acknowledgement
    ) external view returns (bytes32);
}
