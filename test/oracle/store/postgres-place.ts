import { openPostgresStore } from "../../../oracle/store/postgres.ts";
import { type PostgresServer, runSql } from "../../../scripts/local/postgres-server.ts";
import type { StorePlace } from "./suite.ts";

const TABLES = [
  "receipts",
  "equivocations",
  "vouchers",
  "events",
  "event_cursor",
  "epochs",
  "leases",
  "reports",
  "forgone",
  "transactions",
];

/** `prepare` is done to its empty schema. */
export async function postgresPlace(
  server: PostgresServer,
  prepare: (url: string) => Promise<void> = async () => undefined,
): Promise<StorePlace> {
  const url = await server.createSchema();
  await prepare(url);
  const module = new URL("../../../oracle/store/postgres.ts", import.meta.url).href;
  return {
    open: (options) => openPostgresStore(url, options),
    elsewhere: [module, openPostgresStore.name, url],
    failCommits: () => sabotage(url),
    holdLock: () => server.hold(url, `LOCK TABLE ${TABLES} IN EXCLUSIVE MODE`),
    // Its server goes, with all that is in it.
    remove: async () => undefined,
  };
}

/** Changes call a function that raises when it comes to commit and not before. */
async function sabotage(url: string): Promise<() => Promise<void>> {
  const triggers = TABLES.map(
    (table) => `
      CREATE CONSTRAINT TRIGGER broken AFTER INSERT OR UPDATE OR DELETE ON ${table}
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION break_commit();`,
  );
  await runSql(
    url,
    `CREATE FUNCTION break_commit() RETURNS TRIGGER LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'the commit was broken'; END $$;
     ${triggers.join("\n")}`,
  );
  return async () => {
    await runSql(url, "DROP FUNCTION break_commit() CASCADE");
  };
}
