import { styleText } from "node:util";
import Table from "cli-table3";
import { formatEther, getAddress } from "ethers";

/** Data goes to stdout: for a machine as one JSON document, for a person as `render` writes it. */
export function print(json: boolean, value: unknown, render: () => string): void {
  process.stdout.write(`${json ? toJson(value) : render()}\n`);
}

/** Integers wider than a JSON number are decimal strings. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? item.toString() : item), 2);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({ head: [...head], style: { head: [], border: [] } });
  drawn.push(...rows.map((row) => [...row]));
  return drawn.toString();
}

const SHOWN_DECIMALS = 6;

/** Truncated, never rounded up: nobody is shown more than there is. */
export function tokens(wei: bigint): string {
  const [whole = "0", decimals = ""] = formatEther(wei).split(".");
  const shown = decimals.slice(0, SHOWN_DECIMALS);
  const cut = /[1-9]/.test(decimals.slice(SHOWN_DECIMALS)) ? "…" : "";
  return `${whole}.${shown.padEnd(1, "0")}${cut}`;
}

/** To the wei, where lines are to add up. */
export function exactTokens(wei: bigint): string {
  return formatEther(wei);
}

export function checksummed(address: string): string {
  return getAddress(address);
}

export function utc(unixSeconds: number | bigint): string {
  return new Date(Number(unixSeconds) * 1000).toISOString().replace(".000Z", "Z");
}

export function verdictText(verdict: "agrees" | "differs" | "unavailable"): string {
  const colour = { agrees: "green", differs: "red", unavailable: "yellow" } as const;
  return styleText(colour[verdict], verdict, { stream: process.stdout });
}

/** One line on a terminal that overwrites itself; silent elsewhere, so that logs stay readable. */
export function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

export function endProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
}

let isWarned = false;

/** Once, before the first bundle is checked. */
export function warnOfSlowness(reason: string): void {
  if (!isWarned)
    process.stderr.write(`the native signature check does not load, this takes long: ${reason}\n`);
  isWarned = true;
}
