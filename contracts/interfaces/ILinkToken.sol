// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title ILinkToken
/// @notice What customers pay with and owners earn: ERC-20 with ERC-2612 permits. The supply is minted once and can
/// only be burned; there is no owner, no mint, no pause and no upgrade.
/// @dev Wei, here and in all contracts, are the token's smallest unit: 10^18 wei are one token.
interface ILinkToken is IERC20Metadata, IERC20Permit {
    /// @notice The supply is zero, or more than a 32nd of the 96 bits in which the suite sums up what was ever earned.
    error InvalidSupply(uint256 supply);

    /// @notice All tokens that were ever minted, in wei; {totalSupply} is what has not been burned of them.
    function initialSupply() external view returns (uint256);

    /// @notice Burns `value` wei of the caller's, for good. Emits {Transfer} to the zero address.
    /// @dev Reverts with `ERC20InsufficientBalance` when the caller has less.
    function burn(uint256 value) external;

    /// @notice Burns `value` wei of `account`'s, for good, out of what it allowed the caller. Emits {Transfer} to the
    /// zero address.
    /// @dev Reverts with `ERC20InsufficientAllowance` or `ERC20InsufficientBalance` when the allowance or the balance
    /// is less.
    function burnFrom(address account, uint256 value) external;
}
