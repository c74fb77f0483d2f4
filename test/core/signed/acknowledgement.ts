import { readFileSync } from "node:fs";
import { concatBytes, fromHex, type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused } from "@link-rewards/core/encoding/refusal";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";
import {
  acknowledgedBy,
  acknowledgedRoot,
  parseAcknowledgement,
} from "@link-rewards/core/signed/acknowledgement";
import { parseReceipt, receiptDigest } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { concat, getBytes, keccak256, recoverAddress, Signature } from "ethers";
import { address, registryDomain } from "../../worlds/paper.ts";

type Vectors = {
  vectors: {
    message: { root: Hex; receipts: number; storedAt: string };
    digest: Hex;
    signature: Hex;
  }[];
  receipts: { receipt: unknown; digest: Hex; index: number; proof: Hex[] }[];
};

const { vectors, receipts } = JSON.parse(
  readFileSync(new URL("../../vectors/acknowledgements.json", import.meta.url), "utf8"),
) as Vectors;
const [ofOne, ofThree] = vectors as [Vectors["vectors"][0], Vectors["vectors"][0]];

const taken = <T>(outcome: T | Refused): T => {
  if (isRefused(outcome)) throw new Error(outcome.message);
  return outcome;
};

describe("an acknowledgement", () => {
  const word = taken(parseAcknowledgement(ofThree.message));
  const signature = fromHex(ofThree.signature);
  const leaves = receipts.map(({ receipt, index, proof }) => ({
    digest: receiptDigest(registryDomain, taken(parseReceipt(receipt))),
    index,
    proof: proof.map(fromHex),
  }));
  const [first, second, third] = leaves as [
    (typeof leaves)[0],
    (typeof leaves)[0],
    (typeof leaves)[0],
  ];
  const signerFor = (leaf: typeof first, said = word, by = signature) =>
    acknowledgedBy(registryDomain, said, by, leaf);

  it("has the root that ethers finds over the digests, padded to a power of two", () => {
    const [a, b, c] = receipts.map(({ digest }) => digest) as [Hex, Hex, Hex];
    const pair = (left: string, right: string) => keccak256(concat([left, right]));
    const root = pair(pair(a, b), pair(c, toHex(new Uint8Array(HASH_BYTES))));
    expect(ofThree.message).to.deep.include({ root, receipts: 3 });
    expect(toHex(acknowledgedRoot(concatBytes(...leaves.map(({ digest }) => digest))))).to.equal(
      root,
    );
    expect(ofOne.message).to.deep.include({ root: a, receipts: 1 });
    const signer = recoverAddress(ofThree.digest, Signature.from(ofThree.signature));
    expect(signer.toLowerCase()).to.equal(address("member-1"));
  });

  it("is worked out in docs/receipt-protocol.md as it is here", () => {
    const [a, b, c] = receipts.map(({ digest }) => digest) as [Hex, Hex, Hex];
    const zeros = toHex(new Uint8Array(HASH_BYTES));
    const nodes = [keccak256(concat([a, b])), keccak256(concat([c, zeros]))];
    const { message, digest, signature: signed } = ofThree;
    const page = readFileSync(
      new URL("../../../docs/receipt-protocol.md", import.meta.url),
      "utf8",
    );
    const values = [a, b, c, ...nodes, message.root, message.storedAt, digest, signed];
    for (const value of values) expect(page).to.contain(value);
  });

  it("proves each receipt of its request to be the member's word, left out or not", () => {
    for (const leaf of leaves) expect(signerFor(leaf)).to.equal(address("member-1"));
    const alone = { digest: first.digest, index: 0, proof: [] };
    const single = taken(parseAcknowledgement(ofOne.message));
    expect(signerFor(alone, single, fromHex(ofOne.signature))).to.equal(address("member-1"));
  });

  it("proves nothing of a receipt that was not in the request", () => {
    const digest = getBytes(keccak256(second.digest));
    expect(signerFor({ ...second, digest })).to.equal(undefined);
    expect(signerFor({ ...third, index: 3, digest: new Uint8Array(HASH_BYTES) })).to.equal(
      undefined,
    );
  });

  it("proves nothing by wrong siblings or another index", () => {
    const wrong = [
      { ...second, index: 0 },
      { ...second, index: 2 },
      { ...second, index: 5 },
      { ...second, index: -1 },
      { ...second, proof: first.proof },
      { ...second, proof: second.proof.toReversed() },
      { ...second, proof: second.proof.slice(1) },
      { ...second, proof: [...second.proof, new Uint8Array(HASH_BYTES)] },
      { ...third, proof: [new Uint8Array(HASH_BYTES + 1), ...third.proof.slice(1)] },
      { ...third, proof: [new Uint8Array(HASH_BYTES - 1), ...third.proof.slice(1)] },
      {
        digest: acknowledgedRoot(concatBytes(first.digest, second.digest)),
        index: 0,
        proof: first.proof.slice(1),
      },
      { digest: fromHex(word.root), index: 0, proof: [] },
    ];
    for (const leaf of wrong) expect(signerFor(leaf)).to.equal(undefined);
  });

  it("proves nothing by a wrong count", () => {
    for (const count of [0, 1, 2, 5, 2 ** 32 - 1]) {
      expect(signerFor(third, { ...word, receipts: count }), `${count}`).to.equal(undefined);
    }
    // This one is as deep, so the path leads on; but the member did not sign it.
    expect(signerFor(second, { ...word, receipts: 4 })).to.not.equal(address("member-1"));
  });

  it("is nobody else's word, and not about another time or chain", () => {
    const others = [
      signerFor(second, { ...word, storedAt: word.storedAt + 1n }),
      signerFor(second, word, fromHex(ofOne.signature)),
      acknowledgedBy(
        registryDomain.map((byte) => byte ^ 1),
        word,
        signature,
        second,
      ),
      signerFor(second, word, new Uint8Array(64).fill(255)),
    ];
    for (const signer of others) expect(signer).to.not.equal(address("member-1"));
  });
});
