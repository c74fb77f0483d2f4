import { Argument, Command } from "@commander-js/extra-typings";
import { misuse } from "@link-rewards/host/program";
import { databaseOption, dataOption, jsonOption } from "./options.ts";
import { endProgress, print, progress } from "./print.ts";

export function backupCommand() {
  return new Command("backup")
    .summary("copy the database while serve runs")
    .description(
      "Writes a copy of the database in the data folder as it is at one moment, checked and on disk, to a file that must not be there yet. Needs neither the chain nor a key. To restore it, name it oracle.sqlite in the data folder and run forgo: until then no other command works on a copy. The bundles are files, to be copied as such.\n\nExit codes: 0 done, 2 failed, 3 usage: also when the file is there already, and with PostgreSQL, whose own tools do this.",
    )
    .addArgument(new Argument("<file>", "where to write the copy"))
    .addOption(dataOption())
    .addOption(databaseOption())
    .addOption(jsonOption())
    .action(async (file, { data, database, json }) => {
      if (database !== undefined) {
        throw misuse(
          "the store is a PostgreSQL database: copy it with pg_dump or pg_basebackup, or keep a standby; after a restore run forgo before anything else",
        );
      }
      const { backUpSqlite } = await import("../store/sqlite-backup.ts");
      const done = await backUpSqlite(data, file, (part) =>
        progress(`copied ${Math.floor(100 * part)} %`),
      );
      endProgress();
      print(json, done, () =>
        [
          `${done.file}: ${done.bytes} bytes, receipts up to ${done.epoch === null ? "no epoch" : `epoch ${done.epoch}`}`,
          `sha256 ${done.sha256}`,
        ].join("\n"),
      );
    });
}
