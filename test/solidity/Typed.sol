// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IDeviceRegistry} from "../../contracts/interfaces/IDeviceRegistry.sol";
import {IEpochLedger} from "../../contracts/interfaces/IEpochLedger.sol";
import {CompactSignature} from "../../contracts/libraries/CompactSignature.sol";
import {Receipt} from "../../contracts/libraries/Receipts.sol";
import {VM} from "./Vm.sol";

/// @title Typed
/// @notice EIP-712 as the tests write it, apart from the contracts' own encoding.
library Typed {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    uint256 internal constant P256_ORDER =
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;

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

    function receiptHash(Receipt memory receipt) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Receipt(address device,address customer,uint32 epoch,uint32 sequence,uint64 egressBytes,uint96 storageByteSeconds,uint64 computeMilliseconds)"
                    ),
                    receipt
                )
            );
    }

    function acknowledgementHash(
        IDeviceRegistry.Acknowledgement memory word
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256("Acknowledgement(bytes32 root,uint32 receipts,uint64 storedAt)"),
                    word
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

    /// @notice A signature of a P-256 key as devices make it: over the SHA-256 of the digest, with a low `s`.
    function signP256(
        uint256 key,
        bytes32 digest_
    ) internal pure returns (CompactSignature memory) {
        (bytes32 r, bytes32 s) = VM.signP256(key, sha256(abi.encode(digest_)));
        if (uint256(s) > P256_ORDER / 2) s = bytes32(P256_ORDER - uint256(s));
        return CompactSignature(r, s);
    }

    /// @notice The 64 bytes of a P-256 key.
    function publicKeyOf(uint256 key) internal pure returns (bytes memory) {
        (uint256 x, uint256 y) = VM.publicKeyP256(key);
        return abi.encodePacked(x, y);
    }
}
