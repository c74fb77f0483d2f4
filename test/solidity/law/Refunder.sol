// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustomerEscrow} from "../../../contracts/interfaces/ICustomerEscrow.sol";
import {Cast} from "../Suite.sol";
import {Actor} from "./Actor.sol";
import {Draft} from "./Draft.sol";
import {Invoices} from "./Invoices.sol";
import {World} from "./World.sol";

/// @title Refunder
/// @notice Brings back, for anyone, what did not count; and tries to bring back more.
contract Refunder is Actor {
    constructor(World world_) Actor(world_) {}

    /// @notice Mostly of an epoch that is final, and to one that paid for it; also of others, which may be refused.
    function refund(uint256 seed) external logged {
        uint32 epoch = uint32(1 + (_random(seed, 0) % (world.currentEpoch() + 1)));
        address customer = world.customers(_random(seed, 1) % Cast.CUSTOMERS);
        if (_random(seed, 2) % 4 != 0 && world.lastEpoch() != 0) {
            epoch = 1 + (epoch % world.lastEpoch());
            while (epoch < world.lastEpoch() && !_isOwed(customer, epoch)) ++epoch;
        }
        _refund(epoch, customer, seed);
    }

    /// @notice With lines that do not show what counted for the customer.
    function refundWrongly(uint256 seed) external logged {
        if (world.lastEpoch() == 0) return;
        uint32 epoch = uint32(1 + (_random(seed, 0) % world.lastEpoch()));
        address customer = world.customers(_random(seed, 1) % Cast.CUSTOMERS);
        Draft memory draft = world.finalOf(epoch);
        uint256 n = draft.lines.length;
        if (n == 0) return;
        // Of any lines that stand in the table: none, one, two or three neighbours.
        uint256 position = _random(seed, 2) % n;
        uint256 count = _random(seed, 3) % 4;
        ICustomerEscrow.InvoiceOpening[] memory openings = Invoices.openingsAt(
            draft,
            position,
            count
        );
        if (!_twist(openings, seed) && _shows(draft, customer, position, count)) return;
        _refused(
            "a refund was granted for lines that do not show it",
            _passerBy(seed),
            address(escrow),
            abi.encodeCall(escrow.refund, (epoch, customer, openings))
        );
        world.did("refundWrongly");
    }

    function _isOwed(address customer, uint32 epoch) private view returns (bool) {
        return world.paid(customer, epoch) != 0 && !world.isRefunded(customer, epoch);
    }

    /// @dev Changes one thing about the first opening, or nothing.
    function _twist(
        ICustomerEscrow.InvoiceOpening[] memory openings,
        uint256 seed
    ) private pure returns (bool) {
        uint256 choice = _random(seed, 4) % 6;
        if (openings.length == 0 || choice > 3) return false;
        if (choice == 0) {
            if (openings[0].line.subtotal == 0) return false;
            openings[0].line.subtotal = 0;
        }
        // The same proof leads to the same root from here, too.
        if (choice == 1) openings[0].position += uint32(1 << openings[0].proof.length);
        if (choice == 2) openings[0].proof = new bytes32[](openings[0].proof.length + 1);
        if (choice == 3) openings[0].line.customer = address(uint160(_random(seed, 5)));
        return true;
    }

    /// @dev Whether these lines are the customer's last and the next, or those it would stand between, or the one at an
    /// end of the table that it would stand beyond.
    function _shows(
        Draft memory draft,
        address customer,
        uint256 position,
        uint256 count
    ) private pure returns (bool) {
        uint256 n = draft.lines.length;
        if (count == 0 || count > 2 || position + count > n) return false;
        address first = draft.lines[position].customer;
        if (count == 2) {
            return first <= customer && draft.lines[position + 1].customer > customer;
        }
        return first > customer ? position == 0 : position == n - 1;
    }
}
