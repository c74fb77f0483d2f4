import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { openSqliteStore } from "../../../oracle/store/sqlite.ts";
import type { Store } from "../../../oracle/store/store.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { expectStored, type StorePlace, storeSuite } from "./suite.ts";
import { startWriter } from "./writer.ts";

storeSuite({ name: "SQLite", place: sqlitePlace });

async function sqlitePlace(): Promise<StorePlace> {
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-store-"));
  return {
    open: (options) => openSqliteStore(folder, options),
    elsewhere: elsewhere(folder),
    failCommits: async () => sabotage(folder),
    holdLock: async () => {
      const other = connect(folder);
      other.exec("BEGIN IMMEDIATE");
      return async () => other.close();
    },
    remove: () => rm(folder, { recursive: true }),
  };
}

function elsewhere(folder: string): StorePlace["elsewhere"] {
  const module = new URL("../../../oracle/store/sqlite.ts", import.meta.url).href;
  return [module, openSqliteStore.name, folder];
}

function connect(folder: string): DatabaseSync {
  return new DatabaseSync(join(folder, "oracle.sqlite"), { timeout: 5_000 });
}

/** Changes leave a reference to nothing behind, which SQLite finds when it comes to commit and not before. */
function sabotage(folder: string, when = ""): () => Promise<void> {
  const other = connect(folder);
  const tables = other
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
    .map(({ name }) => name as string);
  other.exec(`
    CREATE TABLE no_row (id INTEGER PRIMARY KEY);
    CREATE TABLE broken (id INTEGER REFERENCES no_row (id) DEFERRABLE INITIALLY DEFERRED)`);
  for (const table of when === "" ? tables : ["receipts"]) {
    for (const change of ["INSERT", "UPDATE", "DELETE"]) {
      other.exec(`
        CREATE TRIGGER broken_${table}_${change} AFTER ${change} ON ${table} ${when}
        BEGIN INSERT INTO broken VALUES (1); END`);
    }
  }
  return async () => {
    const triggers = other.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all();
    for (const { name } of triggers) other.exec(`DROP TRIGGER ${name}`);
    other.close();
  };
}

describe("SQLite: a commit", () => {
  const crowd = crowdOf();
  let folder: string;
  let store: Store;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-store-"));
    store = await openSqliteStore(folder);
  });

  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  const statuses = async (epochs: readonly number[]) => {
    const puts = epochs.map((epoch) => store.putReceipts([crowd.verified({ epoch })]));
    return (await Promise.allSettled(puts)).map(({ status }) => status);
  };

  it("is shared by all that wait: one that cannot be committed refuses them all", async () => {
    const mend = sabotage(folder, "WHEN NEW.epoch = 13");
    expect(await statuses([11, 12, 13])).to.deep.equal(Array(3).fill("rejected"));
    expect(await statuses([11, 12])).to.deep.equal(Array(2).fill("fulfilled"));
    expect(await statuses([13])).to.deep.equal(["rejected"]);
    await mend();
  });

  it("holds a bounded number of receipts", async () => {
    const mend = sabotage(folder, "WHEN NEW.epoch = 13");
    const many = Array(1_500).fill(crowd.verified({ epoch: 12 }));
    const waiting = [store.putReceipts(many), store.putReceipts(many)];
    expect(await statuses([13])).to.deep.equal(["rejected"]);
    const [first, second] = await Promise.allSettled(waiting);
    expect([first?.status, second?.status]).to.deep.equal(["fulfilled", "rejected"]);
    await mend();
  });

  // Windows has no limit on the size of a process's files to fill the disk with.
  if (process.platform !== "win32") {
    it("on a full disk is refused, and nothing acknowledged before is lost", async () => {
      const writer = startWriter({
        elsewhere: elsewhere(folder),
        first: 1,
        step: 1,
        rounds: Number.POSITIVE_INFINITY,
        fileBytes: 256 * 1_024,
      });
      const acknowledged = await writer.acknowledged();
      const { exit, errors } = await writer.end();
      expect(exit).to.equal(1);
      expect(errors).to.match(/kept nothing of a write: .*(disk|full)/);
      await expectStored(store, acknowledged);
    });
  }
});

describe("SQLite: a store's folder", () => {
  let parent: string;
  let folder: string;

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "link-rewards-store-"));
    folder = join(parent, "deep", "store");
  });

  afterEach(() => rm(parent, { recursive: true }));

  const message = async (opening: Promise<unknown>): Promise<string> => {
    const [outcome] = await Promise.allSettled([opening]);
    return outcome.status === "rejected" ? (outcome.reason as Error).message : "opened";
  };
  const setUp = async () => (await openSqliteStore(folder)).close();
  const file = () => join(folder, "oracle.sqlite");

  it("is opened for the first time by many at once", async () => {
    const stores = await Promise.all(Array.from({ length: 8 }, () => openSqliteStore(folder)));
    for (const [epoch, store] of stores.entries()) {
      expect(await store.advance(epoch, undefined, "open")).to.equal(true);
    }
    expect(await stores[0]?.epochs()).to.have.length(8);
    for (const store of stores) await store.close();
  });

  it("written by newer software is refused, and left as it is", async () => {
    await setUp();
    const database = connect(folder);
    database.exec("INSERT INTO migrations (version) VALUES (99)");
    const refusal = await message(openSqliteStore(folder));
    expect(refusal).to.match(/oracle\.sqlite.*newer software \(schema 99, this knows 1\).*update/);
    expect(database.prepare("SELECT COUNT(*) AS n FROM migrations").get()).to.deep.include({
      n: 2,
    });
    database.close();
  });

  it("that holds something else is refused, and left as it is", async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(file(), "this is not a database, but it is somebody's\n".repeat(100));
    expect(await message(openSqliteStore(folder))).to.match(
      /oracle\.sqlite: it is not a SQLite database, or damaged; restore/,
    );
  });

  it("that is damaged is refused", async () => {
    await setUp();
    await truncate(file(), 6_000);
    expect(await message(openSqliteStore(folder))).to.match(
      /oracle\.sqlite: it is damaged; restore/,
    );
  });

  it("that is kept locked is refused after the wait", async () => {
    await setUp();
    const other = connect(folder);
    other.exec("BEGIN IMMEDIATE");
    expect(await message(openSqliteStore(folder, { lockWaitMs: 50 }))).to.match(
      /another process keeps it locked/,
    );
    other.close();
  });

  it("that cannot be made is refused", async () => {
    await writeFile(join(parent, "deep"), "");
    expect(await message(openSqliteStore(folder))).to.match(/deep/);
  });
});
