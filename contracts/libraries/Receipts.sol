// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice The total one device delivered to one customer in one epoch. Both sign it.
/// @param device Who served: the address of the device's key.
/// @param customer Who was served.
/// @param epoch The epoch the totals belong to; they start at zero in the next.
/// @param sequence A higher sequence of the same (epoch, device, customer) replaces a lower one.
/// @param egressBytes Bytes delivered so far.
/// @param storageByteSeconds Bytes kept times the seconds they were kept, so far.
/// @param computeMilliseconds Accepted compute so far, in vCPU milliseconds.
struct Receipt {
    address device;
    address customer;
    uint32 epoch;
    uint32 sequence;
    uint64 egressBytes;
    uint96 storageByteSeconds;
    uint64 computeMilliseconds;
}

/// @title Receipts
/// @notice EIP-712 encoding of a receipt.
library Receipts {
    bytes32 internal constant TYPEHASH = keccak256(
        "Receipt(address device,address customer,uint32 epoch,uint32 sequence,uint64 egressBytes,uint96 storageByteSeconds,uint64 computeMilliseconds)"
    );

    /// @notice The EIP-712 `hashStruct` of a receipt.
    function hash(Receipt calldata receipt) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    TYPEHASH,
                    receipt.device,
                    receipt.customer,
                    receipt.epoch,
                    receipt.sequence,
                    receipt.egressBytes,
                    receipt.storageByteSeconds,
                    receipt.computeMilliseconds
                )
            );
    }
}
