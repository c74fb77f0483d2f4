// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IEpochLedger} from "../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../contracts/libraries/CompactSignature.sol";
import {VM} from "./Vm.sol";

/// @title Typed
/// @notice EIP-712 as the tests write it, apart from the contracts' own encoding.
library Typed {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    function digest(address verifyingContract, bytes32 structHash) internal view returns (bytes32) {
        return digestOn(block.chainid, verifyingContract, structHash);
    }

    function digestOn(
        uint256 chainId,
        address verifyingContract,
        bytes32 structHash
    ) internal pure returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256("LinkRewards"),
                keccak256("1"),
                chainId,
                verifyingContract
            )
        );
        return keccak256(bytes.concat(hex"1901", domain, structHash));
    }

    function bindHash(
        address device,
        address account,
        uint64 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256("Bind(address device,address account,uint64 nonce,uint256 deadline)"),
                    device,
                    account,
                    nonce,
                    deadline
                )
            );
    }

    function setPayeeHash(
        address account,
        address payee,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "SetPayee(address account,address payee,uint256 nonce,uint256 deadline)"
                    ),
                    account,
                    payee,
                    nonce,
                    deadline
                )
            );
    }

    function voucherHash(
        address customer,
        uint32 epoch,
        uint96 amount
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256("Voucher(address customer,uint32 epoch,uint96 amount)"),
                    customer,
                    epoch,
                    amount
                )
            );
    }

    function reportHash(IEpochLedger.Report memory report) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Report(uint32 epoch,uint32 attempt,bytes32 prevRoot,bytes32 root,bytes32 contributionRoot,bytes32 invoiceRoot,uint32 contributions,uint96 total,bytes32 bundleHash,bytes32 rulesHash)"
                    ),
                    report
                )
            );
    }

    function sign(uint256 key, bytes32 digest_) internal pure returns (CompactSignature memory) {
        (bytes32 r, bytes32 vs) = VM.signCompact(key, digest_);
        return CompactSignature(r, vs);
    }

    /// @notice The same in the 65 bytes that OpenZeppelin's signature checker wants.
    function signLong(uint256 key, bytes32 digest_) internal pure returns (bytes memory) {
        (bytes32 r, bytes32 vs) = VM.signCompact(key, digest_);
        bytes32 s = bytes32(uint256(vs) & (type(uint256).max >> 1));
        return abi.encodePacked(r, s, uint8(27 + (uint256(vs) >> 255)));
    }
}
