// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DeviceRegistry} from "../../contracts/DeviceRegistry.sol";
import {IDeviceRegistry} from "../../contracts/interfaces/IDeviceRegistry.sol";
import {CompactSignature} from "../../contracts/libraries/CompactSignature.sol";
import {deploy} from "./Deploy.sol";
import {Typed} from "./Typed.sol";
import {VM} from "./Vm.sol";

contract DeviceRegistryTest {
    uint256 private constant GENESIS = 1_800_000_000;
    uint256 private constant EPOCH_SECONDS = 1 days;
    uint256 private constant DEVICES = 3;
    uint256 private constant ACCOUNTS = 4;
    uint256 private constant STEPS = 40;
    uint256 private constant EPOCHS = 24;

    DeviceRegistry private registry;

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
        address[] memory devices = new address[](DEVICES);
        for (uint256 i = 0; i < DEVICES; ++i) devices[i] = _device(i);
        registry.enrol(devices, 0);
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
        CompactSignature[] memory signatures = new CompactSignature[](1);
        consents[0] = IDeviceRegistry.Bind(device, account, nonce, deadline);
        bytes32 hash = Typed.bindHash(device, account, nonce, deadline);
        signatures[0] = Typed.sign(0xD000 + i, Typed.digest(address(registry), hash));

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

    function _device(uint256 i) private pure returns (address) {
        return VM.addr(0xD000 + i);
    }

    function _accountAt(uint256 i) private pure returns (address) {
        return address(uint160(0xACC0 + i));
    }
}
