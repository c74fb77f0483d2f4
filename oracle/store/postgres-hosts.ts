import { Socket } from "node:net";
import { Client, type ClientConfig, DatabaseError, Pool, type PoolClient } from "pg";

/**
 * The servers that a database URL names, and connections to the one of them that takes writes. A standby is never taken
 * for the database, and what was replaced by a promoted one never again: each promotion begins a new timeline.
 */
export type Hosts = {
  /** As they may be shown: without user and password. */
  readonly name: string;
  /** Runs `work` on a connection of the pool. One that fails otherwise than by a server's plain error is not used again. */
  use<T>(work: (client: PoolClient) => Promise<T>): Promise<T>;
  /** A connection of its own, to be ended by who asked for it. */
  connect(): Promise<Client>;
  close(): Promise<void>;
};

export type HostsOptions = {
  /** For one statement. */
  readonly answerWaitMs: number;
};

const CONNECT_WAIT_MS = 5_000;
/** One for the receipts, the others for all else. */
const CONNECTIONS = 8;
const APPLICATION = "link-oracle";
/** What the driver says when a statement got no answer in time. */
const SILENT = "Query read timeout";

type Host = { readonly name: string; readonly config: ClientConfig; readonly pool: Pool };
type Server = { readonly timeline: number; readonly cluster: string };

/** Keeps its socket at hand: one to a server that fell silent must go at once, and not after a farewell. */
class HostClient extends Client {
  readonly socket: Socket;

  constructor(config: ClientConfig = {}) {
    const socket = new Socket();
    super({ ...config, stream: () => socket });
    this.socket = socket;
  }
}

