import { expect } from "chai";
import { openPostgresStore } from "../../../oracle/store/postgres.ts";
import {
  type PostgresServer,
  runSql,
  startPostgres,
} from "../../../scripts/local/postgres-server.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { commitOrderSuite } from "./commit-order.ts";
import { postgresPlace } from "./postgres-place.ts";
import { storeSuite, until } from "./suite.ts";

const PARTS = 8;
const SPREAD = ["receipts", "equivocations"];

/** Spreads the store's large tables by device, as Citus does over machines, with what PostgreSQL has for it. */
async function partition(url: string): Promise<void> {
  await (await openPostgresStore(url)).close();
  for (const table of SPREAD) {
    const parts = Array.from(
      { length: PARTS },
      (_, i) => `CREATE TABLE ${table}_part_${i} PARTITION OF ${table}
        FOR VALUES WITH (MODULUS ${PARTS}, REMAINDER ${i});`,
    );
    await runSql(
      url,
      `ALTER TABLE ${table} RENAME TO whole;
       CREATE TABLE ${table} (LIKE whole INCLUDING ALL) PARTITION BY HASH (device);
       DROP TABLE whole; ${parts.join("\n")}`,
    );
  }
}

describe("PostgreSQL, spread by device", () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());

  storeSuite({
    name: "PostgreSQL, spread by device",
    place: () => postgresPlace(server, partition),
  });
  commitOrderSuite("PostgreSQL, spread by device", () => ({ server, prepare: partition }));

  it("touches only the parts of a group's devices, to look up and to write", async () => {
    const url = await server.createSchema();
    await partition(url);
    // With the values, as it plans what the store sends.
    for (const setting of [
      "session_preload_libraries = 'auto_explain'",
      "auto_explain.log_min_duration = 0",
      "auto_explain.log_nested_statements = on",
    ]) {
      await runSql(url, `ALTER ROLE link SET ${setting}`);
    }
    const crowd = crowdOf({ devices: 3, customers: 4 });
    const store = await openPostgresStore(url);
    const all = (egressBytes: bigint) =>
      crowd.devices.flatMap((device) =>
        crowd.customers.map((customer) => crowd.verified({ device, customer, egressBytes })),
      );
    // The second meets every head of the first with its own sequence: the evidence is kept too.
    await store.putReceipts(all(1n));
    await store.putReceipts(all(2n));
    await store.head(1, crowd.devices[0] as `0x${string}`, crowd.customers[0] as `0x${string}`);
    await store.close();
    const own = await runSql(url, "SELECT DISTINCT tableoid::REGCLASS::TEXT AS part FROM receipts");
    const ownParts = own.map(({ part }) => String(part).replace("receipts_part_", ""));
    expect(ownParts.length).to.be.within(1, 3);
    const kept = await runSql(url, "SELECT COUNT(*)::INT AS n FROM equivocations");
    expect(kept).to.deep.equal([{ n: 12 }]);

    const plans = () =>
      server
        .log()
        .split(/(?=LOG: {2}duration)/)
        .filter((plan) =>
          /link-oracle|Query Text:\s+(SELECT signed|SELECT device|INSERT INTO)/.test(plan),
        );
    await until(async () =>
      plans().some((plan) => /WHERE epoch = \$1 AND device = \$2/.test(plan)),
    );
    const lookUps = plans().filter((plan) => /Query Text:\s+SELECT (signed|device)/.test(plan));
    expect(lookUps.length).to.be.at.least(4);
    for (const plan of lookUps) {
      const scanned = new Set(
        [...plan.matchAll(/(?:receipts|equivocations)_part_(\d)\b/g)].map(([, part]) => part),
      );
      expect(scanned.size, plan).to.be.at.least(1);
      expect(ownParts, plan).to.include.members([...scanned]);
    }
    // Rows of values are dealt out by whoever spreads the table; of a query to insert from, none knows before it has run.
    const writes = plans().filter((plan) =>
      /Query Text:\s+INSERT INTO (receipts|equivocations)/.test(plan),
    );
    expect(writes.length).to.be.at.least(3);
    for (const plan of writes) expect(plan).to.match(/Values Scan/);
  });
});
