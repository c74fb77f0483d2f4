import { expect } from "chai";
import { openPostgresStore } from "../../../oracle/store/postgres.ts";
import type { Store } from "../../../oracle/store/store.ts";
import {
  type PostgresServer,
  runSql,
  startPostgres,
} from "../../../scripts/local/postgres-server.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { commitOrderSuite } from "./commit-order.ts";
import { postgresPlace } from "./postgres-place.ts";
import { expectStored, storeSuite } from "./suite.ts";
import { startWriter } from "./writer.ts";

describe("PostgreSQL", () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());

  storeSuite({ name: "PostgreSQL", place: () => postgresPlace(server) });
  commitOrderSuite("PostgreSQL", () => ({ server }));

  const message = async (opening: Promise<unknown>): Promise<string> => {
    const [outcome] = await Promise.allSettled([opening]);
    return outcome.status === "rejected" ? (outcome.reason as Error).message : "opened";
  };

  describe("a database", () => {
    let url: string;
    beforeEach(async () => {
      url = await server.createSchema();
    });

    it("is opened for the first time by many at once", async () => {
      const stores = await Promise.all(Array.from({ length: 8 }, () => openPostgresStore(url)));
      for (const [epoch, store] of stores.entries()) {
        expect(await store.advance(epoch, undefined, "open")).to.equal(true);
      }
      expect(await stores[0]?.epochs()).to.have.length(8);
      for (const store of stores) await store.close();
    });

    it("takes what many send to several processes at once, though each counts the arrivals", async () => {
      const stores = await Promise.all(Array.from({ length: 3 }, () => openPostgresStore(url)));
      const [first] = stores as [Store];
      await first.beginLife();
      const crowd = crowdOf({ devices: 1 });
      const epochs = Array.from({ length: 1_500 }, (_, i) => i + 1);
      const sent = epochs.map((epoch) =>
        stores[epoch % stores.length]?.putVoucher(crowd.verifiedVoucher({ epoch, amount: 1n })),
      );
      expect(new Set(await Promise.all(sent))).to.deep.equal(new Set(["accepted"]));
      const kept = (await Array.fromAsync(first.vouchers())).map(({ voucher }) => voucher.epoch);
      expect(kept).to.deep.equal(epochs);
      for (const store of stores) await store.close();
    });

    it("written by newer software is refused, and left as it is", async () => {
      await (await openPostgresStore(url)).close();
      await runSql(url, "INSERT INTO migrations (version) VALUES (99)");
      expect(await message(openPostgresStore(url))).to.match(
        /newer software \(schema 99, this knows 1\).*update/,
      );
      expect(await runSql(url, "SELECT version FROM migrations")).to.have.length(2);
    });

    it("that does not wait for the disk is refused", async () => {
      await runSql(url, "ALTER ROLE link SET synchronous_commit = off");
      try {
        expect(await message(openPostgresStore(url))).to.match(/synchronous_commit is off/);
      } finally {
        await runSql(url, "ALTER ROLE link RESET synchronous_commit");
      }
    });

    it("that cannot be reached is refused without telling its password", async () => {
      const { password } = new URL(url);
      const wrong = [
        url.replace(password, `not-${password}`),
        url.replace(/:\d+\//, ":1/"),
        url.replace("/postgres?", "/none?"),
        `postgresql://link:${password}@[`,
      ];
      for (const one of wrong) {
        const refusal = await message(openPostgresStore(one));
        expect(refusal).to.match(
          /neither this user nor this password|no server listens|no such database|cannot be read/,
        );
        expect(refusal).not.to.contain(password);
      }
    });

    it("names the device in every key of receipts, to be distributed by it", async () => {
      await (await openPostgresStore(url)).close();
      const indexes = await runSql(
        url,
        `SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
         AND tablename IN ('receipts', 'equivocations') AND indexdef LIKE 'CREATE UNIQUE%'`,
      );
      expect(indexes).to.have.length(2);
      for (const { indexdef } of indexes) expect(indexdef).to.match(/\(.*\bdevice\b.*\)/);
    });
  });

  it("loses nothing acknowledged when the server itself is killed, and is taken up again", async () => {
    const url = await server.createSchema();
    const store = await openPostgresStore(url);
    const crowd = crowdOf();
    const receipt = (sequence: number) => crowd.verified({ sequence });
    let acknowledged = 0;
    const load = (async () => {
      for (let sequence = 1; ; sequence++) {
        const [outcome] = await store.putReceipts([receipt(sequence)]);
        if (outcome?.status === "accepted") acknowledged = sequence;
      }
    })();
    while (acknowledged < 20) await new Promise((passed) => setTimeout(passed, 5));
    const [ended] = await Promise.all([message(load), server.crash()]);
    expect(ended).to.match(/kept nothing of a write|not known whether/);
    const { device, customer, epoch } = receipt(1).receipt;
    const head = await store.head(epoch, device, customer);
    expect(head?.receipt.sequence).to.be.at.least(acknowledged);
    const [next] = await store.putReceipts([receipt(10_000)]);
    expect(next?.status).to.equal("accepted");
    await store.close();
  });

  it("loses nothing acknowledged when one of several processes is killed", async () => {
    const place = await postgresPlace(server);
    const store = await place.open();
    const rounds = Number.POSITIVE_INFINITY;
    const writers = [1, 2, 3].map((first) =>
      startWriter({ elsewhere: place.elsewhere, first, step: 3, rounds }),
    );
    const acknowledged = await Promise.all(
      writers.map((writer, i) => writer.acknowledged(40 + 40 * i)),
    );
    for (const writer of writers) expect((await writer.end()).exit).to.equal("SIGKILL");
    await expectStored(store, acknowledged.flat());
    await store.close();
  });
});
