import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { openSqliteStore } from "../../../oracle/store/sqlite.ts";
import { backUpSqlite } from "../../../oracle/store/sqlite-backup.ts";
import type { Store } from "../../../oracle/store/store.ts";

describe("a copy of a SQLite store", () => {
  let folder: string;
  let store: Store;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-backup-"));
    store = await openSqliteStore(folder);
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  /** As many bytes as several steps of the copy take. */
  const FILLER_BYTES = 50_000_000;
  const copyOf = async (onProgress: (done: number) => void = () => undefined) => {
    const copy = await mkdtemp(join(folder, "copy-"));
    const backup = await backUpSqlite(folder, join(copy, "oracle.sqlite"), onProgress);
    return { copy, backup };
  };

  it("does not begin anew with each commit of another process, and has nothing of what came since", async () => {
    const other = new DatabaseSync(join(folder, "oracle.sqlite"));
    other.exec("CREATE TABLE filler (bytes BLOB)");
    other.prepare("INSERT INTO filler VALUES (zeroblob(?))").run(FILLER_BYTES);
    const progress: number[] = [];
    const { copy, backup } = await copyOf((done) => {
      progress.push(done);
      if (progress.length > 100) throw new Error("it began anew");
      other.prepare("INSERT INTO filler VALUES (?)").run(Buffer.alloc(10_000));
    });
    other.close();
    expect(progress.length).to.be.above(1);
    expect(progress).to.deep.equal(progress.toSorted((a, b) => a - b));
    expect(backup.bytes).to.be.above(FILLER_BYTES);
    expect(backup.epoch).to.equal(null);
    const copied = new DatabaseSync(join(copy, "oracle.sqlite"));
    const { rows } = copied.prepare("SELECT COUNT(*) AS rows FROM filler").get() as {
      rows: number;
    };
    copied.close();
    expect(rows).to.equal(1);
  });

  it("records no report until it is settled, but that none is signed in an attempt", async () => {
    const [some, none] = [`0x${"11".repeat(32)}`, `0x${"00".repeat(32)}`] as const;
    expect(await store.isCopy()).to.equal(false);
    await store.forgoThrough(3);
    const { copy } = await copyOf();
    expect(await store.recordReport(4, 0, some)).to.equal("recorded");
    const copied = await openSqliteStore(copy);
    expect(await copied.isCopy()).to.equal(true);
    expect(await copied.recordReport(4, 0, some)).to.equal("forgone");
    await copied.forgoThrough(2);
    expect(await copied.recordReport(5, 0, none)).to.equal("recorded");
    await copied.settleCopy();
    expect(await copied.isCopy()).to.equal(false);
    expect(await copied.recordReport(3, 0, some)).to.equal("forgone");
    expect(await copied.recordReport(5, 0, some)).to.equal("other");
    expect(await copied.recordReport(5, 1, some)).to.equal("recorded");
    await copied.close();
  });
});
