import { startPostgres } from "../../../scripts/local/postgres-server.ts";

/** What whole runs of the oracle are tested on: both kinds of database, each a real one. */
export type Engine = {
  readonly name: string;
  start(): Promise<{
    /** The URL of an empty database; undefined where the oracle's folder holds it. */
    createDatabase(): Promise<string | undefined>;
    stop(): Promise<void>;
  }>;
};

export const ENGINES: readonly Engine[] = [
  {
    name: "SQLite",
    start: async () => ({ createDatabase: async () => undefined, stop: async () => undefined }),
  },
  {
    name: "PostgreSQL",
    start: async () => {
      const server = await startPostgres();
      return { createDatabase: () => server.createSchema(), stop: () => server.stop() };
    },
  },
];
