import { createLog, type Log, type LogOptions } from "@link-rewards/host/log";
import { expect } from "chai";

const KEY = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";
const RPC = "https://user:hunter22@mainnet.example/v3/9aa3d95b3bc440fa88ea12eaa4456161";

function written(write: (log: Log) => void, options: LogOptions = {}) {
  const lines: string[] = [];
  write(createLog({ destination: { write: (line) => void lines.push(line) }, ...options }));
  return lines;
}

describe("log", () => {
  it("writes one JSON object a line: level as a word, time as a date, and the record", () => {
    const [line] = written((log) => log.warn({ epoch: 7 }, "late"));
    const { time, ...record } = JSON.parse(line as string);
    expect(record).to.deep.equal({ level: "warn", epoch: 7, msg: "late" });
    expect(new Date(time).getTime()).to.be.closeTo(Date.now(), 60_000);
  });

  it("shows nothing under a secret name, however deep, and leaves public names alone", () => {
    const [line] = written((log) =>
      log.info(
        {
          privateKey: KEY,
          keystorePassword: "p",
          headers: { Authorization: "Bearer 1", cookie: "c" },
          wallets: [{ mnemonic: "a b c", deep: { key: KEY, raw: "0x02f8" } }],
          customer: "0xc0ffee",
          keyUnknown: 3,
        },
        "connected",
      ),
    );
    expect(line).to.not.contain(KEY).and.not.contain("a b c").and.not.contain("0x02f8");
    expect(JSON.parse(line as string)).to.deep.include({
      privateKey: "[redacted]",
      keystorePassword: "[redacted]",
      headers: { Authorization: "[redacted]", cookie: "[redacted]" },
      customer: "0xc0ffee",
      keyUnknown: 3,
    });
  });

  it("shows a known secret nowhere: not in a message, an error, its cause or another spelling", () => {
    const error = new Error(`request to ${RPC} failed`, {
      cause: Object.assign(new Error("timeout"), {
        info: { requestUrl: RPC, payload: KEY.slice(2) },
      }),
    });
    const lines = written(
      (log) => {
        log.error({ err: error }, `cannot reach ${RPC}`);
        log.info({ note: `pass"word\nis this` }, "x");
      },
      { secrets: [RPC, KEY, 'pass"word\nis this'] },
    );
    const text = lines.join("");
    expect(text)
      .to.not.contain("hunter22")
      .and.not.contain("9aa3d95b")
      .and.not.contain(KEY.slice(2));
    expect(text).to.not.contain("is this");
    const { err } = JSON.parse(lines[0] as string);
    expect(err.cause.message).to.equal("timeout");
    expect(err.stack).to.contain("log.ts");
  });

  it("still writes the message beside a record that cannot be read", () => {
    const broken = Object.defineProperty({}, "amount", {
      enumerable: true,
      get: () => {
        throw new Error("deferred");
      },
    });
    const [line] = written((log) => log.info(broken, "decoded"));
    expect(JSON.parse(line as string)).to.deep.include({ msg: "decoded", unreadable: "deferred" });
  });

  it("does not take a short text for a secret, or everything would be one", () => {
    const [line] = written((log) => log.info({ epoch: 1 }, "a b"), { secrets: ["", "a", "1"] });
    expect(JSON.parse(line as string)).to.deep.include({ msg: "a b", epoch: 1 });
  });

  it("keeps text from outside in its line and away from the terminal", () => {
    const lines = written((log) => log.info({ field: "a\u0000\n\u001b[2J\u2028" }, "b\r\nc"));
    expect(lines).to.have.length(1);
    const inside = (lines[0] as string).slice(0, -1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(inside).to.not.match(/[\u0000-\u001f]/);
    expect(JSON.parse(inside).field).to.equal("a\u0000\n\u001b[2J\u2028");
  });

  it("writes amounts as decimals, bytes as their number, and survives a cycle", () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const [line] = written((log) =>
      log.info({ wei: 10n ** 30n, bytes: new Uint8Array(64), cycle }, ""),
    );
    const { wei, bytes } = JSON.parse(line as string);
    expect([wei, bytes]).to.deep.equal([String(10n ** 30n), "[64 bytes]"]);
  });
});