export function openHosts(url: string, { answerWaitMs }: HostsOptions): Hosts {
  const urls = hostUrls(url);
  /** Clients that nobody works with, of all pools. */
  const idle = new Map<Pool, Set<HostClient>>();
  const hosts = urls.map(openHost);
  const name = nameOf(hosts);
  /** The server with the highest timeline so far: whatever is behind it was replaced. */
  let newest: Server | undefined;
  let home: Promise<Host> | undefined;

  function openHost(hostUrl: string): Host {
    const config: ClientConfig = {
      connectionString: hostUrl,
      application_name: APPLICATION,
      connectionTimeoutMillis: CONNECT_WAIT_MS,
      query_timeout: answerWaitMs,
      keepAlive: true,
      types: { getTypeParser: parserOf },
    };
    const pool = new Pool({
      ...config,
      Client: HostClient,
      max: CONNECTIONS,
      verify: (client, done) => void welcome(client).then(() => done(), done),
    });
    const unused = new Set<HostClient>();
    idle.set(pool, unused);
    // A connection that breaks fails the query that runs on it; an idle one is replaced by the next query. Without
    // listeners either would end the process.
    pool.on("connect", (client) => client.on("error", ignore));
    pool.on("error", ignore);
    pool.on("acquire", (client) => unused.delete(client as unknown as HostClient));
    pool.on("release", (_, client) => unused.add(client as unknown as HostClient));
    pool.on("remove", (client) => unused.delete(client as unknown as HostClient));
    return { name: shown(hostUrl), config, pool };
  }

  /** Throws unless what is at the other end may be trusted with what will be acknowledged. */
  async function welcome(client: Client | PoolClient): Promise<Server> {
    const { rows } = await client.query(WELCOME);
    refuseStandby(rows[0]);
    refuseUnlessDurable(rows[0]);
    // Where the URL names one, who stands behind it is its operator's word; not every service tells.
    if (hosts.length === 1) return { timeline: 0, cluster: "" };
    const { rows: found } = await client.query(WHICH_SERVER);
    const server = { timeline: Number.parseInt(found[0].timeline, 16), cluster: found[0].cluster };
    refuseReplaced(server, newest);
    newest = server;
    return server;
  }

  async function open(host: Host): Promise<{ client: HostClient; server: Server }> {
    const client = new HostClient(host.config);
    client.on("error", ignore);
    try {
      await client.connect();
      return { client, server: await welcome(client) };
    } catch (error) {
      client.socket.destroy();
      throw error;
    }
  }

  /** All are asked, and not the first that answers taken: it may be one that was replaced and came back. */
  async function elect(): Promise<Host> {
    const [only] = hosts;
    if (only !== undefined && hosts.length === 1) return only;
    const answers = await Promise.allSettled(
      hosts.map(async (host) => {
        const { client, server } = await open(host);
        await client.end();
        return { host, server };
      }),
    );
    const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    const failures = answers.map((answer) => answer.status === "rejected" && answer.reason);
    // Which of the two is meant, nobody can tell.
    const isMixed = failures.some((failure) => failure instanceof OtherDatabase);
    const [first] = found.toSorted((a, b) => b.server.timeline - a.server.timeline);
    if (first !== undefined && !isMixed) return first.host;
    const reasons = failures.flatMap((failure, i) =>
      failure === false ? [] : [`${hosts[i]?.name}: ${explain(failure)}`],
    );
    throw new Error(`none of its servers can be written to: ${reasons.join("; ")}`);
  }

  function elected(): Promise<Host> {
    if (home !== undefined) return home;
    const run = elect();
    home = run;
    run.catch(() => leave(run));
    return run;
  }

  function leave(left: Promise<Host>): void {
    if (home === left) home = undefined;
  }

  /** From the server that was elected; when it is gone, from the one that is elected then. */
  async function acquire(): Promise<{ host: Host; run: Promise<Host>; client: PoolClient }> {
    for (let isSecond = false; ; isSecond = true) {
      const run = elected();
      const host = await run;
      try {
        return { host, run, client: await takeLiving(host.pool) };
      } catch (cause) {
        leave(run);
        if (isSecond || hosts.length === 1) throw cause;
      }
    }
  }

  /** The pool learns a moment later that a socket is gone. */
  async function takeLiving(pool: Pool): Promise<PoolClient> {
    for (;;) {
      const client = await pool.connect();
      if (!(client as unknown as HostClient).socket.destroyed) return client;
      client.release(true);
    }
  }

  /** The other connections are silent too, most likely, and the next would wait as long for each of them. */
  function abandon({ pool }: Host, client: PoolClient): void {
    for (const other of idle.get(pool) ?? []) other.socket.destroy();
    // Its server process may still wait for a lock or a standby, and keep others waiting: they would be ever more.
    const { processID } = client as unknown as { processID: number };
    terminate(pool, processID).catch(ignore);
  }

  async function terminate(pool: Pool, processId: number): Promise<void> {
    const client = await takeLiving(pool);
    try {
      await client.query(TERMINATE, [processId, APPLICATION]);
      client.release();
    } catch (error) {
      client.release(error as Error);
    }
  }

  return {
    name,

    async use(work) {
      const { host, run, client } = await acquire();
      try {
        const result = await work(client);
        client.release();
        return result;
      } catch (cause) {
        if (!isLost(cause)) {
          client.release();
          throw cause;
        }
        leave(run);
        client.release(cause as Error);
        if (isSilence(cause)) abandon(host, client);
        throw cause;
      }
    },

    async connect() {
      const run = elected();
      try {
        return (await open(await run)).client;
      } catch (cause) {
        leave(run);
        throw cause;
      }
    },

    async close() {
      await Promise.all(hosts.map(({ pool }) => pool.end()));
    },
  };
}

/** The connection is of no use any more; what a server says plainly leaves it as it was. */
export function isLost(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return true;
  // Connection exceptions, shutdown and crash, and a server that has become read-only.
  return /^(08|57P0|25006)/.test(error.code ?? "");
}

// What a server says of itself

const WELCOME = `
  SELECT pg_is_in_recovery() AS is_standby,
    current_setting('transaction_read_only') AS transaction_read_only,
    current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('synchronous_standby_names') AS synchronous_standby_names`;
/** The first eight digits of a log file's name are the timeline that is written now. */
const WHICH_SERVER = `
  SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline,
    (SELECT system_identifier FROM pg_control_system())::TEXT AS cluster`;
const TERMINATE = `
  SELECT pg_terminate_backend(pid)::TEXT FROM pg_stat_activity
  WHERE pid = $1 AND application_name = $2 AND pid <> pg_backend_pid()`;

type Settings = Readonly<Record<string, string>>;

function refuseStandby(settings: Settings): void {
  if (settings.is_standby === "t") {
    throw new Error("it is a standby, which can only be read; name its primary too, or promote it");
  }
  if (settings.transaction_read_only === "on") {
    throw new Error("it can only be read (default_transaction_read_only is on); switch it off");
  }
}

