// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ICustomerEscrow} from "./interfaces/ICustomerEscrow.sol";
import {IDeviceRegistry} from "./interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "./interfaces/IEpochLedger.sol";
import {IJudge} from "./interfaces/IJudge.sol";
import {ContributionRow, ContributionRows, SignedReceipt} from "./libraries/ContributionRow.sol";
import {InvoiceLine, InvoiceLines} from "./libraries/InvoiceLine.sol";
import {Receipt} from "./libraries/Receipts.sol";
import {RewardLeaf, RewardLeaves} from "./libraries/RewardLeaf.sol";
import {Tree} from "./libraries/Tree.sol";

/// @title Judge
/// @notice Implements {IJudge}, where each function is described, for the rules "link-rewards/rules/2".
/// @dev All arithmetic is on 96-bit numbers in 256 bits: no row can make it overflow.
contract Judge is IJudge {
    using RewardLeaves for RewardLeaf;
    using Tree for bytes32;

    // Constants

    uint256 private constant MAX_AMOUNT = type(uint96).max;
    uint256 private constant PRICE_UNITS = 10 ** 12;
    uint256 private constant BPS = 10_000;

    // Parameters

    IDeviceRegistry public immutable registry;
    ICustomerEscrow public immutable escrow;

    /// @param registry_ Devices, accounts and limits.
    /// @param escrow_ Customers, their keys and payments.
    constructor(IDeviceRegistry registry_, ICustomerEscrow escrow_) {
        registry = registry_;
        escrow = escrow_;
    }

    // Verdicts

    function unlawful(Case calldata case_, bytes calldata evidence) external view returns (bool) {
        // abi.decode would copy the rows and their proofs. Wherever the pointer leads, a row counts only when it leads to
        // a root.
        Evidence calldata shown;
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            shown := add(evidence.offset, calldataload(evidence.offset))
        }
        Proof proof = shown.proof;
        Opening[] calldata openings = shown.openings;
        if (proof == Proof.Contribution) return _contribution(case_, openings, shown.publicKey);
        if (proof == Proof.Pair) return _pair(case_, openings);
        if (proof == Proof.EmptyLeaf) return _emptyLeaf(case_, openings);
        uint32 position = shown.position;
        if (proof == Proof.ContributionOrder) return _contributionOrder(case_, openings, position);
        if (proof == Proof.InvoiceOrder) return _invoiceOrder(case_, openings, position);
        if (proof == Proof.RewardOrder) return _rewardOrder(case_, openings, position);
        return _rewardBoundary(case_, openings, position);
    }

    function _contribution(
        Case calldata case_,
        Opening[] calldata openings,
        bytes calldata publicKey
    ) private view returns (bool) {
        _requireCount(openings, 1);
        ContributionRow memory row = _contributionAt(case_, openings, 0, openings[0].position);
        (address owner, ) = _lawful(row.signed, case_.epoch, publicKey);
        return owner == address(0) || owner != row.account;
    }

    /// @dev Whom a receipt of `epoch` earns for, and its digest; zeros when it is not lawful.
    function _lawful(
        SignedReceipt memory signed,
        uint32 epoch,
        bytes calldata publicKey
    ) private view returns (address owner, bytes32 digest) {
        Receipt memory receipt = signed.receipt;
        if (receipt.epoch != epoch || receipt.sequence == 0) return (address(0), 0);
        owner = registry.ownerAt(receipt.device, epoch);
        if (owner == address(0) || !_isPlausible(receipt)) return (address(0), 0);
        digest = registry.receiptDigest(receipt);
        (address key, ECDSA.RecoverError failure, ) = ECDSA.tryRecover(
            digest,
            signed.customerSignature.r,
            signed.customerSignature.vs
        );
        if (
            failure != ECDSA.RecoverError.NoError ||
            escrow.capAt(receipt.customer, key, epoch) == 0 ||
            !registry.isSignedBy(
                receipt.device,
                digest,
                IDeviceRegistry.DeviceSignature(
                    signed.deviceSignature.r,
                    signed.deviceSignature.vs,
                    publicKey
                )
            )
        ) return (address(0), 0);
    }

    function _isPlausible(Receipt memory receipt) private view returns (bool) {
        (, uint8 deviceClass, , , ) = registry.deviceOf(receipt.device);
        IDeviceRegistry.ClassLimit memory limit = registry.limitAt(deviceClass, receipt.epoch);
        return
            receipt.egressBytes <= limit.egressBytes &&
            receipt.storageByteSeconds <= limit.storageByteSeconds &&
            receipt.computeMilliseconds <= limit.computeMilliseconds;
    }

    function _pair(Case calldata case_, Opening[] calldata openings) private view returns (bool) {
        require(openings.length != 0, InvalidEvidence(0));
        InvoiceLine memory line = _lineAt(case_, openings, 0, openings[0].position);
        if (line.contribution >= case_.contributions) {
            _requireCount(openings, 1);
            return true;
        }
        _requireCount(openings, 2);
        ContributionRow memory row = _contributionAt(case_, openings, 1, line.contribution);
        Receipt memory receipt = row.signed.receipt;
        if (receipt.device != line.device || receipt.customer != line.customer) return true;
        IEpochLedger.Tariff memory tariff = IEpochLedger(msg.sender).tariffAt(case_.epoch);
        uint256 worth =
            (uint256(receipt.egressBytes) * tariff.egressPrice +
                uint256(receipt.storageByteSeconds) * tariff.storagePrice +
                uint256(receipt.computeMilliseconds) * tariff.computePrice) / PRICE_UNITS;
        if (line.value != Math.min(worth, MAX_AMOUNT)) return true;
        return row.earned != (_countedOf(line) * (BPS - tariff.feeBps)) / BPS;
    }

    function _contributionOrder(
        Case calldata case_,
        Opening[] calldata openings,
        uint32 boundary
    ) private view returns (bool) {
        uint256 rows = case_.contributions;
        _requireBoundary(openings, 0, boundary, rows);
        // Nothing was earned before the first row.
        ContributionRow memory first;
        if (boundary != 0) first = _contributionAt(case_, openings, 0, boundary - 1);
        if (boundary == rows) return uint256(first.subtotal) + case_.lastTotal != case_.total;
        ContributionRow memory second = _contributionAt(
            case_,
            openings,
            boundary == 0 ? 0 : 1,
            boundary
        );
        if (boundary != 0 && !_ascends(first, second)) return true;
        return second.subtotal != uint256(first.subtotal) + second.earned;
    }

    function _ascends(
        ContributionRow memory first,
        ContributionRow memory second
    ) private view returns (bool) {
        return
            _isBefore(
                registry.indexOf(first.account),
                first.signed.receipt,
                registry.indexOf(second.account),
                second.signed.receipt
            );
    }

    /// @dev By account index, device, customer, as contributions.bin is sorted.
    function _isBefore(
        uint256 indexA,
        Receipt memory a,
        uint256 indexB,
        Receipt memory b
    ) private pure returns (bool) {
        if (indexA != indexB) return indexA < indexB;
        if (a.device != b.device) return a.device < b.device;
        return a.customer < b.customer;
    }

    function _invoiceOrder(
        Case calldata case_,
        Opening[] calldata openings,
        uint32 boundary
    ) private view returns (bool) {
        uint256 rows = case_.contributions;
        _requireBoundary(openings, 0, boundary, rows);
        // Of no customer, and nothing before its first line.
        InvoiceLine memory first;
        if (boundary != 0) {
            first = _lineAt(case_, openings, 0, boundary - 1);
            if (boundary == rows) return !_closes(first, case_.epoch);
        }
        InvoiceLine memory second = _lineAt(case_, openings, boundary == 0 ? 0 : 1, boundary);
        if (boundary != 0 && first.customer == second.customer) {
            if (first.device >= second.device || first.ceiling != second.ceiling) return true;
        } else {
            if (boundary != 0) {
                if (first.customer > second.customer || !_closes(first, case_.epoch)) return true;
            }
            (first.subtotal, first.above) = (0, 0);
        }
        return
            second.subtotal != uint256(first.subtotal) + _countedOf(second) ||
            second.above != uint256(first.above) + (second.value > second.ceiling ? 1 : 0);
    }

    /// @dev Whether a customer's last line says that its payment covers what counted, and no higher ceiling.
    function _closes(InvoiceLine memory last, uint32 epoch) private view returns (bool) {
        uint256 paid = escrow.paid(last.customer, epoch);
        if (last.subtotal > paid) return false;
        return last.ceiling == MAX_AMOUNT || paid < uint256(last.subtotal) + last.above;
    }

    function _countedOf(InvoiceLine memory line) private pure returns (uint256) {
        return Math.min(line.value, line.ceiling);
    }

    function _rewardOrder(
        Case calldata case_,
        Opening[] calldata openings,
        uint32 boundary
    ) private view returns (bool) {
        uint256 rows = case_.leaves;
        _requireBoundary(openings, 0, boundary, rows);
        uint256 end = 0;
        if (boundary != 0) end = _leafAt(case_, openings, 0, Table.Rewards, boundary - 1).end();
        if (boundary == rows) return end != case_.total;
        RewardLeaf memory leaf = _leafAt(
            case_,
            openings,
            boundary == 0 ? 0 : 1,
            Table.Rewards,
            boundary
        );
        return registry.indexOf(leaf.account) != boundary || leaf.prefix != end;
    }

    function _rewardBoundary(
        Case calldata case_,
        Opening[] calldata openings,
        uint32 boundary
    ) private view returns (bool) {
        require(openings.length != 0, InvalidEvidence(0));
        uint32 index = openings[0].position;
        RewardLeaf memory leaf = _leafAt(case_, openings, 0, Table.Rewards, index);
        uint256 next = 1;
        uint256 expected = case_.lastTotal;
        if (index < case_.lastLeaves) {
            require(openings.length > next, InvalidEvidence(next));
            expected = _leafAt(case_, openings, next++, Table.LastRewards, index).prefix;
        }
        uint256 rows = case_.contributions;
        if (rows == 0) {
            _requireCount(openings, next);
            return leaf.prefix != expected;
        }
        _requireBoundary(openings, next, boundary, rows);
        if (boundary != 0) {
            (uint256 indexBefore, uint96 subtotal) = _earnedAt(case_, openings, next, boundary - 1);
            require(indexBefore < index, InvalidEvidence(next));
            expected += subtotal;
            ++next;
        }
        if (boundary != rows) {
            (uint256 indexAfter, ) = _earnedAt(case_, openings, next, boundary);
            require(indexAfter >= index, InvalidEvidence(next));
        }
        return leaf.prefix != expected;
    }

    /// @dev The index of a contribution's account, and its subtotal.
    function _earnedAt(
        Case calldata case_,
        Opening[] calldata openings,
        uint256 number,
        uint32 position
    ) private view returns (uint256 index, uint96 subtotal) {
        (bytes32 root, uint256 rows) = _tableOf(case_, Table.Contributions);
        bytes calldata row = _rowUnder(root, rows, openings, number, Table.Contributions, position);
        address account;
        (account, , subtotal) = ContributionRows.decodeEarned(row);
        index = registry.indexOf(account);
    }

    function _emptyLeaf(
        Case calldata case_,
        Opening[] calldata openings
    ) private pure returns (bool) {
        _requireCount(openings, 1);
        Table table = openings[0].table;
        // Of a final root nothing is convicted any more.
        require(table != Table.LastRewards && openings[0].row.length == 0, InvalidEvidence(0));
        (bytes32 root, uint256 rows) = _tableOf(case_, table);
        _requireUnder(root, rows, openings, 0, table, openings[0].position, bytes32(0));
        return true;
    }

    // Omissions

    function omitted(
        uint32 epoch,
        bytes32 contributionRoot,
        uint32 contributions,
        bytes calldata omission
    ) external view returns (bytes32 digest) {
        Omission calldata shown;
        // As in {unlawful}.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            shown := add(omission.offset, calldataload(omission.offset))
        }
        require(shown.receipt.length == ContributionRows.SIGNED_RECEIPT_BYTES, InvalidEvidence(0));
        SignedReceipt memory signed = ContributionRows.decodeSigned(shown.receipt);
        address owner;
        (owner, digest) = _lawful(signed, epoch, shown.publicKey);
        if (owner == address(0)) return 0;
        if (!_isMissing(contributionRoot, contributions, shown, signed.receipt, owner)) return 0;
    }

    function _isMissing(
        bytes32 root,
        uint256 rows,
        Omission calldata shown,
        Receipt memory receipt,
        address owner
    ) private view returns (bool) {
        Opening[] calldata openings = shown.openings;
        uint32 boundary = shown.position;
        if (rows == 0) {
            _requireCount(openings, 0);
            return true;
        }
        _requireBoundary(openings, 0, boundary, rows);
        uint256 index = registry.indexOf(owner);
        if (boundary != 0) {
            ContributionRow memory first = _contributionUnder(
                root,
                rows,
                openings,
                0,
                boundary - 1
            );
            uint256 indexOfFirst = registry.indexOf(first.account);
            if (!_isBefore(indexOfFirst, first.signed.receipt, index, receipt)) return false;
            if (boundary == rows) return true;
        }
        ContributionRow memory second = _contributionUnder(
            root,
            rows,
            openings,
            boundary == 0 ? 0 : 1,
            boundary
        );
        Receipt memory there = second.signed.receipt;
        if (there.device == receipt.device && there.customer == receipt.customer)
            return there.sequence < receipt.sequence;
        return _isBefore(index, receipt, registry.indexOf(second.account), there);
    }

    // Rows

    function rowBytes(Table table) public pure returns (uint256) {
        if (table == Table.Contributions) return ContributionRows.BYTES;
        if (table == Table.Invoices) return InvoiceLines.BYTES;
        return RewardLeaves.BYTES;
    }

    function _contributionAt(
        Case calldata case_,
        Opening[] calldata openings,
        uint256 number,
        uint32 position
    ) private pure returns (ContributionRow memory) {
        (bytes32 root, uint256 rows) = _tableOf(case_, Table.Contributions);
        return _contributionUnder(root, rows, openings, number, position);
    }

    function _contributionUnder(
        bytes32 root,
        uint256 rows,
        Opening[] calldata openings,
        uint256 number,
        uint32 position
    ) private pure returns (ContributionRow memory) {
        return
            ContributionRows.decode(
                _rowUnder(root, rows, openings, number, Table.Contributions, position)
            );
    }

    function _lineAt(
        Case calldata case_,
        Opening[] calldata openings,
        uint256 number,
        uint32 position
    ) private pure returns (InvoiceLine memory) {
        (bytes32 root, uint256 rows) = _tableOf(case_, Table.Invoices);
        return
            InvoiceLines.decode(_rowUnder(root, rows, openings, number, Table.Invoices, position));
    }

    function _leafAt(
        Case calldata case_,
        Opening[] calldata openings,
        uint256 number,
        Table table,
        uint32 position
    ) private pure returns (RewardLeaf memory) {
        (bytes32 root, uint256 rows) = _tableOf(case_, table);
        return RewardLeaves.decode(_rowUnder(root, rows, openings, number, table, position));
    }

    function _tableOf(
        Case calldata case_,
        Table table
    ) private pure returns (bytes32 root, uint256 rows) {
        if (table == Table.Contributions) return (case_.contributionRoot, case_.contributions);
        if (table == Table.Invoices) return (case_.invoiceRoot, case_.contributions);
        if (table == Table.Rewards) return (case_.root, case_.leaves);
        return (case_.lastRoot, case_.lastLeaves);
    }

    function _rowUnder(
        bytes32 root,
        uint256 rows,
        Opening[] calldata openings,
        uint256 number,
        Table table,
        uint32 position
    ) private pure returns (bytes calldata row) {
        row = openings[number].row;
        require(row.length == rowBytes(table), InvalidEvidence(number));
        _requireUnder(root, rows, openings, number, table, position, keccak256(row));
    }

    function _requireUnder(
        bytes32 root,
        uint256 rows,
        Opening[] calldata openings,
        uint256 number,
        Table table,
        uint32 position,
        bytes32 leaf
    ) private pure {
        Opening calldata opening = openings[number];
        require(
            opening.table == table &&
                opening.position == position &&
                root.contains(rows, position, leaf, opening.proof),
            InvalidEvidence(number)
        );
    }

    function _requireCount(Opening[] calldata openings, uint256 count) private pure {
        require(openings.length == count, InvalidEvidence(Math.min(openings.length, count)));
    }

    /// @dev The openings from `next` on are the rows before and after a boundary of a table of `rows` rows.
    function _requireBoundary(
        Opening[] calldata openings,
        uint256 next,
        uint32 boundary,
        uint256 rows
    ) private pure {
        require(rows != 0 && boundary <= rows, InvalidEvidence(next));
        _requireCount(openings, next + (boundary == 0 || boundary == rows ? 1 : 2));
    }
}
