// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "./ICustomerEscrow.sol";
import {IDeviceRegistry} from "./IDeviceRegistry.sol";

/// @title IJudge
/// @notice Says whether a row of a report is lawful. One judge for each rules hash, for ever: it alone knows what the rows
/// of its rules look like.
/// @dev It has no state, and what it asks of the registry, the escrow and the ledger has stopped changing when an epoch
/// can be proposed. If no proof convicts any row, the three tables are what the rules make of those receipts; and no row
/// of lawful tables is convicted. Nothing that a row says makes a proof fail: a signature that is none, a number that is
/// too large and an account that nobody knows are verdicts. Evidence that is not about the report fails, as
/// {InvalidEvidence}.
interface IJudge {
    /// @notice The tables of a report, and the rewards of the final epoch before it.
    enum Table {
        Contributions,
        Invoices,
        Rewards,
        LastRewards
    }

    /// @notice What can be wrong.
    /// @dev `openings` are the rows that {Evidence} must hold, in that order. A boundary `b` lies before row `b` of its
    /// table: it has the rows at `b − 1` and `b`, at the beginning (0) and the end (the number of rows) only one.
    ///
    /// `Contribution`: a row's epoch, sequence (0), owner, class limit, customer's key or either signature.
    /// Openings: the contribution.
    ///
    /// `Pair`: a line names no contribution; or that of another device or customer; or its value is not the tariff's; or
    /// the contribution did not earn `min(value, ceiling)` less the fee. Openings: the line, and the contribution it
    /// names, unless it names none.
    ///
    /// `ContributionOrder`: account index, device, customer do not ascend; the subtotal is not the one before plus what
    /// was earned; the last subtotal is not what the total grew by. Openings: the boundary's.
    ///
    /// `InvoiceOrder`: customer, device do not ascend; within a customer the ceiling changes, or subtotal or above are
    /// off; a customer's last line does not close: `subtotal ≤ paid`, and the ceiling is 2^96 − 1 or
    /// `paid < subtotal + above`. Openings: the boundary's.
    ///
    /// `RewardOrder`: an account's index is not its position; a prefix is not where the leaf before ends; the last leaf
    /// does not end at the total. Openings: the boundary's.
    ///
    /// `RewardBoundary`: a leaf's prefix is not the one it had, or for a new account the last total, plus the subtotal of
    /// the last contribution of an account before it. Openings: the leaf; the leaf at its position under the last root,
    /// if there was one; and the boundary's of the contributions between the accounts before it and the rest.
    ///
    /// `EmptyLeaf`: the zero hash stands where a row must be. Openings: one with an empty row.
    enum Proof {
        Contribution,
        Pair,
        ContributionOrder,
        InvoiceOrder,
        RewardOrder,
        RewardBoundary,
        EmptyLeaf
    }

    /// @notice A report as a judge sees it, and what it builds on.
    /// @param epoch The epoch.
    /// @param leaves The rows of its reward table: accounts of the epoch.
    /// @param contributions The rows of its other two tables.
    /// @param total What all accounts have earned with it, in wei.
    /// @param root The reward root.
    /// @param contributionRoot The root over the contributions.
    /// @param invoiceRoot The root over the invoice lines.
    /// @param lastRoot The reward root of the epoch before; zero before the first.
    /// @param lastLeaves The rows under it.
    /// @param lastTotal What all accounts had earned with it, in wei.
    struct Case {
        uint32 epoch;
        uint32 leaves;
        uint32 contributions;
        uint96 total;
        bytes32 root;
        bytes32 contributionRoot;
        bytes32 invoiceRoot;
        bytes32 lastRoot;
        uint32 lastLeaves;
        uint96 lastTotal;
    }

    /// @notice A row and the way from it to its table's root.
    /// @param table Its table.
    /// @param position Its position.
    /// @param row Its bytes, as many as {rowBytes} says.
    /// @param proof The siblings from the leaf's level upwards, as many as the tree has levels below its root.
    struct Opening {
        Table table;
        uint32 position;
        bytes row;
        bytes32[] proof;
    }

    /// @notice What convicts a report.
    /// @param proof What is wrong.
    /// @param position The boundary, for the proofs that have one.
    /// @param openings The rows, see {Proof}.
    /// @param publicKey The key of a contribution's device, 64 bytes, when it is of P-256.
    struct Evidence {
        Proof proof;
        uint32 position;
        Opening[] openings;
        bytes publicKey;
    }

    /// @notice What shows that a receipt is missing from a table of contributions.
    /// @param receipt The signed receipt: the first 204 bytes of a row.
    /// @param position The boundary at which it would stand.
    /// @param openings The boundary's rows: the one before must come before the receipt in the order of contributions; the
    /// one after must come after it, or be of the same device and customer with a lower sequence.
    /// @param publicKey The device's key, 64 bytes, when it is of P-256.
    struct Omission {
        bytes receipt;
        uint32 position;
        Opening[] openings;
        bytes publicKey;
    }

    /// @notice The opening with this number, counted from 0, is missing, of another row than the proof is about, has
    /// another length, or does not lead to its root; or there are more than so many.
    error InvalidEvidence(uint256 opening);

    /// @notice Devices, accounts and limits.
    function registry() external view returns (IDeviceRegistry);

    /// @notice Customers, their keys and payments.
    function escrow() external view returns (ICustomerEscrow);

    /// @notice How many bytes a row of `table` has.
    function rowBytes(Table table) external pure returns (uint256);

    /// @notice Whether `evidence`, an ABI-encoded {Evidence}, shows that the report of `case_` is not lawful.
    /// @dev The caller is the ledger, whose tariff it is: a call that only asks must name it as the sender. Reverts with
    /// {InvalidEvidence}, or {IDeviceRegistry-PublicKeyMismatch}, when the evidence is not about this report.
    function unlawful(Case calldata case_, bytes calldata evidence) external view returns (bool);

    /// @notice The EIP-712 digest of a lawful receipt of `epoch` that a table of contributions does not have, or only with
    /// a lower sequence; zero when `omission`, an ABI-encoded {Omission}, shows none.
    /// @param contributionRoot The root over the table; zero when it has no rows.
    /// @param contributions How many rows it has.
    function omitted(
        uint32 epoch,
        bytes32 contributionRoot,
        uint32 contributions,
        bytes calldata omission
    ) external view returns (bytes32 digest);
}
