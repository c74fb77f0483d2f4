import { printable } from "@link-rewards/host/printable";

/** One thing that happened. Keys and signatures never go in. */
export type Log = (
  level: "info" | "warn",
  event: string,
  detail?: Readonly<Record<string, unknown>>,
) => void;

export const silent: Log = () => undefined;

/** Progress goes to stderr: stdout belongs to the answer. */
export function logToStderr(asJson: boolean): Log {
  return (level, event, detail = {}) => {
    const line = asJson
      ? JSON.stringify({ level, event, ...detail })
      : readable(level, event, detail);
    process.stderr.write(`${line}\n`);
  };
}

function readable(level: string, event: string, detail: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(detail).map(
    ([name, value]) => `${name}=${printable(String(value))}`,
  );
  return [level === "warn" ? "! " : "  ", event, ...pairs].join(" ");
}
