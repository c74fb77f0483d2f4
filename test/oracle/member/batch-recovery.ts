import { setImmediate as nextTurn } from "node:timers/promises";
import { concatBytes, toHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { SIGNERS_BYTES, type SignedRecords } from "@link-rewards/core/signed/signers";
import { expect } from "chai";
import { openRecoverPool } from "../../../oracle/edge/recover-pool.ts";
import { batchKeyRecovery, batchRecovery } from "../../../oracle/member/batch-recovery.ts";
import { address, keyOf } from "../../worlds/paper.ts";

/** The device alone, with which a record begins. */
const RECORD_BYTES = 20;
const DIGEST_BYTES = 32;

const addressOf = (mark: number) => toHex(new Uint8Array(20).fill(mark));
const publicKeyOf = (mark: number) => toHex(new Uint8Array(64).fill(mark));

/** Records, keys and digests of which every byte is `mark`, and the signers made up for them. */
const records = (mark: number, count = 1): SignedRecords => ({
  records: new Uint8Array(count * RECORD_BYTES).fill(mark),
  recordBytes: RECORD_BYTES,
  domain: new Uint8Array(32),
  publicKeys: new Map([[addressOf(mark), publicKeyOf(mark)]]),
  digests: new Uint8Array(count * DIGEST_BYTES).fill(mark),
});
const signers = (mark: number, count = 1) => new Uint8Array(count * SIGNERS_BYTES).fill(mark);

describe("batchRecovery", () => {
  it("gives everyone the signers of its own records, in their order", async () => {
    const made: SignedRecords[] = [];
    const recover = batchRecovery(
      async (joined) => {
        made.push(joined);
        const marks = [...joined.records].filter((_byte, i) => i % RECORD_BYTES === 0);
        return concatBytes(...marks.map((mark) => signers(mark)));
      },
      { calls: 1, receipts: 100 },
    );
    const asked = [recover(records(1)), recover(records(2, 3)), recover(records(3, 9))];
    expect(await Promise.all(asked)).to.deep.equal([signers(1), signers(2, 3), signers(3, 9)]);
    expect(made.map(({ records: joined }) => joined.length / RECORD_BYTES)).to.deep.equal([13]);
    const [{ digests, publicKeys } = {}] = made;
    expect(publicKeys).to.deep.equal(
      new Map([1, 2, 3].map((mark) => [addressOf(mark), publicKeyOf(mark)])),
    );
    expect(digests).to.deep.equal(
      new Uint8Array([1, 2, 2, 2, ...Array(9).fill(3)].flatMap((mark) => Array(32).fill(mark))),
    );
  });

  it("says no digests when one of them does not know its own", async () => {
    let made: SignedRecords | undefined;
    const recover = batchRecovery(
      async (joined) => {
        made = joined;
        return signers(0, 2);
      },
      { calls: 1, receipts: 100 },
    );
    const { digests: _, ...unknown } = records(1);
    await Promise.all([recover(unknown), recover(records(2))]);
    expect(made?.records).to.have.length(2 * RECORD_BYTES);
    expect(made?.digests).to.equal(undefined);
  });

  it("asks for nothing when there is nothing", async () => {
    let calls = 0;
    const recover = batchRecovery(
      async () => {
        calls++;
        return new Uint8Array();
      },
      { calls: 1, receipts: 1 },
    );
    expect(await recover(records(0, 0))).to.have.length(0);
    await nextTurn();
    expect(calls).to.equal(0);
  });
});

describe("batchKeyRecovery", () => {
  it("gives everyone the key of its own signature, from the pool's threads", async () => {
    const pool = openRecoverPool(1);
    try {
      const recover = batchKeyRecovery(pool.keysOf, { calls: 1, receipts: 100 });
      const digest = (mark: number) => new Uint8Array(32).fill(mark);
      const names = ["gateway-1", "gateway-2", "alice"];
      const asked = names.map((name, i) =>
        recover(digest(i + 1), sign(digest(i + 1), keyOf(name))),
      );
      const nobody = recover(digest(9), new Uint8Array(64).fill(255));
      expect(await Promise.all([...asked, nobody])).to.deep.equal([
        ...names.map(address),
        undefined,
      ]);
    } finally {
      await pool.close();
    }
  });
});
