import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { runSql } from "../../../scripts/local/postgres-server.ts";
import type { MemberOracle } from "./member-oracle.ts";

/** Longer than the tests that are about it take on any machine: none of them waits for the clock. */
export const LEASE_SECONDS = 600;

/** Puts the time before all leases of a member's store end behind them, which is to come to the time after. */
export async function endLeases({ data, database }: MemberOracle): Promise<void> {
  const end = `UPDATE leases SET expires_at = expires_at - ${LEASE_SECONDS}`;
  if (database !== undefined) return void (await runSql(database, end));
  const file = new DatabaseSync(join(data, "oracle.sqlite"));
  file.exec(end);
  file.close();
}
