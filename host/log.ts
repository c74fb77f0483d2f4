import pino, { type DestinationStream, type Logger } from "pino";

/** What must never be read in a log, wherever in a record it stands. */
const SECRET_NAMES =
  /private|password|passphrase|secret|mnemonic|authorization|cookie|^(raw|key)$/i;
const REDACTED = "[redacted]";
/** Deeper than anything that is logged; a cycle ends here too. */
const MAX_DEPTH = 8;
/** Shorter texts would be found everywhere by chance. */
const MIN_SECRET_LENGTH = 6;

/** No child logs: pino writes what they add past the redaction. */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;

export type LogOptions = {
  readonly level?: string;
  /** Texts that must not appear in any record, whatever wrote them: RPC URLs with their keys, passwords. */
  readonly secrets?: readonly string[];
  /** Standard error by default: standard output is for answers. */
  readonly destination?: DestinationStream;
};

/** One JSON object a line. Text from outside is escaped by JSON, so it can neither break a line nor steer a terminal. */
export function createLog({ level = "info", secrets = [], destination }: LogOptions = {}): Log {
  const spellings = spellingsOf(secrets);
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: plain,
      },
      // The record is plain already; pino's own way with errors would drop what their cause holds.
      serializers: { err: (error) => error },
      hooks: {
        streamWrite: (line) =>
          spellings.reduce((text, secret) => text.replaceAll(secret, REDACTED), line),
      },
    },
    destination ?? pino.destination({ fd: 2, sync: true }),
  );
}

function plain(record: object): Record<string, unknown> {
  try {
    return withoutSecrets(record, 0) as Record<string, unknown>;
  } catch (error) {
    // A getter that throws: the message beside the record must still come through.
    return { unreadable: (error as Error).message };
  }
}

/** Each as it is, as JSON escapes it, and, for hex, without its 0x. */
function spellingsOf(secrets: readonly string[]): readonly string[] {
  return [...new Set(secrets.flatMap((secret) => [secret, secret.replace(/^0x/i, "")]))]
    .map((secret) => JSON.stringify(secret).slice(1, -1))
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
    .sort((a, b) => b.length - a.length);
}

function withoutSecrets(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth > MAX_DEPTH) return "[too deep]";
  if (value instanceof Error) return withoutSecrets(describeError(value), depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET_NAMES.test(name) ? REDACTED : withoutSecrets(inner, depth + 1),
    ]),
  );
}

function describeError(error: Error): Record<string, unknown> {
  return {
    ...error,
    name: error.name,
    message: error.message,
    stack: error.stack,
    cause: error.cause,
  };
}
