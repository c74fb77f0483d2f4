import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { computeEpoch } from "@link-rewards/core/epoch/compute-epoch";
import { lawfulStored } from "@link-rewards/core/epoch/lawful";
import type { VerifiedReceipt } from "@link-rewards/core/law/verify";
import { nativeSha256, openBundleFolder } from "../../oracle/edge/bundles.ts";
import { openSqliteStore } from "../../oracle/store/sqlite.ts";
import { deployment } from "../../test/worlds/paper.ts";
import type { Case, Contestant } from "../case.ts";
import { EPOCH, keyOf, worldOf } from "../world.ts";

/** From the store to a durable bundle, as `close` does it between the seal time and the publication. */
const BATCH = 2_000;

const ours: Contestant = async (size) => {
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-bench-"));
  process.once("exit", () => void rm(folder, { recursive: true, force: true }));
  const { law, receipts } = worldOf(size, { signed: false });
  // No signature is looked at here, so any bytes will do.
  const digest = keyOf("digest");
  const signature = new Uint8Array(64).fill(7);
  const filling = await openSqliteStore(folder);
  for (let i = 0; i < size; i += BATCH) {
    const batch = receipts.slice(i, i + BATCH).map((receipt) => ({
      receipt,
      digest,
      customerSignature: signature,
      deviceSignature: signature,
    }));
    await filling.putReceipts(batch as unknown as VerifiedReceipt[]);
  }
  await filling.close();
  receipts.length = 0;
  const store = await openSqliteStore(folder);
  const bundles = await openBundleFolder(join(folder, "bundles"));
  return async () => {
    const seal = lawfulStored(law, EPOCH);
    for await (const page of store.packedReceipts(EPOCH)) {
      seal.take(page, (_, { message }) => {
        throw new Error(message);
      });
    }
    const computed = computeEpoch({
      deployment,
      law,
      epoch: EPOCH,
      sealBlock: { number: 1, hash: ZERO_HASH },
      contributions: seal.finish(),
      previousRewards: new Uint8Array(),
      sha256: nativeSha256,
    });
    await bundles.stage(EPOCH, computed);
  };
};

export const cases: readonly Case[] = [
  {
    what: "seal → bundle",
    unit: "ms",
    sizes: { quick: [10_000], full: [10_000, 100_000, 1_000_000] },
    rounds: { quick: 3, full: 3 },
    ours,
    peers: {},
  },
];
