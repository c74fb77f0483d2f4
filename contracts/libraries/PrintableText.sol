// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title PrintableText
/// @notice Text that events carry to logs, databases and pages: short, and without control or direction characters.
library PrintableText {
    /// @notice The most bytes of a text.
    uint256 internal constant MAX_BYTES = 256;

    /// @notice Whether `text` has at most {MAX_BYTES} bytes, all of them printable ASCII (0x20 to 0x7e).
    function isPrintable(string calldata text) internal pure returns (bool) {
        bytes calldata characters = bytes(text);
        if (characters.length > MAX_BYTES) return false;
        for (uint256 i = 0; i < characters.length; ++i) {
            if (characters[i] < 0x20 || characters[i] > 0x7e) return false;
        }
        return true;
    }
}
