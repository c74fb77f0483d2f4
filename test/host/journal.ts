import { appendFile, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { openJournal } from "@link-rewards/host/journal";
import type { StoredTransaction } from "@link-rewards/host/transactions";
import { expect } from "chai";

const SENDER: Address = `0x${"5e".repeat(20)}`;
const ANOTHER: Address = `0x${"a0".repeat(20)}`;

const sent = (purpose: string, nonce: number, byte: string): StoredTransaction => ({
  sender: SENDER,
  purpose,
  nonce,
  raw: `0x${byte.repeat(8)}`,
  hash: `0x${byte.repeat(32)}`,
});

describe("a journal in a file", () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-journal-"));
    file = join(folder, "key.journal");
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("remembers for the next process what was sent and is not settled, by nonce", async () => {
    const journal = await openJournal(file);
    const [later, first, replaced] = [sent("b", 8, "cc"), sent("a", 7, "aa"), sent("a", 7, "bb")];
    for (const each of [later, first, replaced]) await journal.saveTransaction(each);
    const next = await openJournal(file);
    expect(await next.pendingTransactions(SENDER)).to.deep.equal([first, replaced, later]);
    await next.settleTransaction(replaced.hash, "mined");
    expect(await journal.pendingTransactions(SENDER)).to.deep.equal([later]);
  });

  it("remembers what one brings, which is more than a number of JSON holds", async () => {
    const journal = await openJournal(file);
    const priced = { ...sent("a", 7, "aa"), brings: 123_456_789_012_345_678_901n };
    for (const each of [priced, sent("b", 8, "bb")]) await journal.saveTransaction(each);
    const next = await openJournal(file);
    expect(await next.pendingTransactions(SENDER)).to.deep.equal([priced, sent("b", 8, "bb")]);
  });

  it("sends one purpose under one nonce", async () => {
    const journal = await openJournal(file);
    await journal.saveTransaction(sent("a", 7, "aa"));
    const again = await journal.saveTransaction(sent("a", 8, "bb")).catch((error) => error.message);
    expect(again).to.equal("a is pending under nonce 7, not 8");
    await journal.settleTransaction(sent("a", 7, "aa").hash, "dropped");
    await journal.saveTransaction(sent("a", 8, "bb"));
    expect(await journal.pendingTransactions(SENDER)).to.have.lengthOf(1);
  });

  it("keeps apart what different keys send", async () => {
    const journal = await openJournal(file);
    const others = { ...sent("a", 7, "bb"), sender: ANOTHER };
    for (const each of [sent("a", 7, "aa"), others]) await journal.saveTransaction(each);
    await journal.settleTransaction(others.hash, "mined");
    expect(await journal.pendingTransactions(SENDER)).to.deep.equal([sent("a", 7, "aa")]);
    await journal.saveTransaction({ ...others, nonce: 8 });
    expect(await journal.pendingTransactions(ANOTHER)).to.have.lengthOf(1);
  });

  it("passes over a line that a crash cut off, and goes on after it", async () => {
    await (await openJournal(file)).saveTransaction(sent("a", 7, "aa"));
    await appendFile(file, '{"sent":{"purpose":"b","non');
    const journal = await openJournal(file);
    await journal.saveTransaction(sent("c", 8, "cc"));
    const purposes = (await journal.pendingTransactions(SENDER)).map(({ purpose }) => purpose);
    expect(purposes).to.deep.equal(["a", "c"]);
  });

  it("is readable by its owner alone, and says at once when it cannot be written", async () => {
    await openJournal(file);
    if (process.platform !== "win32") expect((await stat(file)).mode & 0o777).to.equal(0o600);
    const failed = await openJournal(join(folder, "missing", "journal")).catch(({ code }) => code);
    expect(failed).to.equal("ENOENT");
  });
});
