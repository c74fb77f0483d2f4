import { setTimeout as sleep } from "node:timers/promises";
import { type Address, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import type { CustomerStatus } from "../../device/node/status.ts";
import { type Cast, endpointOf, openDemoDoor } from "./cast.ts";
import type { RefusedCustomer } from "./insolvent.ts";

const LOOK_MS = 50;

/** Its gateway waits for devices, of which each says why it does not come. */
export async function refuseInsolvent(cast: Cast, oracles: readonly string[], epoch: number) {
  const { wallet, key } = cast.insolvent;
  const escrow = cast.devnet.suite.escrow.connect(wallet);
  const door = await openDemoDoor(cast, oracles, { wallet, key });
  try {
    await (await escrow.setEndpoint(endpointOf(door))).wait();
    const customer: Address = lowercaseHex(wallet.address);
    // The one that is far away has its gateways named.
    const devices = cast.devices.filter((each) => each !== cast.far);
    const refused = await refusedBy({ devices }, customer, epoch);
    if (door.devices().length > 0) throw new Error("a device serves who cannot pay");
    return refused;
  } finally {
    // Or devices would dial it to the end.
    await (await escrow.setEndpoint("")).wait();
    await door.close();
  }
}

/** Once every device refuses this customer. */
export async function refusedBy(
  { devices }: Pick<Cast, "devices">,
  customer: Address,
  epoch: number,
): Promise<RefusedCustomer> {
  const refusals: CustomerStatus[] = [];
  for (const { node } of devices) {
    let found: CustomerStatus | undefined;
    while (found?.refusal === undefined) {
      found = node.customers().find((each) => each.customer === customer);
      await sleep(LOOK_MS);
    }
    refusals.push(found);
  }
  const { refusal = "", message = "" } = refusals[0] ?? {};
  const other = refusals.find((each) => each.refusal !== refusal);
  if (other !== undefined) throw new Error(`one device says ${refusal}, another ${other.refusal}`);
  return { customer, epoch, refusal, message, devices: refusals.length };
}
