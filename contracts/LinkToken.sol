// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ILinkToken} from "./interfaces/ILinkToken.sol";

/// @title LinkToken
/// @notice Implements {ILinkToken}, where each function is described.
contract LinkToken is ERC20, ILinkToken, ERC20Burnable, ERC20Permit {
    // Totals of what was ever earned have 96 bits: the whole supply can be earned so often.
    uint256 private constant TURNOVERS = 32;

    // Parameters

    uint256 public immutable initialSupply;

    /// @param name_ The token's name.
    /// @param symbol_ The token's symbol.
    /// @param initialSupply_ All tokens there will ever be, in wei.
    /// @param holder Who receives them.
    constructor(
        string memory name_,
        string memory symbol_,
        uint256 initialSupply_,
        address holder
    ) ERC20(name_, symbol_) ERC20Permit(name_) {
        require(
            initialSupply_ != 0 && initialSupply_ <= type(uint96).max / TURNOVERS,
            InvalidSupply(initialSupply_)
        );
        initialSupply = initialSupply_;
        _mint(holder, initialSupply_);
    }

    // Burning

    function burn(uint256 value) public override(ILinkToken, ERC20Burnable) {
        super.burn(value);
    }

    function burnFrom(address account, uint256 value) public override(ILinkToken, ERC20Burnable) {
        super.burnFrom(account, value);
    }

    // Permits

    function nonces(
        address owner
    ) public view override(IERC20Permit, ERC20Permit) returns (uint256) {
        return super.nonces(owner);
    }
}
