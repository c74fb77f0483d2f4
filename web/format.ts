/** Numbers as people read them. Amounts are cut, never rounded up: nobody is shown what is not theirs. */

const TOKEN_DECIMALS = 18;
const SHOWN_DECIMALS = 4;

export function tokens(wei: bigint, locale: string, decimals = SHOWN_DECIMALS): string {
  const { whole, fraction } = split(wei);
  const shown = fraction.slice(0, decimals);
  if (wei > 0n && whole === 0n && /^0*$/.test(shown)) {
    return `<${decimal(locale, `0.${"1".padStart(decimals, "0")}`)}`;
  }
  const grouped = whole.toLocaleString(locale);
  return wei === 0n ? "0" : `${grouped}${decimalPoint(locale)}${shown}`;
}

/** Every digit. */
export function exactTokens(wei: bigint, locale: string): string {
  const { whole, fraction } = split(wei);
  const digits = fraction.replace(/0+$/, "");
  const grouped = whole.toLocaleString(locale);
  return digits === "" ? grouped : `${grouped}${decimalPoint(locale)}${digits}`;
}

function split(wei: bigint): { whole: bigint; fraction: string } {
  const unit = 10n ** BigInt(TOKEN_DECIMALS);
  return { whole: wei / unit, fraction: (wei % unit).toString().padStart(TOKEN_DECIMALS, "0") };
}

function decimalPoint(locale: string): string {
  return (1.5).toLocaleString(locale).charAt(1);
}

function decimal(locale: string, text: string): string {
  return text.replace(".", decimalPoint(locale));
}

const SCALE = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];

/** Decimal prefixes, three digits, cut. */
function scaled(amount: bigint, unit: string, locale: string): string {
  let step = 0;
  let rest = amount;
  while (rest >= 100_000n && step < SCALE.length - 1) {
    rest /= 1000n;
    step += 1;
  }
  let value = Number(rest);
  if (value >= 1000 && step < SCALE.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const cut = Math.floor(value * 10 ** digits) / 10 ** digits;
  return `${cut.toLocaleString(locale)} ${SCALE[step]}${unit}`;
}

export function bytes(amount: bigint, locale: string): string {
  return scaled(amount, "B", locale);
}

const HOUR_SECONDS = 3600n;
const HOUR_MILLISECONDS = 3_600_000;

export function byteHours(byteSeconds: bigint, locale: string): string {
  return scaled(byteSeconds / HOUR_SECONDS, "B·h", locale);
}

export function computeTime(milliseconds: bigint, locale: string): string {
  const value = Number(milliseconds);
  const [amount, unit] =
    value >= HOUR_MILLISECONDS
      ? [value / HOUR_MILLISECONDS, "vCPU·h"]
      : value >= 1000
        ? [value / 1000, "vCPU·s"]
        : [value, "vCPU·ms"];
  return `${(Math.floor(amount * 10) / 10).toLocaleString(locale)} ${unit}`;
}

/** Of ten-thousandths. */
export function percent(bps: number, locale: string): string {
  return (bps / 10_000).toLocaleString(locale, { style: "percent", maximumFractionDigits: 2 });
}

export function shortHex(hex: string): string {
  return `${hex.slice(0, 6)}…${hex.slice(-4)}`;
}

export function localTime(seconds: number, locale: string): string {
  return new Date(seconds * 1000).toLocaleString(locale, {
    dateStyle: "medium",
    timeStyle: "short",
  });
}

export function utcTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** The two largest parts: "2 d 4 h", "12 min 5 s". */
export function duration(seconds: number): string {
  const rest = Math.max(0, Math.ceil(seconds));
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) => Math.floor(rest / unit));
  if (days) return `${days} d ${(hours ?? 0) % 24} h`;
  if (hours) return `${hours} h ${(minutes ?? 0) % 60} min`;
  if (minutes) return `${minutes} min ${rest % 60} s`;
  return `${rest} s`;
}

/** Text that a spreadsheet takes as text, even where it begins like a formula. */
export function csv(rows: readonly (readonly (string | number | bigint)[])[]): string {
  const cell = (value: string | number | bigint) => {
    const text = String(value);
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
