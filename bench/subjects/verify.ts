import { verifyTypedData } from "ethers";
import {
  compactSignatureToSignature,
  parseCompactSignature,
  recoverTypedDataAddress,
  serializeSignature,
} from "viem";
import { toHex } from "../../oracle/core/bytes.ts";
import {
  RECEIPT_FIELDS,
  SIGNED_RECEIPT_BYTES,
  unpackSignedReceipt,
} from "../../oracle/core/receipt.ts";
import { recover as recoverPure } from "../../oracle/core/signature.ts";
import { recoverSigners as recoverHere } from "../../oracle/core/signers.ts";
import { loadRecover, openSigners } from "../../oracle/edge/recover.ts";
import type { Case, Contestant } from "../case.ts";
import { deployment, domain, signReceipts, worldOf } from "../world.ts";

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

/** Our work on one thread, by whichever recover. */
function onThisThread(recover: typeof recoverPure): Contestant {
  return async (size) => {
    const packed = await packedReceipts(size);
    return () => void recoverHere(domain, packed, SIGNED_RECEIPT_BYTES, recover);
  };
}

function inPool(threads: number): Contestant {
  return async (size) => {
    const packed = await packedReceipts(size);
    const pool = openSigners(threads);
    const run = () => pool.recoverSigners(domain, packed, SIGNED_RECEIPT_BYTES);
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
    ours: onThisThread(loadRecover().recover),
    peers: {
      ethers: { run: byEthers },
      viem: { run: byViem },
      "@noble/curves": { run: onThisThread(recoverPure) },
    },
  },
  {
    what: "the same, pool of 2 threads",
    unit: "receipts/s",
    sizes: { quick: [4_000], full: [40_000] },
    rounds: { quick: 3, full: 7 },
    ours: inPool(2),
    peers: { "one thread": { run: onThisThread(loadRecover().recover) } },
  },
];
