// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {EpochClock} from "./EpochClock.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {CompactSignature, CompactSignatures} from "./libraries/CompactSignature.sol";
import {Receipt, Receipts} from "./libraries/Receipts.sol";

/// @title DeviceRegistry
/// @notice Implements {IDeviceRegistry}, where each function is described.
contract DeviceRegistry is IDeviceRegistry, EpochClock, AccessControl, EIP712, Nonces {
    using Checkpoints for Checkpoints.Trace160;
    using Checkpoints for Checkpoints.Trace256;
    using CompactSignatures for CompactSignature;
    using Receipts for Receipt;

    /// @dev `revokedFrom` is zero while not revoked, `offeredTo` while not offered.
    struct Device {
        bool enrolled;
        uint8 deviceClass;
        uint32 revokedFrom;
        address offeredTo;
        Checkpoints.Trace160 accountByEpoch;
    }

    // Constants

    bytes32 public constant MANUFACTURER_ROLE = keccak256("MANUFACTURER_ROLE");
    uint256 public constant NO_INDEX = type(uint256).max;

    bytes32 private constant BIND_TYPEHASH = keccak256(
        "Bind(address device,address account,uint256 nonce,uint256 deadline)"
    );

    // State

    uint32 public accounts;

    mapping(address device => Device) private _devices;
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
            address device = devices[i];
            require(device != address(0), ZeroAddress());
            require(!_devices[device].enrolled, DeviceAlreadyEnrolled(device));
            _devices[device].enrolled = true;
            _devices[device].deviceClass = deviceClass;
            emit DeviceEnrolled(device, deviceClass);
        }
    }

    function revoke(address[] calldata devices) external onlyRole(MANUFACTURER_ROLE) {
        uint32 epoch = currentEpoch();
        // Nothing can be earned before genesis, so epoch 1 stands for "from the beginning" and zero for "not revoked".
        uint32 fromEpoch = epoch == 0 ? 1 : epoch;
        for (uint256 i = 0; i < devices.length; ++i) {
            Device storage state = _devices[devices[i]];
            require(state.enrolled, DeviceUnknown(devices[i]));
            if (state.revokedFrom != 0) continue;
            state.revokedFrom = fromEpoch;
            emit DeviceRevoked(devices[i], fromEpoch);
        }
    }

    function deviceOf(
        address device
    )
        external
        view
        returns (
            bool enrolled,
            uint8 deviceClass,
            uint32 revokedFrom,
            address account,
            address offeredTo
        )
    {
        Device storage state = _devices[device];
        return (
            state.enrolled,
            state.deviceClass,
            state.revokedFrom,
            address(state.accountByEpoch.latest()),
            state.offeredTo
        );
    }

    /// @dev A device that was enrolled and not revoked.
    function _authorised(address device) private view returns (Device storage state) {
        state = _devices[device];
        require(state.enrolled, DeviceUnknown(device));
        require(state.revokedFrom == 0, DeviceIsRevoked(device, state.revokedFrom));
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
            limit.computeMilliseconds
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

    function bind(
        address device,
        address account,
        uint256 deadline,
        CompactSignature calldata deviceSignature
    ) external {
        require(account != address(0), ZeroAddress());
        require(block.timestamp <= deadline, BindingExpired(deadline));
        Device storage state = _authorised(device);
        address bound = address(state.accountByEpoch.latest());
        require(bound == address(0), DeviceAlreadyBound(device, bound));
        bytes32 digest = _hashTypedDataV4(
            keccak256(abi.encode(BIND_TYPEHASH, device, account, _useNonce(device), deadline))
        );
        address signer = deviceSignature.recover(digest);
        require(signer == device, BindingSignerMismatch(signer, device));

        uint32 fromEpoch = _nextEpoch();
        state.accountByEpoch.push(fromEpoch, uint160(account));
        _index(account);
        emit DeviceBound(device, account, fromEpoch);
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
        require(scheduled <= currentEpoch(), ChangeAlreadyScheduled(device, uint32(scheduled)));

        uint32 fromEpoch = _nextEpoch();
        state.offeredTo = address(0);
        state.accountByEpoch.push(fromEpoch, uint160(msg.sender));
        _index(msg.sender);
        emit DeviceTransferred(device, address(from), msg.sender, fromEpoch);
    }

    function ownerAt(address device, uint32 epoch) external view returns (address) {
        Device storage state = _devices[device];
        if (state.revokedFrom != 0 && epoch >= state.revokedFrom) return address(0);
        return address(state.accountByEpoch.upperLookupRecent(epoch));
    }

    function nonces(address owner) public view override(IDeviceRegistry, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    // Accounts

    function indexOf(address account) external view returns (uint256) {
        uint256 indexPlusOne = _indexPlusOne[account];
        return indexPlusOne == 0 ? NO_INDEX : indexPlusOne - 1;
    }

    function _index(address account) private {
        if (_indexPlusOne[account] != 0) return;
        uint32 index = accounts;
        accounts = index + 1;
        _indexPlusOne[account] = uint256(index) + 1;
        emit AccountIndexed(account, index);
    }

    // Receipts

    function receiptDigest(Receipt calldata receipt) external view returns (bytes32) {
        return _hashTypedDataV4(receipt.hash());
    }
}
