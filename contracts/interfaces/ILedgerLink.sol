// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISharedErrors} from "./ISharedErrors.sol";

/// @title ILedgerLink
/// @notice The one-time link from a contract to the {IEpochLedger} that is deployed after it.
/// @dev The ledger is built from what it works with, so the escrow, quorum, distributor and programme learn the ledger's
/// address afterwards: once, from the account that deployed it, which has no power beyond that.
interface ILedgerLink is ISharedErrors {
    /// @notice The link was made. It can never change.
    event LedgerLinked(address indexed ledger);

    /// @notice The link stands already.
    error LedgerAlreadyLinked(address ledger);

    /// @notice Only the account that deployed this contract may link it.
    error NotDeployer(address caller);

    /// @notice Only the linked ledger may call this.
    error NotLedger(address caller);

    /// @notice The linked ledger; zero until {linkLedger}.
    function ledger() external view returns (address);

    /// @notice Links `ledger_` for ever. Only the deployer, once. Emits {LedgerLinked}.
    function linkLedger(address ledger_) external;
}
