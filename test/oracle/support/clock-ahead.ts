/** Loaded before a program: its clock is an hour ahead of everybody's. */
const AHEAD_MS = 3_600_000;

if (process.execArgv.some((arg) => arg.startsWith("--import"))) {
  const now = Date.now;
  const moved = () => now() + AHEAD_MS;
  globalThis.Date = new Proxy(Date, {
    construct: (target, args) => Reflect.construct(target, args.length > 0 ? args : [moved()]),
    get: (target, name) => (name === "now" ? moved : Reflect.get(target, name)),
  });
}
