// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice An ERC-1271 wallet whose owner's key signs for it. With a zero owner it refuses every signature.
contract OwnedWallet is IERC1271 {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(
        bytes32 digest,
        bytes calldata signature
    ) external view returns (bytes4) {
        return
            ECDSA.recover(digest, signature) == OWNER
                ? IERC1271.isValidSignature.selector
                : bytes4(0xffffffff);
    }
}
