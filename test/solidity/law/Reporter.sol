// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../../contracts/libraries/CompactSignature.sol";
import {Typed} from "../Typed.sol";
import {Actor} from "./Actor.sol";
import {Draft} from "./Draft.sol";

/// @title Reporter
/// @notice Draws up reports and gathers signatures, as the oracle's members do.
abstract contract Reporter is Actor {
    /// @notice A report on the next epoch as the rules want it, for the service that `seed` chooses.
    function _honest(uint256 seed) internal view returns (Draft memory) {
        uint32 epoch = world.lastEpoch() + 1;
        return rules.draft(rules.receipts(epoch, seed), epoch, world.attempt(), seed);
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
}
