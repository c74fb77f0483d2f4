// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {InvoiceLine, InvoiceLines} from "../../contracts/libraries/InvoiceLine.sol";
import {Trees} from "./Trees.sol";

contract InvoiceLineTest {
    using InvoiceLines for InvoiceLine;

    function testFuzzALineIsTheHashOf84Bytes(InvoiceLine calldata line) external view {
        bytes memory packed = abi.encodePacked(
            line.customer,
            line.device,
            line.contribution,
            line.value,
            line.ceiling,
            line.subtotal,
            line.above
        );
        assert(packed.length == 84);
        assert(line.hash() == keccak256(packed) && line.hash() == Trees.hash(line));
        assert(keccak256(abi.encode(this.decode(packed))) == keccak256(abi.encode(line)));
    }

    /// @dev In a call of its own, for the calldata.
    function decode(bytes calldata row) external pure returns (InvoiceLine memory) {
        return InvoiceLines.decode(row);
    }
}
