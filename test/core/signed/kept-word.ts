import { concatBytes, toHex, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { sign } from "@link-rewards/core/encoding/signature";
import { buildTree, proofOf } from "@link-rewards/core/encoding/tree";
import { acknowledgedRoot, acknowledgementDigest } from "@link-rewards/core/signed/acknowledgement";
import {
  type KeptWord,
  keptWordsToJson,
  MAX_WORD_PROOF,
  memberOfWord,
  parseKeptWords,
} from "@link-rewards/core/signed/kept-word";
import { receiptDigest } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import {
  address,
  deployment,
  keyOf,
  receiptOf,
  registryDomain,
  signReceipt,
} from "../../worlds/paper.ts";

const { chainId, contracts } = deployment;
const envelope = { chainId, registry: contracts.deviceRegistry };

/** The words that one request of three receipts brought. */
const words: readonly KeptWord[] = (() => {
  const signed = [1, 2, 3].map((i) => signReceipt(receiptOf({ device: address(`device-${i}`) })));
  const digests = concatBytes(
    ...signed.map(({ receipt }) => receiptDigest(registryDomain, receipt)),
  );
  const word = { root: toHex(acknowledgedRoot(digests)), receipts: 3, storedAt: 1_700_003_600n };
  const signature = sign(acknowledgementDigest(registryDomain, word), keyOf("member"));
  const tree = buildTree(digests);
  return signed.map((each, index) => ({
    ...{ signed: each, word, signature, member: address("member") },
    ...{ index, proof: proofOf(tree, index) },
  }));
})();

const json = () => JSON.parse(JSON.stringify(keptWordsToJson(envelope, words)));

describe("kept words", () => {
  it("are the same after they were written and read", () => {
    expect(parseKeptWords(json(), envelope)).to.deep.equal(words);
    expect(parseKeptWords({ ...envelope, words: [] }, envelope)).to.deep.equal([]);
  });

  it("are by whoever signed the word that the receipt stands under", () => {
    const [first, second] = words as readonly [KeptWord, KeptWord, KeptWord];
    for (const word of words)
      expect(memberOfWord(registryDomain, word)).to.equal(address("member"));
    for (const bent of [
      { ...first, index: 1 },
      { ...first, signed: second.signed },
      { ...first, proof: [] },
      { ...first, word: { ...first.word, receipts: 5 } },
      { ...first, signature: new Uint8Array(64) },
    ]) {
      expect(memberOfWord(registryDomain, bent)).to.equal(undefined);
    }
  });

  it("are read whole or not at all: a refusal names the field", () => {
    const bent: readonly (readonly [RegExp, (file: ReturnType<typeof json>) => void])[] = [
      [/^file\.chainId/, (file) => delete file.chainId],
      [/unknown field "more"/, (file) => Object.assign(file, { more: 1 })],
      [/not 0x[0-9a-f]{40} on 31337$/, (file) => Object.assign(file, { chainId: 1 })],
      [
        /not 0x[0-9a-f]{40} on 31337$/,
        (file) => Object.assign(file, { registry: `0x${"11".repeat(20)}` }),
      ],
      [/^file\.words must be a list/, (file) => delete file.words],
      [/^words\[1\]\.receipt\.epoch/, ({ words: [, word] }) => delete word.receipt.epoch],
      [/^words\[1\]\.deviceSignature/, ({ words: [, word] }) => delete word.deviceSignature],
      [
        /^words\[2\]\.acknowledgement\.root/,
        ({ words: [, , word] }) => delete word.acknowledgement,
      ],
      [
        /unknown field "more"/,
        ({ words: [word] }) => Object.assign(word.acknowledgement, { more: 1 }),
      ],
      [/acknowledgement\.signature/, ({ words: [word] }) => delete word.acknowledgement.signature],
      [/acknowledgement\.member/, ({ words: [word] }) => delete word.acknowledgement.member],
      [
        /acknowledgement\.index/,
        ({ words: [word] }) => Object.assign(word.acknowledgement, { index: 0.5 }),
      ],
      [/acknowledgement\.proof/, ({ words: [word] }) => delete word.acknowledgement.proof],
      [
        /acknowledgement\.proof must be a list of at most 10 hashes/,
        ({ words: [word] }) =>
          word.acknowledgement.proof.push(...Array(MAX_WORD_PROOF).fill(ZERO_HASH)),
      ],
    ];
    for (const [names, bend] of bent) {
      const file = json();
      bend(file);
      const refused = parseKeptWords(file, envelope);
      expect(isRefused(refused) && refused.message).to.match(names);
    }
    expect(isRefused(parseKeptWords(null, envelope))).to.equal(true);
  });
});
