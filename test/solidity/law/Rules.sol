// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {EpochLedger} from "../../../contracts/EpochLedger.sol";
import {IDeviceRegistry} from "../../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {ContributionRow, SignedReceipt} from "../../../contracts/libraries/ContributionRow.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {Receipt} from "../../../contracts/libraries/Receipts.sol";
import {Cast} from "../Suite.sol";
import {Trees} from "../Trees.sol";
import {Typed} from "../Typed.sol";
import {Draft, Drafts} from "./Draft.sol";
import {Invoices} from "./Invoices.sol";
import {World} from "./World.sol";

/// @title Rules
/// @notice What an epoch is worth, as the design says it (sections 3, 4 and 6): from receipts to the three tables. It knows
/// nothing of proofs.
contract Rules {
    using Drafts for Draft;

    World private immutable WORLD;
    DeviceRegistry private immutable REGISTRY;
    EpochLedger private immutable LEDGER;

    /// @dev Deployed by the world itself.
    constructor(DeviceRegistry registry, EpochLedger ledger) {
        WORLD = World(msg.sender);
        REGISTRY = registry;
        LEDGER = ledger;
    }

    // ------------------------------------------------------------------ receipts

    /// @notice A lawful receipt for each device and customer that `seed` lets meet in `epoch`.
    function receipts(
        uint32 epoch,
        uint256 seed
    ) external view returns (SignedReceipt[] memory signed) {
        uint256 n = 0;
        signed = new SignedReceipt[](Cast.CUSTOMERS * Cast.DEVICES);
        for (uint256 c = 0; c < Cast.CUSTOMERS; ++c) {
            for (uint256 d = 0; d < Cast.DEVICES; ++d) {
                uint256 served = _random(seed, 100 + Cast.DEVICES * c + d);
                if (served % 3 != 0) continue;
                (address customer, address device) = (WORLD.customers(c), WORLD.devices(d));
                if (!canServe(device, customer, epoch)) continue;
                signed[n++] = sign(receiptOf(device, customer, epoch, served), served);
            }
        }
        // Cut to what was filled.
        assembly ("memory-safe") {
            mstore(signed, n)
        }
    }

    /// @notice Whether the device has an owner in `epoch`, and the customer a key that may sign.
    function canServe(address device, address customer, uint32 epoch) public view returns (bool) {
        return REGISTRY.ownerAt(device, epoch) != address(0) && gatewayKey(customer, epoch, 0) != 0;
    }

    /// @notice A receipt over amounts that `served` chooses, within the limit of the device's class.
    function receiptOf(
        address device,
        address customer,
        uint32 epoch,
        uint256 served
    ) public view returns (Receipt memory) {
        IDeviceRegistry.ClassLimit memory limit = limitOf(device, epoch);
        return
            Receipt({
                device: device,
                customer: customer,
                epoch: epoch,
                sequence: uint32(1 + (served % 1000)),
                egressBytes: uint64(_least((served >> 8) % 1e17, limit.egressBytes)),
                storageByteSeconds: uint96(_least((served >> 72) % 1e22, limit.storageByteSeconds)),
                computeMilliseconds: uint64(
                    _least((served >> 168) % 1e16, limit.computeMilliseconds)
                )
            });
    }

    function limitOf(
        address device,
        uint32 epoch
    ) public view returns (IDeviceRegistry.ClassLimit memory) {
        (, uint8 class, , , ) = REGISTRY.deviceOf(device);
        return REGISTRY.limitAt(class, epoch);
    }

    /// @notice A key of the customer that may sign in `epoch`; 0 when it has none.
    function gatewayKey(
        address customer,
        uint32 epoch,
        uint256 seed
    ) public view returns (uint256) {
        for (uint256 i = 0; i < Cast.GATEWAYS; ++i) {
            address gateway = WORLD.gateways(addmod(seed, i, Cast.GATEWAYS));
            if (WORLD.capAt(customer, gateway, epoch) != 0) return WORLD.keyOf(gateway);
        }
        return 0;
    }

    /// @notice The receipt, signed by a key of its customer, if there is one, and by its device, if that is known.
    function sign(
        Receipt memory receipt,
        uint256 seed
    ) public view returns (SignedReceipt memory signed) {
        signed.receipt = receipt;
        bytes32 digest = digestOf(receipt);
        uint256 key = gatewayKey(receipt.customer, receipt.epoch, seed);
        if (key != 0) signed.customerSignature = Typed.sign(key, digest);
        key = WORLD.keyOf(receipt.device);
        if (key != 0) signed.deviceSignature = Cast.signAsDevice(key, digest);
    }

    function digestOf(Receipt memory receipt) public view returns (bytes32) {
        return Typed.digest(address(REGISTRY), Typed.receiptHash(receipt));
    }

    /// @notice Whether a receipt is one of `epoch` that earns.
    function isLawfulReceipt(SignedReceipt memory signed, uint32 epoch) public view returns (bool) {
        Receipt memory receipt = signed.receipt;
        if (receipt.epoch != epoch || receipt.sequence == 0) return false;
        if (REGISTRY.ownerAt(receipt.device, epoch) == address(0)) return false;
        IDeviceRegistry.ClassLimit memory limit = limitOf(receipt.device, epoch);
        if (
            receipt.egressBytes > limit.egressBytes ||
            receipt.storageByteSeconds > limit.storageByteSeconds ||
            receipt.computeMilliseconds > limit.computeMilliseconds
        ) return false;
        bytes32 digest = digestOf(receipt);
        uint256 key = WORLD.keyOf(receipt.device);
        return
            _isSame(signed.deviceSignature, Cast.signAsDevice(key, digest)) &&
            _isSignedByGateway(receipt, signed.customerSignature, digest);
    }

    /// @dev Keys sign the same digest always the same way.
    function _isSignedByGateway(
        Receipt memory receipt,
        CompactSignature memory signature,
        bytes32 digest
    ) private view returns (bool) {
        for (uint256 i = 0; i < Cast.GATEWAYS; ++i) {
            address gateway = WORLD.gateways(i);
            if (WORLD.capAt(receipt.customer, gateway, receipt.epoch) == 0) continue;
            if (_isSame(signature, Typed.sign(WORLD.keyOf(gateway), digest))) return true;
        }
        return false;
    }

    function _isSame(
        CompactSignature memory a,
        CompactSignature memory b
    ) private pure returns (bool) {
        return a.r == b.r && a.vs == b.vs;
    }

    // ------------------------------------------------------------------ tables

    /// @notice What the rules make of these receipts, lawful and of distinct pairs, in any order: history kept, and each
    /// account's devices earn what their customers paid, less the fee.
    function draft(
        SignedReceipt[] memory signed,
        uint32 epoch,
        uint32 attempt,
        uint256 seed
    ) public view returns (Draft memory made) {
        Draft memory last = WORLD.finalOf(epoch - 1);
        made.contributions = _contributions(signed, epoch);
        made.lines = _lines(made.contributions, epoch);
        uint96[] memory cumulatives = new uint96[](WORLD.accountsAt(epoch));
        for (uint256 i = 0; i < last.leaves.length; ++i) cumulatives[i] = last.leaves[i].cumulative;
        for (uint256 i = 0; i < made.lines.length; ++i) {
            uint256 counted = Invoices.countedOf(made.lines[i]);
            made.counted += counted;
            made.contributions[made.lines[i].contribution].earned = Invoices.earnedOf(
                counted,
                WORLD.feeBpsAt(epoch)
            );
        }
        uint96 delta = 0;
        for (uint256 i = 0; i < made.contributions.length; ++i) {
            ContributionRow memory row = made.contributions[i];
            delta += row.earned;
            row.subtotal = delta;
            cumulatives[REGISTRY.indexOf(row.account)] += row.earned;
        }
        made.leaves = Trees.pack(_accounts(cumulatives.length), cumulatives);
        made.isLawful = true;
        made.report = IEpochLedger.Report({
            epoch: epoch,
            attempt: attempt,
            prevRoot: last.report.root,
            root: 0,
            contributionRoot: 0,
            invoiceRoot: 0,
            contributions: 0,
            total: last.report.total + delta,
            bundleHash: keccak256(abi.encode(seed)),
            rulesHash: LEDGER.rulesAt(epoch)
        });
        made.seal();
    }

    /// @notice Whether a draft is what the rules make of its own receipts, to the last byte, and can be opened in full.
    function isLawful(Draft memory bent) external view returns (bool) {
        uint32 epoch = bent.report.epoch;
        SignedReceipt[] memory signed = new SignedReceipt[](bent.contributions.length);
        for (uint256 i = 0; i < signed.length; ++i) {
            signed[i] = bent.contributions[i].signed;
            if (!isLawfulReceipt(signed[i], epoch)) return false;
            for (uint256 j = 0; j < i; ++j) {
                Receipt memory other = signed[j].receipt;
                Receipt memory receipt = signed[i].receipt;
                if (other.device == receipt.device && other.customer == receipt.customer) {
                    return false;
                }
            }
        }
        Draft memory made = draft(signed, epoch, bent.report.attempt, 0);
        made.report.bundleHash = bent.report.bundleHash;
        return
            keccak256(abi.encode(made.report)) == keccak256(abi.encode(bent.report)) &&
            _isSameTable(
                made.contributionHashes,
                bent.contributionHashes,
                Trees.hashes(bent.contributions)
            ) &&
            _isSameTable(made.lineHashes, bent.lineHashes, Trees.hashes(bent.lines)) &&
            _isSameTable(made.leafHashes, bent.leafHashes, Trees.hashes(bent.leaves));
    }

    function _isSameTable(
        bytes32[] memory due,
        bytes32[] memory hashes,
        bytes32[] memory ofRows
    ) private pure returns (bool) {
        bytes32 hash = keccak256(abi.encode(due));
        return hash == keccak256(abi.encode(hashes)) && hash == keccak256(abi.encode(ofRows));
    }

    /// @dev By account index, device, customer; nothing earned yet.
    function _contributions(
        SignedReceipt[] memory signed,
        uint32 epoch
    ) private view returns (ContributionRow[] memory rows) {
        rows = new ContributionRow[](signed.length);
        for (uint256 i = 0; i < rows.length; ++i) {
            ContributionRow memory row = rows[i];
            row.signed = signed[i];
            row.account = REGISTRY.ownerAt(signed[i].receipt.device, epoch);
            uint256 j = i;
            for (; j > 0 && isBefore(row, rows[j - 1]); --j) rows[j] = rows[j - 1];
            rows[j] = row;
        }
    }

    /// @notice Whether contribution `a` stands before `b`.
    function isBefore(
        ContributionRow memory a,
        ContributionRow memory b
    ) public view returns (bool) {
        (uint256 indexA, uint256 indexB) = (
            REGISTRY.indexOf(a.account),
            REGISTRY.indexOf(b.account)
        );
        if (indexA != indexB) return indexA < indexB;
        Receipt memory receiptA = a.signed.receipt;
        Receipt memory receiptB = b.signed.receipt;
        if (receiptA.device != receiptB.device) return receiptA.device < receiptB.device;
        return receiptA.customer < receiptB.customer;
    }

    /// @dev By customer, device.
    function _lines(
        ContributionRow[] memory rows,
        uint32 epoch
    ) private view returns (InvoiceLine[] memory lines) {
        lines = new InvoiceLine[](rows.length);
        IEpochLedger.Tariff memory tariff = LEDGER.tariffAt(epoch);
        for (uint256 i = 0; i < rows.length; ++i) {
            Receipt memory receipt = rows[i].signed.receipt;
            uint256 j = i;
            for (; j > 0 && _comesBefore(receipt, lines[j - 1]); --j) lines[j] = lines[j - 1];
            lines[j] = InvoiceLine({
                customer: receipt.customer,
                device: receipt.device,
                contribution: uint32(i),
                value: Invoices.valueOf(tariff, receipt),
                ceiling: 0,
                subtotal: 0,
                above: 0
            });
        }
        uint256 first = 0;
        for (uint256 i = 1; i <= lines.length; ++i) {
            if (i != lines.length && lines[i].customer == lines[first].customer) continue;
            Invoices.close(lines, first, i, WORLD.paid(lines[first].customer, epoch));
            first = i;
        }
    }

    function _comesBefore(
        Receipt memory receipt,
        InvoiceLine memory line
    ) private pure returns (bool) {
        if (receipt.customer != line.customer) return receipt.customer < line.customer;
        return receipt.device < line.device;
    }

    function _accounts(uint256 leaves) private view returns (address[] memory accounts) {
        accounts = new address[](leaves);
        address[] memory all = WORLD.accounts();
        for (uint256 i = 0; i < leaves; ++i) accounts[i] = all[i];
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }

    function _random(uint256 seed, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