/** Either off, a power cut may take back what was acknowledged; or the loss of a machine, where a standby is waited for. */
function refuseUnlessDurable(settings: Settings): void {
  for (const name of ["fsync", "synchronous_commit"]) {
    if (settings[name] === "off") {
      throw new Error(
        `its ${name} is off, so a power cut may take back what was acknowledged; switch it on`,
      );
    }
  }
  if (settings.synchronous_commit === "local" && settings.synchronous_standby_names !== "") {
    throw new Error(
      "its synchronous_commit is local although synchronous_standby_names names a standby, so a promotion may take " +
        "back what was acknowledged; set it to on, or empty the names",
    );
  }
}

class OtherDatabase extends Error {
  override name = "OtherDatabase";
}

function refuseReplaced(server: Server, newest: Server | undefined): void {
  if (newest === undefined) return;
  if (server.cluster !== newest.cluster) {
    throw new OtherDatabase(
      "it is another database than the other servers of the URL; name a primary and its standbys alone",
    );
  }
  if (server.timeline < newest.timeline) {
    throw new Error(
      `it was replaced by a promoted standby (its timeline is ${server.timeline}, there is ${newest.timeline}); ` +
        "stop it, and make it a standby of the new primary",
    );
  }
}

// URLs

const CANNOT_BE_READ =
  "the database URL cannot be read; it must be postgresql://user:password@host:port/database, " +
  "with several host:port behind commas where there are standbys";
const WRITABLE = ["read-write", "primary"];

/** One URL for each server, which is what the driver understands. Whatever is wrong with it, it is not repeated. */
function hostUrls(url: string): readonly string[] {
  const [, before, hosts, after] =
    /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#@]*)(.*)$/.exec(url) ?? [];
  if (before === undefined || hosts === undefined) return [checked(url)];
  return hosts.split(",").map((host) => checked(`${before}${host}${after}`));
}

function checked(url: string): string {
  let wanted: string | null;
  try {
    new Client({ connectionString: url });
    wanted = new URL(url).searchParams.get("target_session_attrs");
  } catch {
    throw new Error(CANNOT_BE_READ);
  }
  if (wanted !== null && !WRITABLE.includes(wanted)) {
    throw new Error(
      `the database URL wants target_session_attrs=${wanted}, but the store is written to; leave it out, or make it read-write`,
    );
  }
  return url;
}

function shown(url: string): string {
  const { host, port } = new Client({ connectionString: url });
  return `${host}:${port}`;
}

function nameOf(hosts: readonly Host[]): string {
  const { database } = new Client(hosts[0]?.config);
  return `${hosts.map(({ name }) => name)}/${database}`;
}

// Rows

const BYTEA = 17;
const INT8 = 20;

function parserOf(type: number): (text: string) => unknown {
  if (type === BYTEA) return bytesOf;
  // Epochs, times, blocks and nonces: all far below 2^53.
  return type === INT8 ? Number : String;
}

/** A copy of its own: small buffers share the memory of others, which would stay as long as the last of them. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.slice(2), "hex"));
}

// Failures

const EXPLANATIONS: Readonly<Record<string, string>> = {
  "28P01": "it takes neither this user nor this password",
  "3D000": "there is no such database; create it first",
  "42501": "this user may not do that; make it the owner of its database",
  "53100": "the disk of the server is full; make room and try again",
  "55P03": "another client keeps it locked; try again when that has ended",
  ECONNREFUSED: "no server listens there; start it, or correct the database URL",
};

export function codeOf(error: unknown): string {
  return String((Object(error) as { code?: unknown }).code ?? "");
}

export function explain(error: unknown): string {
  const { message } = error as Error;
  if (isSilence(error)) {
    return "its server does not answer; is it, its network, or a standby that it waits for, away?";
  }
  const explanation = EXPLANATIONS[codeOf(error)];
  return explanation === undefined ? message : `${explanation} (${message})`;
}

function isSilence(error: unknown): boolean {
  const { message, cause } = error as Error;
  return message === SILENT || (cause !== undefined && isSilence(cause));
}

function ignore(): void {
  // Whoever it concerns is told by a rejected promise.
}
