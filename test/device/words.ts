import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Address, toHex } from "@link-rewards/core/encoding/bytes";
import { sign } from "@link-rewards/core/encoding/signature";
import { acknowledgementDigest } from "@link-rewards/core/signed/acknowledgement";
import type { KeptWord } from "@link-rewards/core/signed/kept-word";
import { type Receipt, receiptDigest } from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import { openWords } from "../../device/node/words.ts";
import {
  address,
  deployment,
  keyOf,
  receiptOf,
  registryDomain,
  signReceipt,
} from "../worlds/paper.ts";

const { chainId, contracts } = deployment;
const envelope = { chainId, registry: contracts.deviceRegistry };

/** A member's word for one receipt. */
function wordOf(fields: Partial<Receipt> = {}, member = "member"): KeptWord {
  const signed = signReceipt(receiptOf(fields));
  const root = toHex(receiptDigest(registryDomain, signed.receipt));
  const word = { root, receipts: 1, storedAt: 1n };
  const signature = sign(acknowledgementDigest(registryDomain, word), keyOf(member));
  return { signed, word, signature, member: address(member), index: 0, proof: [] };
}

describe("words", () => {
  let folder: string;
  beforeEach(async () => {
    folder = join(await mkdtemp(join(tmpdir(), "link-rewards-words-")), "acknowledgements");
  });
  afterEach(() => rm(join(folder, ".."), { recursive: true }));

  const open = (limits?: { epochs: number; words: number }) => openWords(folder, envelope, limits);
  const told = (words: readonly KeptWord[]) =>
    words.map(({ signed, member }) => [signed.receipt.customer, member, signed.receipt.sequence]);

  it("are the newest of each member for each customer, after a restart too", async () => {
    const words = await open();
    const other: Address = address("customer-2");
    for (const word of [
      wordOf({ sequence: 1 }),
      wordOf({ sequence: 3 }),
      wordOf({ sequence: 2 }),
      wordOf({ sequence: 2 }, "second member"),
      wordOf({ customer: other, sequence: 7 }),
    ]) {
      await words.keep(word);
    }
    const { customer } = receiptOf();
    for (const each of [words, await open()]) {
      expect(told(each.of(1))).to.deep.equal([
        [customer, address("member"), 3],
        [customer, address("second member"), 2],
        [other, address("member"), 7],
      ]);
    }
    expect((await open()).of(1)).to.deep.equal(words.of(1));
  });

  it("are all kept when they come at once", async () => {
    const words = await open();
    const names = ["a", "b", "c", "d"];
    await Promise.all(names.map((member) => words.keep(wordOf({}, member))));
    for (const each of [words, await open()])
      expect(each.of(1).map(({ member }) => member)).to.deep.equal(names.map(address));
  });

  it("are dropped by the epoch, from the disk too", async () => {
    const words = await open();
    for (const epoch of [1, 2]) await words.keep(wordOf({ epoch }));
    await words.forget(1);
    await words.forget(9);
    expect(words.epochs()).to.deep.equal([2]);
    expect(words.of(1)).to.deep.equal([]);
    expect(await readdir(folder)).to.deep.equal(["2.json"]);
    expect((await open()).epochs()).to.deep.equal([2]);
  });

  it("are no more than so many epochs and so many of one: the oldest go", async () => {
    const words = await open({ epochs: 2, words: 3 });
    for (const epoch of [1, 2, 10]) await words.keep(wordOf({ epoch }));
    expect(words.epochs()).to.deep.equal([2, 10]);
    expect((await readdir(folder)).sort()).to.deep.equal(["10.json", "2.json"]);
    for (const member of ["b", "c", "member", "d"]) {
      await words.keep(wordOf({ epoch: 10, sequence: 2 }, member));
    }
    expect(words.of(10).map(({ member }) => member)).to.deep.equal(
      ["c", "member", "d"].map(address),
    );
  });

  it("are not taken from another deployment's file, nor from one that is damaged", async () => {
    await (await open()).keep(wordOf());
    const refusalOf = (opening: Promise<unknown>) =>
      opening.then(
        () => "opened",
        (error: Error) => error.message,
      );
    const elsewhere = openWords(folder, { ...envelope, chainId: 1 });
    expect(await refusalOf(elsewhere)).to.match(/1\.json cannot be used: .*on chain 31337, not/);
    const file = join(folder, "1.json");
    const text = await readFile(file, "utf8");
    for (const [damaged, names] of [
      [text.slice(1), /JSON/],
      [text.replace('"index": 0', '"index": -1'), /words\[0\]\.acknowledgement\.index/],
      [text.replace('"proof": []', '"proof": ["0x00"]'), /words\[0\]\.acknowledgement\.proof/],
      [text.replace('"member": "0x', '"member": "'), /words\[0\]\.acknowledgement\.member/],
      [text.replace('"sequence": 1', '"sequence": "1"'), /words\[0\]\.receipt\.sequence/],
    ] as const) {
      await writeFile(file, damaged);
      expect(await refusalOf(open())).to.match(names);
    }
  });
});
