// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ILedgerLink} from "./interfaces/ILedgerLink.sol";

/// @title LedgerLink
/// @notice Implements {ILedgerLink}, where each function is described.
abstract contract LedgerLink is ILedgerLink {
    address private immutable DEPLOYER = msg.sender;

    address public ledger;

    modifier onlyLedger() {
        require(msg.sender == ledger, NotLedger(msg.sender));
        _;
    }

    function linkLedger(address ledger_) external {
        require(msg.sender == DEPLOYER, NotDeployer(msg.sender));
        require(ledger == address(0), LedgerAlreadyLinked(ledger));
        require(ledger_ != address(0), ZeroAddress());
        ledger = ledger_;
        emit LedgerLinked(ledger_);
    }
}
