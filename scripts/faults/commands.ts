import { EXIT } from "@link-rewards/host/program";

/** All that the fault runs know of link-oracle's command line, its log and its exit codes. */

/** No reorg that is drawn is as deep. */
export const CONFIRMATIONS = 32;

export type MemberPlace = {
  readonly rpcUrl: string;
  readonly deploymentFile: string;
  readonly data: string;
  readonly keyFile: string;
  /** The URL of its PostgreSQL database, if its store is one. */
  readonly database: string | undefined;
  readonly peers: readonly string[];
};

function chainArgs({ rpcUrl, deploymentFile }: Pick<MemberPlace, "rpcUrl" | "deploymentFile">) {
  return ["--rpc", rpcUrl, "--deployment", deploymentFile, "--confirmations", `${CONFIRMATIONS}`];
}

function memberArgs(place: MemberPlace): readonly string[] {
  const { data, keyFile, database, peers } = place;
  return [
    ...chainArgs(place),
    ...["--data", data, "--key-file", keyFile],
    ...(database === undefined ? [] : ["--database", database]),
    ...peers.flatMap((url) => ["--peer", url]),
  ];
}

export function serveArgs(place: MemberPlace): readonly string[] {
  return ["serve", ...memberArgs(place), "--port", "0", "--follow-seconds", "1"];
}

/** On standard output, as soon as requests are taken: its URL. */
export const LISTENING = /^http/;

/** A killed run must not keep the next from working: in these runs nobody waits. */
export function closeArgs(place: MemberPlace): readonly string[] {
  return ["close", ...memberArgs(place), "--json", "--execute", "--lease-seconds", "0"];
}

/** What `close --json` says. */
export type CloseAnswer = {
  readonly epoch?: number;
  readonly waiting?: string;
  readonly held?: string;
};

/** Until when, unix seconds, a close waits for peers that say nothing. */
export function patienceIn({ waiting }: CloseAnswer): number | undefined {
  const until = /waited for until (\d+)/.exec(waiting ?? "")?.[1];
  return until === undefined ? undefined : Number(until);
}

export function closeAnswerIn(stdout: string): CloseAnswer {
  return stdout === "" ? {} : (JSON.parse(stdout) as CloseAnswer);
}

/** The states an epoch comes to in a close, of which the log says so. */
export const LOGGED_STATES = [
  "sealed",
  "computed",
  "published",
  "attested",
  "proposed",
  "final",
] as const;
export type LoggedState = (typeof LOGGED_STATES)[number];

/** The state that a line of close's log says an epoch has come to. */
export function stateIn(line: string): { readonly epoch: number; readonly to: string } | undefined {
  if (!line.includes('"epoch advanced"')) return undefined;
  return JSON.parse(line) as { epoch: number; to: string };
}

type Place = Pick<MemberPlace, "rpcUrl" | "deploymentFile">;

export function watchArgs(place: Place, bundles: readonly string[]): readonly string[] {
  const locations = bundles.flatMap((location) => ["--bundles", location]);
  return ["watch", ...chainArgs(place), ...locations, "--once", "--json"];
}

/** What a look of `watch --json` says of the pending report. */
export type WatchAnswer = {
  readonly pending?: null;
  readonly verdict?: { readonly verdict: string; readonly message?: string };
};

export function watchAnswerIn(stdout: string): WatchAnswer {
  return stdout === "" ? {} : (JSON.parse(stdout) as WatchAnswer);
}

/** What `audit --json` says: the epochs it has looked at. */
export function auditAnswerIn(stdout: string): readonly number[] {
  if (stdout === "") return [];
  const { epochs } = JSON.parse(stdout) as { epochs: readonly { epoch: number }[] };
  return epochs.map(({ epoch }) => epoch);
}

export function auditArgs(place: Place, bundles: string): readonly string[] {
  return ["audit", "all", ...chainArgs(place), "--bundles", bundles, "--json"];
}

export function claimArgs(
  place: Place & { readonly keyFile: string },
  bundles: string,
  accounts: readonly string[],
): readonly string[] {
  const key = ["--key-file", place.keyFile];
  return ["claim", ...chainArgs(place), "--bundles", bundles, ...key, "--json", ...accounts];
}

/** That a usage error is not among them is meant: the runs use every command as it is documented. */
const EXPECTED_CODES: readonly (number | null)[] = [EXIT.ok, EXIT.differs, EXIT.unavailable];

export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
};

/** How a process ended that no fault ended, if that is a crash. */
export function crashIn({ code, signal, stderr }: Ended): string | undefined {
  if (signal !== null) return `ended by ${signal}`;
  // Node's last words after an exception that nobody caught.
  if (/^Node\.js v\d/m.test(stderr)) return `an exception that nobody caught: ${lastOf(stderr)}`;
  if (!EXPECTED_CODES.includes(code)) return `exit code ${code}: ${lastOf(stderr)}`;
  return undefined;
}

function lastOf(text: string): string {
  return text.trim().split("\n").slice(-6).join(" | ").slice(0, 600);
}
