import { readFileSync } from "node:fs";
import { type Address, fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { parseSignedReceipt, SIGNED_RECEIPT_BYTES } from "@link-rewards/core/signed/receipt";
import {
  type Arrived,
  MAX_BATCH_RECEIPTS,
  PACKED_HEADER_BYTES,
  packBatch,
  parseBatch,
  parsePackedBatch,
} from "@link-rewards/core/signed/submission";
import { expect } from "chai";
import { concat, getBytes, toBeHex } from "ethers";

type Item = { receipt: Record<string, string | number> } & Record<string, string>;
type Vectors = {
  header: { name: string; bytes: number }[];
  version: number;
  chainId: number;
  registry: Address;
  receipts: Item[];
  body: Hex;
  refused: { refusal: string; name: string; body: Hex }[];
};

const vectors = JSON.parse(
  readFileSync(new URL("../../vectors/packed.json", import.meta.url), "utf8"),
) as Vectors;
const served = { chainId: vectors.chainId, registry: vectors.registry };
const body = fromHex(vectors.body);

describe("a packed batch", () => {
  it("is what ethers makes of the header and the fields in their order", () => {
    const sizes = [20, 20, 4, 4, 8, 12, 8];
    const packed = vectors.receipts.map(({ receipt, customerSignature, deviceSignature }) => {
      const fields = Object.values(receipt).map((value, i) => toBeHex(value, sizes[i] as number));
      return concat([...fields, customerSignature as Hex, deviceSignature as Hex]);
    });
    const header = [
      toBeHex(vectors.version, vectors.header[0]?.bytes),
      toBeHex(vectors.chainId, vectors.header[1]?.bytes),
      vectors.registry,
    ];
    expect(getBytes(concat([...header, ...packed]))).to.deep.equal(body);
  });

  it("holds the same receipts as its JSON", () => {
    const inJson = parseBatch({ ...served, receipts: vectors.receipts }, served);
    expect(parsePackedBatch(body, served)).to.deep.equal(inJson);
    expect((inJson as readonly Arrived[]).map(({ signed }) => signed)).to.deep.equal(
      vectors.receipts.map((item) => parseSignedReceipt(item)),
    );
  });

  for (const { refusal, name, body: refused } of vectors.refused) {
    it(`is refused as ${refusal}: ${name}`, () => {
      expect(parsePackedBatch(fromHex(refused), served)).to.deep.include({ refusal });
    });
  }

  it("has a bound", () => {
    const [first] = parsePackedBatch(body, served) as [Arrived];
    const full = packBatch(served, Array(MAX_BATCH_RECEIPTS).fill(first.signed));
    expect(full.length).to.equal(PACKED_HEADER_BYTES + MAX_BATCH_RECEIPTS * SIGNED_RECEIPT_BYTES);
    expect(isRefused(parsePackedBatch(full, served))).to.equal(false);
    const over = packBatch(served, Array(MAX_BATCH_RECEIPTS + 1).fill(first.signed));
    expect(parsePackedBatch(over, served)).to.deep.include({ refusal: "too-large" });
    expect(toHex(over.subarray(0, 4))).to.equal("0x00000001");
  });
});
