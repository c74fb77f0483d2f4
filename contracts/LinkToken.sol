// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title LinkToken
/// @notice What customers pay with and owners earn: ERC-20 with ERC-2612 permits. The supply is minted once and can only
/// be burned; there is no owner, no mint, no pause and no upgrade.
contract LinkToken is ERC20, ERC20Burnable, ERC20Permit {
    /// @notice All tokens there will ever be, in wei.
    uint256 public constant SUPPLY = 1_500_000_000e18;

    /// @param holder Who receives the whole supply.
    constructor(address holder) ERC20("LinkToken", "LTK") ERC20Permit("LinkToken") {
        _mint(holder, SUPPLY);
    }
}
