// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {LawEvents} from "./LawEvents.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {PrintableText} from "./libraries/PrintableText.sol";
import {Receipt, Receipts} from "./libraries/Receipts.sol";

/// @title DeviceRegistry
/// @notice Implements {IDeviceRegistry}, where each function is described.
contract DeviceRegistry is IDeviceRegistry, EpochClock, LawEvents, AccessControl, EIP712 {
    using Checkpoints for Checkpoints.Trace160;
    using Checkpoints for Checkpoints.Trace256;
    using PrintableText for string;
    using Receipts for Receipt;

    /// @dev `revokedFrom` is zero while not revoked, `offeredTo` while not offered. `nonce` is the one of the freshest
    /// consent that was used, `isByConsent` whether the latest change was a binding and no transfer, `bindings` how many
    /// of them were made in `boundIn`.
    struct Device {
        KeyType keyType;
        uint8 deviceClass;
        uint32 revokedFrom;
        address offeredTo;
        uint64 nonce;
        bool isByConsent;
        uint32 boundIn;
        uint8 bindings;
        Checkpoints.Trace160 accountByEpoch;
    }

    // Constants

    bytes32 public constant MANUFACTURER_ROLE = keccak256("MANUFACTURER_ROLE");
    uint256 public constant NO_INDEX = type(uint256).max;
    uint256 public constant MAX_BINDINGS_PER_EPOCH = 2;
    uint256 public constant CONSENT_AHEAD_SECONDS = 1 hours;

    bytes32 private constant BIND_TYPEHASH = keccak256(
        "Bind(address device,address account,uint64 nonce,uint256 deadline)"
    );
    bytes32 private constant ACKNOWLEDGEMENT_TYPEHASH = keccak256(
        "Acknowledgement(bytes32 root,uint32 receipts,uint64 storedAt)"
    );

    uint256 private constant P256_KEY_BYTES = 64;

    // State

    mapping(address device => Device) private _devices;
    Checkpoints.Trace160 private _accountsByEpoch;
    // Zero means that the account has no index.
    mapping(address account => uint256) private _indexPlusOne;
    mapping(uint8 deviceClass => Checkpoints.Trace256) private _limitByEpoch;

    /// @param genesis_ When epoch 1 begins, in unix seconds.
    /// @param epochSeconds_ Length of every epoch, in seconds.
    /// @param graceSeconds_ Time between the end of an epoch and its seal time, in seconds.
    /// @param governance Who sets the limits of classes, and grants and revokes roles.
    /// @param manufacturer Who enrols and revokes devices.
    constructor(
        uint256 genesis_,
        uint256 epochSeconds_,
        uint256 graceSeconds_,
        address governance,
        address manufacturer
    ) EpochClock(genesis_, epochSeconds_, graceSeconds_) EIP712("LinkRewards", "1") {
        require(governance != address(0) && manufacturer != address(0), ZeroAddress());
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
        _grantRole(MANUFACTURER_ROLE, manufacturer);
    }

    // Devices

    function enrol(
        address[] calldata devices,
        uint8 deviceClass
    ) external onlyRole(MANUFACTURER_ROLE) {
        for (uint256 i = 0; i < devices.length; ++i) {
            require(devices[i] != address(0), ZeroAddress());
            _enrol(devices[i], deviceClass, KeyType.Secp256k1, "");
        }
    }

    function enrolP256(
        bytes[] calldata publicKeys,
        uint8 deviceClass
    ) external onlyRole(MANUFACTURER_ROLE) {
        for (uint256 i = 0; i < publicKeys.length; ++i) {
            bytes calldata publicKey = publicKeys[i];
            require(_isPoint(publicKey), InvalidPublicKey(publicKey));
            _enrol(_addressOf(publicKey), deviceClass, KeyType.P256, publicKey);
        }
    }

    function _enrol(
        address device,
        uint8 deviceClass,
        KeyType keyType,
        bytes memory publicKey
    ) private {
        Device storage state = _devices[device];
        require(state.keyType == KeyType.None, DeviceAlreadyEnrolled(device));
        state.keyType = keyType;
        state.deviceClass = deviceClass;
        emit DeviceEnrolled(device, deviceClass, publicKey, _nextRevision());
    }

    function revoke(
        address[] calldata devices,
        string calldata reason
    ) external onlyRole(MANUFACTURER_ROLE) {
        require(reason.isPrintable(), TextNotPrintable());
        uint32 epoch = currentEpoch();
        // Nothing can be earned before genesis, so epoch 1 stands for "from the beginning" and zero for "not revoked".
        uint32 fromEpoch = epoch == 0 ? 1 : epoch;
        for (uint256 i = 0; i < devices.length; ++i) {
            Device storage state = _devices[devices[i]];
            require(state.keyType != KeyType.None, DeviceUnknown(devices[i]));
            if (state.revokedFrom != 0) continue;
            state.revokedFrom = fromEpoch;
            emit DeviceRevoked(devices[i], fromEpoch, reason, _nextRevision());
        }
    }

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
        )
    {
        Device storage state = _devices[device];
        return (
            state.keyType,
            state.deviceClass,
            state.revokedFrom,
            address(state.accountByEpoch.latest()),
            state.offeredTo
        );
    }

    /// @dev A device that was enrolled and not revoked.
    function _authorised(address device) private view returns (Device storage state) {
        state = _devices[device];
        require(state.keyType != KeyType.None, DeviceUnknown(device));
        require(state.revokedFrom == 0, DeviceIsRevoked(device, state.revokedFrom));
    }

    // Keys

    function isSignedBy(
        address device,
        bytes32 digest,
        DeviceSignature calldata signature
    ) public view returns (bool) {
        KeyType keyType = _devices[device].keyType;
        if (keyType == KeyType.None) return false;
        if (keyType == KeyType.Secp256k1) {
            (address signer, ECDSA.RecoverError failure, ) = ECDSA.tryRecover(
                digest,
                signature.r,
                signature.vs
            );
            return failure == ECDSA.RecoverError.NoError && signer == device;
        }
        bytes calldata publicKey = signature.publicKey;
        require(
            publicKey.length == P256_KEY_BYTES && _addressOf(publicKey) == device,
            PublicKeyMismatch(device, publicKey)
        );
        (bytes32 x, bytes32 y) = abi.decode(publicKey, (bytes32, bytes32));
        return P256.verify(sha256(abi.encode(digest)), signature.r, signature.vs, x, y);
    }

    function _isPoint(bytes calldata publicKey) private pure returns (bool) {
        if (publicKey.length != P256_KEY_BYTES) return false;
        (bytes32 x, bytes32 y) = abi.decode(publicKey, (bytes32, bytes32));
        return P256.isValidPublicKey(x, y);
    }

    /// @dev As of a secp256k1 key.
    function _addressOf(bytes calldata publicKey) private pure returns (address) {
        return address(uint160(uint256(keccak256(publicKey))));
    }

    // Class limits

    function setClassLimit(
        uint8 deviceClass,
        ClassLimit calldata limit
    ) external onlyRole(DEFAULT_ADMIN_ROLE) {
        uint32 fromEpoch = _nextEpoch();
        _limitByEpoch[deviceClass].push(fromEpoch, _pack(limit));
        emit ClassLimitSet(
            deviceClass,
            fromEpoch,
            limit.egressBytes,
            limit.storageByteSeconds,
            limit.computeMilliseconds,
            _nextRevision()
        );
    }

    function limitAt(uint8 deviceClass, uint32 epoch) external view returns (ClassLimit memory) {
        return _unpack(_limitByEpoch[deviceClass].upperLookupRecent(epoch));
    }

    /// @dev 64 + 96 + 64 bits in one checkpoint value.
    function _pack(ClassLimit calldata limit) private pure returns (uint256) {
        return
            (uint256(limit.egressBytes) << 160) |
            (uint256(limit.storageByteSeconds) << 64) |
            limit.computeMilliseconds;
    }

    function _unpack(uint256 packed) private pure returns (ClassLimit memory) {
        return ClassLimit(uint64(packed >> 160), uint96(packed >> 64), uint64(packed));
    }

    // Bindings and transfers

    function bind(Bind[] calldata consents, DeviceSignature[] calldata signatures) external {
        require(
            consents.length == signatures.length,
            SignatureCountMismatch(consents.length, signatures.length)
        );
        for (uint256 i = 0; i < consents.length; ++i) _bind(consents[i], signatures[i]);
    }

    function _bind(Bind calldata consent, DeviceSignature calldata signature) private {
        (address device, address account) = (consent.device, consent.account);
        // What somebody else was faster with must not spoil a batch.
        if (consent.nonce <= _devices[device].nonce) return;
        require(account != address(0), ZeroAddress());
        require(block.timestamp <= consent.deadline, BindingExpired(consent.deadline));
        Device storage state = _authorised(device);
        (, uint96 since, uint160 bound) = state.accountByEpoch.latestCheckpoint();
        uint256 most = block.timestamp + CONSENT_AHEAD_SECONDS;
        require(consent.nonce <= most, ConsentFromFuture(device, consent.nonce, most));
        uint32 epoch = currentEpoch();
        require(
            bound == 0 || (state.isByConsent && epoch <= since),
            DeviceAlreadyBound(device, address(bound))
        );
        uint8 bindings = state.boundIn == epoch ? state.bindings : 0;
        require(bindings < MAX_BINDINGS_PER_EPOCH, ChangeAlreadyScheduled(device, uint32(since)));
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(BIND_TYPEHASH, device, account, consent.nonce, consent.deadline))
        );
        require(isSignedBy(device, digest, signature), NotSignedByDevice(device));

        uint32 fromEpoch = _nextEpoch();
        state.offeredTo = address(0);
        state.nonce = consent.nonce;
        state.isByConsent = true;
        state.boundIn = epoch;
        state.bindings = bindings + 1;
        state.accountByEpoch.push(fromEpoch, uint160(account));
        _index(account, fromEpoch);
        emit DeviceBound(device, account, fromEpoch, _nextRevision());
    }

    function transfer(address device, address to) external {
        Device storage state = _authorised(device);
        address account = address(state.accountByEpoch.latest());
        require(msg.sender == account, NotDeviceAccount(device, msg.sender, account));
        state.offeredTo = to;
        emit TransferOffered(device, account, to);
    }

    function acceptTransfer(address device) external {
        Device storage state = _authorised(device);
        require(
            msg.sender == state.offeredTo,
            TransferNotOffered(device, msg.sender, state.offeredTo)
        );
        (, uint96 scheduled, uint160 from) = state.accountByEpoch.latestCheckpoint();
        // A young binding can still be replaced by a fresher consent: passing it on must not be a way out of that.
        uint256 free = state.isByConsent ? scheduled + 1 : scheduled;
        require(free <= currentEpoch(), ChangeAlreadyScheduled(device, uint32(free)));

        uint32 fromEpoch = _nextEpoch();
        state.offeredTo = address(0);
        state.isByConsent = false;
        state.accountByEpoch.push(fromEpoch, uint160(msg.sender));
        _index(msg.sender, fromEpoch);
        emit DeviceTransferred(device, address(from), msg.sender, fromEpoch, _nextRevision());
    }

    function ownerAt(address device, uint32 epoch) external view returns (address) {
        Device storage state = _devices[device];
        if (state.revokedFrom != 0 && epoch >= state.revokedFrom) return address(0);
        return address(state.accountByEpoch.upperLookupRecent(epoch));
    }

    function nonceOf(address device) external view returns (uint64) {
        return _devices[device].nonce;
    }

    // Accounts

    function accounts() public view returns (uint32) {
        return uint32(_accountsByEpoch.latest());
    }

    function accountsAt(uint32 epoch) external view returns (uint32) {
        return uint32(_accountsByEpoch.upperLookupRecent(epoch));
    }

    function indexOf(address account) external view returns (uint256) {
        uint256 indexPlusOne = _indexPlusOne[account];
        return indexPlusOne == 0 ? NO_INDEX : indexPlusOne - 1;
    }

    function _index(address account, uint32 fromEpoch) private {
        if (_indexPlusOne[account] != 0) return;
        uint32 index = accounts();
        _accountsByEpoch.push(fromEpoch, uint160(index) + 1);
        _indexPlusOne[account] = uint256(index) + 1;
        emit AccountIndexed(account, index, fromEpoch, _nextRevision());
    }

    // Receipts

    function receiptDigest(Receipt calldata receipt) external view returns (bytes32) {
        return _hashTypedDataV4(receipt.hash());
    }

    function acknowledgementDigest(
        Acknowledgement calldata acknowledgement
    ) external view returns (bytes32) {
        // Every field is one static word, so the struct's ABI encoding is its EIP-712 encoding.
        return _hashTypedDataV4(keccak256(abi.encode(ACKNOWLEDGEMENT_TYPEHASH, acknowledgement)));
    }
}
