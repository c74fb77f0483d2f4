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
    uint256 public constant SUPPLY = 1_500_000_000e18;

    /// @param holder Who receives the whole supply.
    constructor(address holder) ERC20("LinkToken", "LTK") ERC20Permit("LinkToken") {
        _mint(holder, SUPPLY);
    }

    function burn(uint256 value) public override(ILinkToken, ERC20Burnable) {
        super.burn(value);
    }

    function burnFrom(address account, uint256 value) public override(ILinkToken, ERC20Burnable) {
        super.burnFrom(account, value);
    }

    function nonces(
        address owner
    ) public view override(IERC20Permit, ERC20Permit) returns (uint256) {
        return super.nonces(owner);
    }
}
