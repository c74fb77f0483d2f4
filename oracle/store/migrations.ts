import { readFile } from "node:fs/promises";

/** Versions of the schema. A released one is never edited. */
const VERSIONS = [1];

/** The script of each version, in order: the tables that all engines have alike, and the engine's own. */
export async function readMigrations(engine: "sqlite" | "postgres"): Promise<readonly string[]> {
  const read = (version: number, name: string) =>
    readFile(new URL(`migrations/${version}-${name}.sql`, import.meta.url), "utf8");
  return Promise.all(
    VERSIONS.map(async (version) =>
      [await read(version, "tables"), await read(version, engine)].join("\n"),
    ),
  );
}

/** Throws when newer software has migrated the store: what its tables mean is not known here. */
export function refuseNewerSchema(version: number): void {
  if (version <= VERSIONS.length) return;
  throw new Error(
    `it was written by newer software (schema ${version}, this knows ${VERSIONS.length}); update this one`,
  );
}
