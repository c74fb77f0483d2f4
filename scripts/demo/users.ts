import { randomInt } from "node:crypto";
import { at } from "@link-rewards/core/encoding/at";
import { type Cast, FAR_ROUND_TRIP_MS } from "./cast.ts";

/** Of each customer that is no inspector; so many ask at once, for so many bytes somewhere in the file. */
const REQUESTS = 60;
const AT_ONCE = 3;
const RANGE_BYTES = 65_536;

/** What users were served with, in bytes. */
export type Used = {
  readonly requests: number;
  readonly far: { readonly device: string; readonly roundTripMs: number; readonly bytes: number };
  /** Of the other devices, on average. */
  readonly near: { readonly bytes: number };
};

/** Users of the customers come to the gateways, which ask the nearest devices. */
export async function useAsUsers({ customers, devices, far }: Cast): Promise<Used> {
  const buyers = customers.filter((each) => !each.inspector);
  const sentBy = (name: string) => {
    const { device } = at(
      devices.filter((each) => each.name === name),
      0,
    ).node;
    const tallies = buyers.flatMap(({ gateway }) => gateway.tallies());
    return tallies
      .filter((tally) => tally.device === device)
      .reduce((sum, { verified }) => sum + Number(verified.egressBytes), 0);
  };
  const before = new Map(devices.map(({ name }) => [name, sentBy(name)] as const));

  await Promise.all(
    buyers.map(async ({ gateway }) => {
      const file = at(gateway.files, 0);
      for (let i = 0; i < REQUESTS; i += AT_ONCE) {
        const users = Array.from({ length: AT_ONCE }, async () => {
          const first = randomInt(file.contentTree.size - RANGE_BYTES);
          for await (const _ of gateway.deliver(file, { first, last: first + RANGE_BYTES - 1 }));
        });
        await Promise.all(users);
      }
    }),
  );
  await Promise.all(buyers.map(({ gateway }) => gateway.close()));

  const bytesOf = (name: string) => sentBy(name) - (before.get(name) ?? 0);
  const others = devices.filter(({ name }) => name !== far.name);
  const all = others.reduce((sum, { name }) => sum + bytesOf(name), 0);
  return {
    requests: REQUESTS * buyers.length,
    far: { device: far.name, roundTripMs: FAR_ROUND_TRIP_MS, bytes: bytesOf(far.name) },
    near: { bytes: Math.round(all / others.length) },
  };
}
