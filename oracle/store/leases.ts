import type { Engine } from "./engine.ts";
import type { Store } from "./store.ts";

const TAKE_LEASE = `
  INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
  WHERE leases.holder = excluded.holder OR leases.expires_at <= ? RETURNING name`;
const DROP_LEASE = "DELETE FROM leases WHERE name = ? AND holder = ?";

export function leaseTable({ write }: Engine): Pick<Store, "acquireLease" | "releaseLease"> {
  return {
    acquireLease: (name, holder, ttlSeconds, now) =>
      write(async (q) => (await q(TAKE_LEASE, [name, holder, now + ttlSeconds, now])).length === 1),
    releaseLease: (name, holder) => write(async (q) => void (await q(DROP_LEASE, [name, holder]))),
  };
}
