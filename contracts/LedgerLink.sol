// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ILedgerLink} from "./interfaces/ILedgerLink.sol";

/// @title LedgerLink
/// @notice A contract that the ledger names in its constructor, and that learns the ledger's address once, afterwards.
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
