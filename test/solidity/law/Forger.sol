// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DeviceRegistry} from "../../../contracts/DeviceRegistry.sol";
import {IJudge} from "../../../contracts/interfaces/IJudge.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {ContributionRow, SignedReceipt} from "../../../contracts/libraries/ContributionRow.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {Receipt} from "../../../contracts/libraries/Receipts.sol";
import {RewardLeaf} from "../../../contracts/libraries/RewardLeaf.sol";
import {Cast} from "../Suite.sol";
import {Typed} from "../Typed.sol";
import {Draft, Drafts} from "./Draft.sol";
import {Invoices} from "./Invoices.sol";
import {Rules} from "./Rules.sol";
import {World} from "./World.sol";

/// @title Forger
/// @notice Bends lawful tables: one thing, or several that cancel each other out, as they are or with all sums that follow
/// made to fit. Now and then what comes out is lawful again.
contract Forger {
    using Drafts for Draft;

    uint256 private constant SECP256K1_ORDER =
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    World private immutable WORLD;
    DeviceRegistry private immutable REGISTRY;
    Rules private immutable RULES;

    /// @dev Deployed by the world itself.
    constructor(DeviceRegistry registry, Rules rules) {
        WORLD = World(msg.sender);
        (REGISTRY, RULES) = (registry, rules);
    }

    /// @notice A bent copy of a lawful draft.
    function bend(Draft memory draft, uint256 seed) external view returns (Draft memory) {
        Draft memory last = WORLD.finalOf(draft.report.epoch - 1);
        uint256 choice = _random(seed, 0) % 18;
        bool rows = draft.contributions.length != 0;
        if (choice < 3) {
            if (rows) draft = _made(draft, seed);
        } else if (choice < 6) {
            if (rows) _bendContribution(draft, seed);
        } else if (choice < 10) {
            if (rows) _bendLine(draft, seed);
        } else if (choice < 13) {
            if (draft.leaves.length != 0) _bendLeaf(draft, seed);
        } else if (choice == 13) {
            _bendTotal(draft, last, seed);
        } else if (choice == 14) {
            if (rows) _leaveOut(draft, seed);
        }
        if (_random(seed, 2) % 2 == 0) _fit(draft, last, _random(seed, 3));
        // The ledger itself sees to that.
        uint96 least = last.report.total;
        bool grows = draft.report.total > least && draft.contributions.length != 0;
        if (!grows) draft.report.total = least;
        draft.seal();
        if (choice > 14) _hide(draft, seed);
        draft.isLawful = RULES.isLawful(draft);
        draft.counted = 0;
        for (uint256 i = 0; i < draft.lines.length; ++i) {
            draft.counted += Invoices.countedOf(draft.lines[i]);
        }
        return draft;
    }

    // ------------------------------------------------------------------ contributions

    /// @dev What the rules would make of other receipts: where those are not lawful, nothing else is wrong.
    function _made(Draft memory draft, uint256 seed) private view returns (Draft memory) {
        uint256 n = draft.contributions.length;
        uint32 epoch = draft.report.epoch;
        if (_random(seed, 4) % 3 != 0) {
            _bendReceipt(draft, seed);
        } else {
            SignedReceipt memory other = draft.contributions[_random(seed, 11) % n].signed;
            _bendSignature(draft.contributions[_random(seed, 10) % n].signed, other, seed);
        }
        SignedReceipt[] memory signed = new SignedReceipt[](n);
        for (uint256 i = 0; i < n; ++i) {
            signed[i] = draft.contributions[i].signed;
            // For nobody there is no row.
            if (REGISTRY.ownerAt(signed[i].receipt.device, epoch) == address(0)) return draft;
        }
        return RULES.draft(signed, epoch, draft.report.attempt, seed);
    }

    function _bendContribution(Draft memory draft, uint256 seed) private view {
        uint256 n = draft.contributions.length;
        ContributionRow memory row = draft.contributions[_random(seed, 10) % n];
        uint256 place = _random(seed, 11) % n;
        ContributionRow memory other = draft.contributions[place];
        uint256 choice = _random(seed, 12) % 12;
        if (choice < 3) return _bendReceipt(draft, seed);
        if (choice < 6) return _bendSignature(row.signed, other.signed, seed);
        if (choice == 6) row.account = _someAccount(seed);
        if (choice == 7) row.earned = _off(row.earned, _random(seed, 13));
        if (choice == 8) row.subtotal = _off(row.subtotal, _random(seed, 13));
        // One gets what another loses.
        if (choice == 9) {
            uint96 part = uint96(_random(seed, 13) % (uint256(other.earned) + 1));
            unchecked {
                (other.earned, row.earned) = (other.earned - part, row.earned + part);
            }
        }
        // The same one twice.
        if (choice == 10) draft.contributions[place] = _copy(row);
        if (choice == 11) {
            (row.signed, other.signed) = (other.signed, row.signed);
            (row.account, other.account) = (other.account, row.account);
            (row.earned, other.earned) = (other.earned, row.earned);
            if (seed % 2 == 0) _repoint(draft, _random(seed, 10) % n, place);
        }
    }

    /// @dev Something about what was served, signed anew by whoever can, or not.
    function _bendReceipt(Draft memory draft, uint256 seed) private view {
        uint256 n = draft.contributions.length;
        SignedReceipt memory signed = draft.contributions[_random(seed, 10) % n].signed;
        Receipt memory receipt = signed.receipt;
        uint256 choice = _random(seed, 14) % 14;
        uint96 some = uint96(1 + (_random(seed, 15) % 1e6));
        if (choice == 0) receipt.epoch = receipt.epoch + 1;
        if (choice == 1) receipt.epoch = receipt.epoch - 1;
        if (choice == 2) receipt.sequence = 0;
        if (choice == 3) receipt.sequence += 1;
        if (choice == 4) receipt.device = WORLD.devices(_random(seed, 16) % Cast.DEVICES);
        if (choice == 5) receipt.customer = WORLD.customers(_random(seed, 16) % Cast.CUSTOMERS);
        if (choice == 6) receipt.egressBytes += uint64(some);
        if (choice == 7) receipt.storageByteSeconds += some;
        if (choice == 8) receipt.computeMilliseconds -= receipt.computeMilliseconds / 2;
        if (choice > 8) _exceed(receipt, _random(seed, 16));
        if (_random(seed, 17) % 4 == 0) return;
        SignedReceipt memory anew = RULES.sign(receipt, _random(seed, 18));
        signed.customerSignature = anew.customerSignature;
        signed.deviceSignature = anew.deviceSignature;
    }

    /// @dev One more of something than the class allows.
    function _exceed(Receipt memory receipt, uint256 choice) private view {
        uint256 limit = RULES.limitOf(receipt.device, receipt.epoch).egressBytes;
        if (choice % 3 == 0 && limit < type(uint64).max) receipt.egressBytes = uint64(limit + 1);
        limit = RULES.limitOf(receipt.device, receipt.epoch).storageByteSeconds;
        if (choice % 3 == 1 && limit < type(uint96).max) {
            receipt.storageByteSeconds = uint96(limit + 1);
        }
        limit = RULES.limitOf(receipt.device, receipt.epoch).computeMilliseconds;
        if (choice % 3 == 2 && limit < type(uint64).max) {
            receipt.computeMilliseconds = uint64(limit + 1);
        }
    }

    function _bendSignature(
        SignedReceipt memory signed,
        SignedReceipt memory other,
        uint256 seed
    ) private view {
        bytes32 digest = RULES.digestOf(signed.receipt);
        uint256 device = WORLD.keyOf(signed.receipt.device);
        uint256 choice = _random(seed, 20) % 12;
        CompactSignature memory none;
        CompactSignature memory most = CompactSignature(
            bytes32(type(uint256).max),
            bytes32(type(uint256).max)
        );
        if (choice == 0) signed.customerSignature = Typed.sign(Cast.stranger(4), digest);
        // The customer's own key is none of its gateways'.
        if (choice == 1) {
            signed.customerSignature = Typed.sign(WORLD.keyOf(signed.receipt.customer), digest);
        }
        // With any gateway's key, which may be the customer's or not.
        if (choice == 2) {
            address gateway = WORLD.gateways(_random(seed, 21) % Cast.GATEWAYS);
            signed.customerSignature = Typed.sign(WORLD.keyOf(gateway), digest);
        }
        if (choice == 3) signed.customerSignature = _random(seed, 21) % 2 == 0 ? none : most;
        if (choice == 4) signed.customerSignature = other.customerSignature;
        if (choice == 5) signed.customerSignature.vs ^= bytes32(uint256(1) << 255);
        if (choice == 6) signed.deviceSignature = Typed.sign(Cast.stranger(4), digest);
        if (choice == 7) signed.deviceSignature = Typed.signP256(Cast.stranger(4), digest);
        if (choice == 8) signed.deviceSignature = _random(seed, 21) % 2 == 0 ? none : most;
        if (choice == 9) signed.deviceSignature = other.deviceSignature;
        // With the other kind of key.
        if (choice == 10) {
            signed.deviceSignature =
                Cast.isP256(device) ? Typed.sign(device, digest) : Typed.signP256(device, digest);
        }
        // The other of the two signatures that the mathematics would take.
        if (choice == 11) {
            uint256 order = Cast.isP256(device) ? Typed.P256_ORDER : SECP256K1_ORDER;
            uint256 s = uint256(signed.deviceSignature.vs);
            if (!Cast.isP256(device)) s &= type(uint256).max >> 1;
            signed.deviceSignature.vs = bytes32(order - s);
        }
    }

    /// @dev A receipt, and its line, that is not there.
    function _leaveOut(Draft memory draft, uint256 seed) private view {
        uint256 n = draft.contributions.length;
        uint256 place = _random(seed, 10) % n;
        SignedReceipt[] memory signed = new SignedReceipt[](n - 1);
        for (uint256 i = 0; i < n - 1; ++i) {
            signed[i] = draft.contributions[i < place ? i : i + 1].signed;
        }
        Draft memory made = RULES.draft(
            signed,
            draft.report.epoch,
            draft.report.attempt,
            _random(seed, 11)
        );
        // All of it, or some of the tables.
        uint256 choice = _random(seed, 12) % 4;
        if (choice == 3) return;
        (draft.contributions, draft.lines) = (made.contributions, made.lines);
        if (choice != 1) draft.leaves = made.leaves;
        if (choice != 2) draft.report.total = made.report.total;
    }

    // ------------------------------------------------------------------ lines

    function _bendLine(Draft memory draft, uint256 seed) private view {
        uint256 n = draft.lines.length;
        uint256 place = _random(seed, 11) % n;
        InvoiceLine memory line = draft.lines[_random(seed, 10) % n];
        InvoiceLine memory other = draft.lines[place];
        uint256 choice = _random(seed, 12) % 12;
        if (choice == 0) line.value = _off(line.value, _random(seed, 13));
        if (choice == 1) line.ceiling = _off(line.ceiling, _random(seed, 13));
        if (choice == 2) line.subtotal = _off(line.subtotal, _random(seed, 13));
        if (choice == 3) line.above = _random(seed, 13) % 2 == 0 ? line.above + 1 : 0;
        if (choice == 4) {
            uint32[4] memory names = [uint32(n), other.contribution, 0, type(uint32).max];
            line.contribution = names[_random(seed, 13) % 4];
        }
        if (choice == 5) {
            (line.contribution, other.contribution) = (other.contribution, line.contribution);
        }
        if (choice == 6) draft.lines[place] = _copy(line);
        if (choice == 7) {
            (line.customer, other.customer) = (other.customer, line.customer);
            (line.device, other.device) = (other.device, line.device);
            (line.contribution, other.contribution) = (other.contribution, line.contribution);
            (line.value, other.value) = (other.value, line.value);
        }
        if (choice == 8) line.customer = WORLD.customers(_random(seed, 13) % Cast.CUSTOMERS);
        if (choice == 9) line.device = WORLD.devices(_random(seed, 13) % Cast.DEVICES);
        // What one line is worth too much, another is too little.
        if (choice == 10) {
            uint96 part = uint96(_random(seed, 13) % (uint256(other.value) + 1));
            unchecked {
                (other.value, line.value) = (other.value - part, line.value + part);
            }
        }
        // Another ceiling for all that a customer was served.
        if (choice == 11) {
            uint96 ceiling = _off(line.ceiling, _random(seed, 13));
            for (uint256 i = 0; i < n; ++i) {
                if (draft.lines[i].customer == line.customer) draft.lines[i].ceiling = ceiling;
            }
        }
        if (choice == 4 || choice == 5 || _random(seed, 14) % 2 == 0) return;
        // The contributions agree.
        for (uint256 i = 0; i < n; ++i) {
            if (draft.lines[i].contribution >= n) continue;
            draft.contributions[draft.lines[i].contribution].earned = Invoices.earnedOf(
                Invoices.countedOf(draft.lines[i]),
                WORLD.feeBpsAt(draft.report.epoch)
            );
        }
    }

    function _repoint(Draft memory draft, uint256 a, uint256 b) private pure {
        for (uint256 i = 0; i < draft.lines.length; ++i) {
            InvoiceLine memory line = draft.lines[i];
            if (line.contribution == a) line.contribution = uint32(b);
            else if (line.contribution == b) line.contribution = uint32(a);
        }
    }

    // ------------------------------------------------------------------ leaves

    function _bendLeaf(Draft memory draft, uint256 seed) private view {
        uint256 n = draft.leaves.length;
        RewardLeaf memory a = _earner(draft.leaves, _random(seed, 10));
        RewardLeaf memory b = draft.leaves[_random(seed, 11) % n];
        uint256 choice = _random(seed, 12) % 8;
        if (choice == 0) a.account = _someAccount(seed);
        if (choice == 1) a.cumulative = _off(a.cumulative, _random(seed, 13));
        if (choice == 2) a.prefix = _off(a.prefix, _random(seed, 13));
        if (choice == 3) (a.account, b.account) = (b.account, a.account);
        if (choice == 4) a.prefix = b.prefix;
        // One gets what another loses; the slices fit, or not.
        if (choice > 4) {
            uint96 part = uint96(_random(seed, 13) % (uint256(a.cumulative) + 1));
            if (choice == 5) part = a.cumulative;
            unchecked {
                (a.cumulative, b.cumulative) = (a.cumulative - part, b.cumulative + part);
            }
            if (choice != 7) _pack(draft.leaves);
        }
    }

    /// @dev Another total, or all that was paid for one account.
    function _bendTotal(Draft memory draft, Draft memory last, uint256 seed) private view {
        uint32 epoch = draft.report.epoch;
        uint256 most = (WORLD.fund(epoch) * (10_000 - WORLD.feeBpsAt(epoch))) / 10_000;
        uint96 total = last.report.total + uint96(most);
        if (draft.leaves.length == 0 || _random(seed, 1) % 2 == 0 || total < draft.report.total) {
            draft.report.total = _off(draft.report.total, _random(seed, 10));
            return;
        }
        RewardLeaf memory winner = draft.leaves[_random(seed, 11) % draft.leaves.length];
        winner.cumulative += total - draft.report.total;
        draft.report.total = total;
        _pack(draft.leaves);
    }

    /// @dev A leaf that promises something, if there is one.
    function _earner(
        RewardLeaf[] memory leaves,
        uint256 seed
    ) private pure returns (RewardLeaf memory leaf) {
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaf = leaves[addmod(seed, i, leaves.length)];
            if (leaf.cumulative != 0) break;
        }
    }

    function _pack(RewardLeaf[] memory leaves) private pure {
        uint96 prefix = 0;
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i].prefix = prefix;
            unchecked {
                prefix += leaves[i].cumulative;
            }
        }
    }

    // ------------------------------------------------------------------ everywhere

    /// @dev Makes fit what follows from the rows: the sums of the contributions, of the lines, of both, and the rewards.
    function _fit(Draft memory draft, Draft memory last, uint256 how) private view {
        unchecked {
            uint96 sum = 0;
            for (uint256 i = 0; i < draft.contributions.length; ++i) {
                sum += draft.contributions[i].earned;
                draft.contributions[i].subtotal = sum;
            }
            if (how % 4 != 0) _fitLines(draft.lines);
            if (how % 8 < 2) return;
            draft.report.total = last.report.total + sum;
            for (uint256 x = 0; x < draft.leaves.length; ++x) {
                RewardLeaf memory leaf = draft.leaves[x];
                leaf.cumulative = x < last.leaves.length ? last.leaves[x].cumulative : 0;
                for (uint256 i = 0; i < draft.contributions.length; ++i) {
                    ContributionRow memory row = draft.contributions[i];
                    if (REGISTRY.indexOf(row.account) == x) leaf.cumulative += row.earned;
                }
            }
            _pack(draft.leaves);
        }
    }

    function _fitLines(InvoiceLine[] memory lines) private pure {
        unchecked {
            uint96 subtotal = 0;
            uint32 above = 0;
            for (uint256 i = 0; i < lines.length; ++i) {
                InvoiceLine memory line = lines[i];
                if (i != 0 && line.customer != lines[i - 1].customer) (subtotal, above) = (0, 0);
                subtotal += uint96(Invoices.countedOf(line));
                if (line.value > line.ceiling) ++above;
                (line.subtotal, line.above) = (subtotal, above);
            }
        }
    }

    /// @dev An empty leaf, or the hash of what is no row, somewhere, or everywhere in a table.
    function _hide(Draft memory draft, uint256 seed) private pure {
        uint8 table = uint8(_random(seed, 10) % 3);
        bytes32[] memory hashes = draft.hashesOf(IJudge.Table(table));
        if (hashes.length == 0) return;
        uint256 place = _random(seed, 11) % hashes.length;
        uint256 choice = _random(seed, 12) % 4;
        if (choice == 0) hashes[place] = bytes32(0);
        if (choice == 1 || choice == 2) hashes[place] = keccak256(abi.encode(place));
        for (uint256 i = 0; choice == 3 && i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(i));
        }
        draft.root();
    }

    /// @dev Another number: one more or less, half, twice, or very much.
    function _off(uint96 number, uint256 choice) private view returns (uint96) {
        uint256 n = number;
        // Where nobody watches, it must leave room for what comes after it.
        uint256 much = WORLD.watched() ? type(uint96).max : n + 1e24;
        uint256[6] memory numbers = [n ^ 1, n + 1, n / 2, 2 * n, much, n / 2 + 1e18];
        return uint96(numbers[choice % 6] % 2 ** 96);
    }

    function _someAccount(uint256 seed) private view returns (address) {
        uint256 choice = _random(seed, 16) % 3;
        if (choice == 0) return address(0);
        if (choice == 1) return address(uint160(seed));
        address[] memory accounts = WORLD.accounts();
        return accounts.length == 0 ? address(1) : accounts[_random(seed, 17) % accounts.length];
    }

    function _copy(ContributionRow memory row) private pure returns (ContributionRow memory) {
        return abi.decode(abi.encode(row), (ContributionRow));
    }

    function _copy(InvoiceLine memory line) private pure returns (InvoiceLine memory) {
        return abi.decode(abi.encode(line), (InvoiceLine));
    }

    function _random(uint256 seed, uint256 salt) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }
}
