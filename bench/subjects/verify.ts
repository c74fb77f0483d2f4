import { toHex } from "@link-rewards/core/encoding/bytes";
import {
  RECEIPT_FIELDS,
  SIGNED_RECEIPT_BYTES,
  unpackSignedReceipt,
} from "@link-rewards/core/signed/receipt";
import {
  type Curves,
  PURE_CURVES,
  recoverSigners,
  type SignedRecords,
} from "@link-rewards/core/signed/signers";
import { loadCurves } from "@link-rewards/host/curves";
import { verifyTypedData } from "ethers";
import {
  compactSignatureToSignature,
  parseCompactSignature,
  recoverTypedDataAddress,
  serializeSignature,
} from "viem";
import { openRecoverPool } from "../../oracle/edge/recover-pool.ts";
import { deployment } from "../../test/worlds/paper.ts";
import type { Case, Contestant } from "../case.ts";
import { domain, signReceipts, worldOf } from "../world.ts";

/** Digest and both signatures of a receipt. */
const { chainId, contracts } = deployment;
const typedDomain = {
  name: "LinkRewards",
  version: "1",
  chainId,
  verifyingContract: contracts.deviceRegistry,
} as const;
const types = { Receipt: RECEIPT_FIELDS.map(({ name, type }) => ({ name, type })) };

async function packedReceipts(size: number): Promise<Uint8Array> {
  return signReceipts(worldOf(size, { signed: true }));
}

function recordsOf(packed: Uint8Array): SignedRecords {
  const recordBytes = SIGNED_RECEIPT_BYTES;
  return { domain, records: packed, recordBytes, publicKeys: new Map() };
}

/** Our work on one thread, by whichever library. */
function onThisThread(curves: Curves): Contestant {
  return async (size) => {
    const packed = await packedReceipts(size);
    return () => void recoverSigners(recordsOf(packed), curves);
  };
}

function inPool(threads: number): Contestant {
  return async (size) => {
    const packed = await packedReceipts(size);
    const pool = openRecoverPool(threads);
    const run = () => pool.recover(recordsOf(packed));
    await run();
    return async () => void (await run());
  };
}

async function receiptsWithSignatures(size: number) {
  const packed = await packedReceipts(size);
  return Array.from({ length: size }, (_, i) => {
    const record = packed.subarray(i * SIGNED_RECEIPT_BYTES, (i + 1) * SIGNED_RECEIPT_BYTES);
    const { receipt, customerSignature, deviceSignature } = unpackSignedReceipt(record);
    return { receipt, signatures: [toHex(customerSignature), toHex(deviceSignature)] };
  });
}

const byEthers: Contestant = async (size) => {
  const receipts = await receiptsWithSignatures(size);
  return () => {
    for (const { receipt, signatures } of receipts)
      for (const signature of signatures) verifyTypedData(typedDomain, types, receipt, signature);
  };
};

const byViem: Contestant = async (size) => {
  const receipts = (await receiptsWithSignatures(size)).map(({ receipt, signatures }) => ({
    message: receipt,
    signatures: signatures.map((hex) =>
      serializeSignature(compactSignatureToSignature(parseCompactSignature(hex))),
    ),
  }));
  return async () => {
    for (const { message, signatures } of receipts)
      for (const signature of signatures)
        await recoverTypedDataAddress({
          domain: typedDomain,
          types,
          primaryType: "Receipt",
          message,
          signature,
        } as never);
  };
};

export const cases: readonly Case[] = [
  {
    what: "digest and two signatures, one thread",
    unit: "receipts/s",
    sizes: { quick: [100], full: [2_000] },
    rounds: { quick: 3, full: 5 },
    ours: onThisThread(loadCurves()),
    peers: {
      ethers: { run: byEthers },
      viem: { run: byViem },
      "@noble/curves": { run: onThisThread(PURE_CURVES) },
    },
  },
  {
    what: "the same, pool of 2 threads",
    unit: "receipts/s",
    sizes: { quick: [4_000], full: [40_000] },
    rounds: { quick: 3, full: 7 },
    ours: inPool(2),
    peers: { "one thread": { run: onThisThread(loadCurves()) } },
  },
];
