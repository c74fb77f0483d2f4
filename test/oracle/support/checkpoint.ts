import { cp, rm } from "node:fs/promises";
import { runSql } from "../../../scripts/local/postgres-server.ts";
import type { MemberWorld } from "../../worlds/network.ts";

/**
 * Remembers the chain, the members' folders and databases as they are now; what it returns brings both back, any number of times,
 * and with that forgets what was remembered later.
 */
export async function checkpoint({ devnet, oracles }: MemberWorld): Promise<() => Promise<void>> {
  const snapshot = (): Promise<string> => devnet.provider.send("evm_snapshot", []);
  let id = await snapshot();
  const time = await devnet.now();
  const copies = oracles.map(({ data }) => ({ data, copy: `${data}-at-${id}` }));
  for (const { data, copy } of copies) await cp(data, copy, { recursive: true, force: true });
  const databases = await Promise.all(
    oracles.map(({ database }) => database && copyDatabase(database, `at_${id}`)),
  );
  return async () => {
    if (!(await devnet.provider.send("evm_revert", [id]))) throw new Error(`no snapshot ${id}`);
    // Hardhat's clock does not go back: it would run on by what has passed since, and on a slow machine out of the grace.
    await devnet.provider.send("evm_setNextBlockTimestamp", [time + 1]);
    // A snapshot can be gone back to once.
    id = await snapshot();
    for (const { data, copy } of copies) {
      await rm(data, { recursive: true, force: true });
      await cp(copy, data, { recursive: true });
    }
    for (const restore of databases) if (restore) await restore();
  };
}

/** Copies every table of the schema, and gives what puts the rows back. */
async function copyDatabase(url: string, copy: string): Promise<() => Promise<void>> {
  const found = await runSql(
    url,
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
  );
  const tables = found
    .map(({ tablename }) => String(tablename))
    .filter((name) => !/_at_/.test(name));
  const each = (statement: (table: string) => string) => tables.map(statement).join("\n");
  await runSql(
    url,
    each((table) => `CREATE TABLE ${table}_${copy} AS TABLE ${table};`),
  );
  return async () => {
    await runSql(
      url,
      each(
        (table) => `
          TRUNCATE ${table};
          INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM ${table}_${copy};`,
      ),
    );
  };
}
