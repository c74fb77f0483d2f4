import type { Engine } from "./engine.ts";
import type { Store } from "./store.ts";

const takeLease = (now: string) => `
  INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ${now} + ?)
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
  WHERE leases.holder = excluded.holder OR leases.expires_at <= ${now} RETURNING name`;
const DROP_LEASE = "DELETE FROM leases WHERE name = ? AND holder = ?";

export function leaseTable({ write, now }: Engine): Pick<Store, "acquireLease" | "releaseLease"> {
  return {
    acquireLease: (name, holder, ttlSeconds) =>
      write(async (q) => (await q(takeLease(now), [name, holder, ttlSeconds])).length === 1),
    releaseLease: (name, holder) => write(async (q) => void (await q(DROP_LEASE, [name, holder]))),
  };
}
