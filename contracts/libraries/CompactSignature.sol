// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A secp256k1 signature in the 64 bytes of EIP-2098.
/// @param r The x coordinate of the nonce point.
/// @param vs The parity of the nonce point in the highest bit, `s` in the rest.
struct CompactSignature {
    bytes32 r;
    bytes32 vs;
}

/// @title CompactSignatures
/// @notice Recovers the signers of EIP-2098 signatures. The high half of `s` is refused, so a signature has one form.
library CompactSignatures {
    /// @notice The address whose key signed `digest`.
    /// @dev Reverts with OpenZeppelin's `ECDSAInvalidSignature` or `ECDSAInvalidSignatureS` when there is none.
    function recover(
        CompactSignature calldata signature,
        bytes32 digest
    ) internal pure returns (address) {
        return ECDSA.recover(digest, signature.r, signature.vs);
    }
}
