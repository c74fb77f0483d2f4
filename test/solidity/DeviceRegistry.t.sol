// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DeviceRegistry} from "../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../contracts/interfaces/IDeviceRegistry.sol";
import {CompactSignature} from "../../contracts/libraries/CompactSignature.sol";
import {deploy} from "./Deploy.sol";
import {Cast} from "./Suite.sol";
import {Typed} from "./Typed.sol";
import {VM} from "./Vm.sol";

contract DeviceRegistryTest {
    uint256 private constant GENESIS = 1_800_000_000;
    uint256 private constant EPOCH_SECONDS = 1 days;
    uint256 private constant DEVICES = 3;
    uint256 private constant ACCOUNTS = 4;
    uint256 private constant STEPS = 40;
    uint256 private constant EPOCHS = 24;

    uint256 private constant SECP256K1_ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    DeviceRegistry private registry;
    // Of both kinds of key.
    address[] private _devices;

    // The model: who owns each device in each epoch as things are planned now, one entry an epoch.
    mapping(uint256 device => address[EPOCHS]) private _ownerAt;
    mapping(uint256 device => address) private _account;
    mapping(uint256 device => address) private _offeredTo;
    mapping(uint256 device => uint256) private _changesFrom;
    mapping(uint256 device => bool) private _revoked;
    mapping(uint256 device => uint64) private _nonce;
    mapping(uint256 device => bool) private _isByConsent;
    mapping(uint256 device => uint256[EPOCHS]) private _bindingsIn;
    address[] private _indexed;
    uint32[] private _indexedFrom;

    function setUp() external {
        VM.warp(GENESIS - EPOCH_SECONDS);
        registry = DeviceRegistry(
            deploy(
                "DeviceRegistry",
                abi.encode(GENESIS, EPOCH_SECONDS, 1 hours, address(this), address(this))
            )
        );
        for (uint256 i = 0; i < DEVICES; ++i) _devices.push(_enrol(0xD000 + i));
    }

    function testFuzzTheKeyOfADeviceSignsForIt(
        uint256 seed,
        bytes32 digest,
        bytes32 other
    ) external {
        (uint256 key, address device) = _enrolled(seed);
        IDeviceRegistry.DeviceSignature memory signature = Cast.deviceSignature(key, digest);
        assert(registry.isSignedBy(device, digest, signature));
        assert(registry.isSignedBy(device, other, signature) == (other == digest));
        // Nobody else's: not before it was enrolled, either.
        address unknown = Cast.deviceAddress(key + 2);
        assert(!registry.isSignedBy(unknown, digest, Cast.deviceSignature(key + 2, digest)));
        _enrol(key + 2);
        assert(registry.isSignedBy(unknown, digest, Cast.deviceSignature(key + 2, digest)));
        signature = Cast.deviceSignature(key + 2, digest);
        signature.publicKey = Cast.publicKeyOf(key);
        assert(!registry.isSignedBy(device, digest, signature));
    }

    function testFuzzASignatureHasOneForm(uint256 seed, bytes32 digest) external {
        (uint256 key, address device) = _enrolled(seed);
        IDeviceRegistry.DeviceSignature memory signature = Cast.deviceSignature(key, digest);
        uint256 s = uint256(signature.vs);
        if (Cast.isP256(key)) {
            signature.vs = bytes32(Typed.P256_ORDER - s);
        } else {
            // In 64 bytes the other form has no room but where the parity is.
            signature.vs = bytes32((SECP256K1_ORDER - (s & (type(uint256).max >> 1))) ^ (1 << 255));
        }
        assert(!registry.isSignedBy(device, digest, signature));
    }

    function testFuzzAnythingElseIsNoSignature(
        uint256 seed,
        bytes32 digest,
        bytes32 r,
        bytes32 vs
    ) external {
        (uint256 key, address device) = _enrolled(seed);
        bytes32[6] memory some = [
            r,
            bytes32(0),
            bytes32(type(uint256).max),
            bytes32(SECP256K1_ORDER),
            bytes32(Typed.P256_ORDER),
            bytes32(uint256(1))
        ];
        IDeviceRegistry.DeviceSignature memory signature;
        signature.publicKey = Cast.publicKeyOf(key);
        for (uint256 i = 0; i < some.length; ++i) {
            signature.r = some[i];
            signature.vs = some[uint256(vs) % some.length];
            assert(!registry.isSignedBy(device, digest, signature));
        }
        // Of the other kind of key, over what it would sign.
        CompactSignature memory wrong =
            Cast.isP256(key) ? Typed.sign(key, digest) : Typed.signP256(key, digest);
        (signature.r, signature.vs) = (wrong.r, wrong.vs);
        assert(!registry.isSignedBy(device, digest, signature));
    }

    function testFuzzAP256KeyThatIsNotTheDevicesIsRefused(
        uint256 seed,
        bytes32 digest,
        bytes calldata publicKey
    ) external {
        uint256 key = (seed % 2 ** 200) | 1;
        address device = _enrol(key);
        IDeviceRegistry.DeviceSignature memory signature = Cast.deviceSignature(key, digest);
        bytes[3] memory others = [
            publicKey,
            Cast.publicKeyOf(key + 2),
            bytes.concat(signature.publicKey, hex"00")
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            signature.publicKey = others[i];
            try registry.isSignedBy(device, digest, signature) {
                assert(false);
            } catch (bytes memory reason) {
                assert(bytes4(reason) == IDeviceRegistry.PublicKeyMismatch.selector);
            }
        }
    }

    function testFuzzWhatIsNoPointIsNotEnrolled(bytes32 x, bytes32 y, uint8 cut) external {
        bytes memory point = Typed.publicKeyOf(1 + (uint256(x) % 2 ** 200));
        point[cut % 64] ^= 0x01;
        bytes[4] memory keys = [
            abi.encodePacked(x, y),
            point,
            bytes.concat(Typed.publicKeyOf(1), hex"00"),
            new bytes(64)
        ];
        for (uint256 i = 0; i < keys.length; ++i) {
            bytes[] memory publicKeys = new bytes[](1);
            publicKeys[0] = keys[i];
            try registry.enrolP256(publicKeys, 0) {
                assert(false);
            } catch (bytes memory reason) {
                assert(bytes4(reason) == IDeviceRegistry.InvalidPublicKey.selector);
            }
        }
    }

    function testFuzzALimitComesBackAsItWasSet(
        uint8 class,
        uint8 other,
        IDeviceRegistry.ClassLimit calldata limit,
        IDeviceRegistry.ClassLimit calldata next
    ) external {
        registry.setClassLimit(class, limit);
        _isLimit(class, 0, IDeviceRegistry.ClassLimit(0, 0, 0));
        _isLimit(class, 1, limit);
        VM.warp(GENESIS);
        registry.setClassLimit(class, next);
        _isLimit(class, 1, limit);
        _isLimit(class, 2, next);
        _isLimit(class, type(uint32).max, next);
        if (other != class) _isLimit(other, 2, IDeviceRegistry.ClassLimit(0, 0, 0));
    }

    function testALimitAtItsLargestSpoilsNoOther() external {
        _roundTrip(IDeviceRegistry.ClassLimit(type(uint64).max, 0, 0));
        _roundTrip(IDeviceRegistry.ClassLimit(0, type(uint96).max, 0));
        _roundTrip(IDeviceRegistry.ClassLimit(0, 0, type(uint64).max));
        _roundTrip(
            IDeviceRegistry.ClassLimit(type(uint64).max, type(uint96).max, type(uint64).max)
        );
    }

    /// @notice Bindings, offers, acceptances and revocations in any order, against a list with one owner an epoch.
    function testFuzzOwnersAreThoseOfTheNaiveModel(uint256 seed) external {
        for (uint256 i = 0; i < STEPS; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            _step(random % DEVICES, (random >> 8) % ACCOUNTS, (random >> 16) % 8, random >> 24);
            _ownersAreTheModels();
        }
        assert(registry.accounts() == _indexed.length);
        for (uint256 i = 0; i < _indexed.length; ++i) assert(registry.indexOf(_indexed[i]) == i);
        for (uint32 e = 0; e < EPOCHS; ++e) {
            uint32 leaves = 0;
            while (leaves < _indexed.length && _indexedFrom[leaves] <= e) ++leaves;
            assert(registry.accountsAt(e) == leaves);
        }
    }

    function _step(uint256 i, uint256 account, uint256 choice, uint256 random) private {
        // Fresher than the last consent, as fresh, or older.
        uint64 nonce = _nonce[i] + uint64(random % 4);
        if (choice < 2) _bind(i, _accountAt(account), nonce == 0 ? 0 : nonce - 1);
        else if (choice == 2) _transfer(i, _accountAt(account));
        else if (choice < 5) _acceptTransfer(i, _accountAt(account));
        else if (choice == 5 && account == 0) _revoke(i);
        else if (registry.currentEpoch() + 2 < EPOCHS) {
            VM.warp(VM.getBlockTimestamp() + EPOCH_SECONDS / 2);
        }
    }

    function _bind(uint256 i, address account, uint64 nonce) private {
        address device = _device(i);
        uint256 deadline = VM.getBlockTimestamp();
        uint32 epoch = registry.currentEpoch();
        IDeviceRegistry.Bind[] memory consents = new IDeviceRegistry.Bind[](1);
        IDeviceRegistry.DeviceSignature[] memory signatures = new IDeviceRegistry.DeviceSignature[](
            1
        );
        consents[0] = IDeviceRegistry.Bind(device, account, nonce, deadline);
        bytes32 hash = Typed.bindHash(device, account, nonce, deadline);
        signatures[0] = Cast.deviceSignature(0xD000 + i, Typed.digest(address(registry), hash));

        // No fresher than the last: passed over.
        bool isVoid = nonce <= _nonce[i];
        // What was bound by consent can be bound anew until that has been in effect for a whole epoch.
        bool replaceable =
            _account[i] == address(0) || (_isByConsent[i] && epoch <= _changesFrom[i]);
        bool due = isVoid || (!_revoked[i] && replaceable && _bindingsIn[i][epoch] < 2);
        try registry.bind(consents, signatures) {
            assert(due);
        } catch {
            assert(!due);
        }
        if (!due || isVoid) return;
        _plan(i, account);
        _nonce[i] = nonce;
        _isByConsent[i] = true;
        ++_bindingsIn[i][epoch];
    }

    function _transfer(uint256 i, address to) private {
        bool bound = _account[i] != address(0) && !_revoked[i];
        if (bound) _offeredTo[i] = to;
        VM.prank(_account[i] == address(0) ? to : _account[i]);
        try registry.transfer(_device(i), to) {
            assert(bound);
        } catch {
            assert(!bound);
        }
    }

    function _acceptTransfer(uint256 i, address anyone) private {
        address to = _offeredTo[i];
        // A binding must have stood a whole epoch; a transfer must have taken effect.
        uint256 free = _isByConsent[i] ? _changesFrom[i] + 1 : _changesFrom[i];
        bool due = to != address(0) && !_revoked[i] && free <= registry.currentEpoch();
        VM.prank(to == address(0) ? anyone : to);
        try registry.acceptTransfer(_device(i)) {
            assert(due);
            _plan(i, to);
            _isByConsent[i] = false;
        } catch {
            assert(!due);
        }
    }

    function _revoke(uint256 i) private {
        address[] memory devices = new address[](1);
        devices[0] = _device(i);
        registry.revoke(devices, "stolen");
        uint256 epoch = registry.currentEpoch();
        for (uint256 e = epoch == 0 ? 1 : epoch; e < EPOCHS; ++e) _ownerAt[i][e] = address(0);
        _revoked[i] = true;
    }

    /// @dev From the next epoch on device `i` earns for `account`, for all that is known now.
    function _plan(uint256 i, address account) private {
        uint256 next = uint256(registry.currentEpoch()) + 1;
        for (uint256 e = next; e < EPOCHS; ++e) _ownerAt[i][e] = account;
        _account[i] = account;
        _changesFrom[i] = next;
        _offeredTo[i] = address(0);
        for (uint256 j = 0; j < _indexed.length; ++j) if (_indexed[j] == account) return;
        _indexed.push(account);
        _indexedFrom.push(uint32(next));
    }

    function _ownersAreTheModels() private view {
        for (uint256 i = 0; i < DEVICES; ++i) {
            for (uint32 e = 0; e < EPOCHS; ++e) {
                assert(registry.ownerAt(_device(i), e) == _ownerAt[i][e]);
            }
        }
    }

    function _roundTrip(IDeviceRegistry.ClassLimit memory limit) private {
        registry.setClassLimit(7, limit);
        _isLimit(7, 1, limit);
    }

    function _isLimit(
        uint8 class,
        uint32 epoch,
        IDeviceRegistry.ClassLimit memory expected
    ) private view {
        assert(
            keccak256(abi.encode(registry.limitAt(class, epoch))) == keccak256(abi.encode(expected))
        );
    }

    function _device(uint256 i) private view returns (address) {
        return _devices[i];
    }

    /// @dev A device that was just enrolled, of either kind, and its key.
    function _enrolled(uint256 seed) private returns (uint256 key, address device) {
        key = 1 + (seed % 2 ** 200);
        return (key, _enrol(key));
    }

    function _enrol(uint256 key) private returns (address device) {
        device = Cast.deviceAddress(key);
        address[] memory devices = new address[](1);
        bytes[] memory publicKeys = new bytes[](1);
        (devices[0], publicKeys[0]) = (device, Cast.publicKeyOf(key));
        if (Cast.isP256(key)) registry.enrolP256(publicKeys, 0);
        else registry.enrol(devices, 0);
        (IDeviceRegistry.KeyType keyType, , , , ) = registry.deviceOf(device);
        assert(
            keyType ==
                (
                    Cast.isP256(key)
                        ? IDeviceRegistry.KeyType.P256
                        : IDeviceRegistry.KeyType.Secp256k1
                )
        );
    }

    function _accountAt(uint256 i) private pure returns (address) {
        return address(uint160(0xACC0 + i));
    }
}
