import { cp, rm } from "node:fs/promises";
import type { MemberWorld } from "./member.ts";

/**
 * Remembers the chain and the members' folders as they are now; what it returns brings both back, any number of times,
 * and with that forgets what was remembered later.
 */
export async function checkpoint({ devnet, oracles }: MemberWorld): Promise<() => Promise<void>> {
  const snapshot = (): Promise<string> => devnet.provider.send("evm_snapshot", []);
  let id = await snapshot();
  const copies = oracles.map(({ data }) => ({ data, copy: `${data}-at-${id}` }));
  for (const { data, copy } of copies) await cp(data, copy, { recursive: true, force: true });
  return async () => {
    if (!(await devnet.provider.send("evm_revert", [id]))) throw new Error(`no snapshot ${id}`);
    // A snapshot can be gone back to once.
    id = await snapshot();
    for (const { data, copy } of copies) {
      await rm(data, { recursive: true, force: true });
      await cp(copy, data, { recursive: true });
    }
  };
}
