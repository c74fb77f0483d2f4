// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {InvoiceLine} from "../../../contracts/libraries/InvoiceLine.sol";
import {Cast} from "../Suite.sol";
import {Trees} from "../Trees.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
import {Draft} from "./Frauds.sol";
import {Invoices} from "./Invoices.sol";

/// @title Reporter
/// @notice Draws up reports and gathers signatures, as the oracle's members do.
abstract contract Reporter is Actor {
    /// @notice A report on the next epoch as the rules want it, for the service that `seed` chooses: history kept, and
    /// each account's devices earn what their customers paid, less the fee.
    function _honest(uint256 seed) internal view returns (Draft memory draft) {
        uint32 epoch = world.lastEpoch() + 1;
        Draft memory last = world.finalOf(epoch - 1);
        uint96[] memory cumulatives = new uint96[](world.accountsAt(epoch));
        for (uint256 i = 0; i < last.leaves.length; ++i) cumulatives[i] = last.leaves[i].cumulative;
        draft.lines = _lines(epoch, seed);
        uint96 delta = 0;
        for (uint256 i = 0; i < draft.lines.length; ++i) {
            InvoiceLine memory line = draft.lines[i];
            uint256 counted = Invoices.countedOf(line);
            uint96 earned = Invoices.earnedOf(counted, world.feeBpsAt(epoch));
            draft.counted += counted;
            delta += earned;
            cumulatives[registry.indexOf(registry.ownerAt(line.device, epoch))] += earned;
        }
        draft.leaves = Trees.pack(_accounts(cumulatives.length), cumulatives);
        draft.isHonest = true;
        _seal(draft, last, last.report.total + delta, seed);
    }

    /// @notice Fills the report of `draft` from its tables.
    function _seal(
        Draft memory draft,
        Draft memory last,
        uint96 total,
        uint256 seed
    ) internal view {
        draft.hashes = Trees.hashes(draft.leaves);
        uint32 contributions = uint32(draft.lines.length);
        draft.report = IEpochLedger.Report({
            epoch: last.report.epoch + 1,
            attempt: world.attempt(),
            prevRoot: last.report.root,
            root: Trees.root(draft.hashes),
            contributionRoot: contributions == 0 ? bytes32(0) : bytes32(seed | 1),
            invoiceRoot: Trees.root(Trees.hashes(draft.lines)),
            contributions: contributions,
            total: total,
            bundleHash: keccak256(abi.encode(seed)),
            rulesHash: ledger.rulesAt(last.report.epoch + 1)
        });
    }

    /// @notice All active members, or as few of them as are enough.
    function _signers(uint256 seed) internal view returns (uint256[] memory signers) {
        uint256[] memory active = world.activeSlots();
        uint256 enough = world.threshold();
        if (seed % 2 == 0 || active.length <= enough) return active;
        signers = new uint256[](enough);
        for (uint256 i = 0; i < enough; ++i) signers[i] = active[(seed / 2 + i) % active.length];
    }

    function _proposal(
        IEpochLedger.Report memory report,
        uint256[] memory signers
    ) internal view returns (bytes memory) {
        CompactSignature[] memory signatures = new CompactSignature[](signers.length);
        bytes32 digest = ledger.reportDigest(report);
        for (uint256 i = 0; i < signers.length; ++i) {
            signatures[i] = Typed.sign(world.keyOf(world.signerOf(signers[i])), digest);
        }
        return abi.encodeCall(IEpochLedger.propose, (report, signatures));
    }

    function _enoughMembers() internal view returns (bool) {
        return world.activeSlots().length >= world.threshold();
    }

    /// @dev One line for each customer and device that `seed` lets meet, in the order of the table.
    function _lines(uint32 epoch, uint256 seed) private view returns (InvoiceLine[] memory lines) {
        uint256 n = 0;
        IEpochLedger.Tariff memory tariff = ledger.tariffAt(epoch);
        lines = new InvoiceLine[](Cast.CUSTOMERS * Cast.DEVICES);
        for (uint256 c = 0; c < Cast.CUSTOMERS; ++c) {
            address customer = world.customers(c);
            if (!world.isCustomerAt(customer, epoch)) continue;
            uint256 first = n;
            for (uint256 d = 0; d < Cast.DEVICES; ++d) {
                address device = world.devices(d);
                uint256 served = _random(seed, 100 + Cast.DEVICES * c + d);
                if (served % 3 != 0 || registry.ownerAt(device, epoch) == address(0)) continue;
                lines[n].customer = customer;
                lines[n].device = device;
                lines[n].contribution = uint32(n);
                lines[n++].value = Invoices.valueAt(tariff, served);
            }
            Invoices.close(lines, first, n, world.paid(customer, epoch));
        }
        // Cut to what was filled.
        assembly ("memory-safe") {
            mstore(lines, n)
        }
    }

    function _accounts(uint256 leaves) private view returns (address[] memory accounts) {
        accounts = new address[](leaves);
        address[] memory all = world.accounts();
        for (uint256 i = 0; i < leaves; ++i) accounts[i] = all[i];
    }
}
