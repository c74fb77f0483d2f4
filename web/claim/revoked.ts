import type { RevokedDevice } from "@link-rewards/client/why";
import { type Address, type Hex, lowercaseHex } from "@link-rewards/core/encoding/bytes";
import { type Chain, type ChainLog, eventTopic, lawEvent } from "../sources/chain.ts";

/** Those of the account, out of all revocations in `logs`: there are few, so the account's devices are asked for only then. */
export async function revokedOf(
  chain: Chain,
  logs: readonly ChainLog[],
  account: Address,
): Promise<readonly RevokedDevice[]> {
  const revocations = logs
    .map(lawEvent)
    .filter((event) => event?.name === "DeviceRevoked")
    .map(({ args }) => args);
  if (revocations.length === 0) return [];
  const topic = `0x${account.slice(2).padStart(64, "0")}` as Hex;
  const joined = await Promise.all([
    chain.logs(["DeviceRegistry"], [eventTopic("DeviceRegistry", "DeviceBound"), null, topic]),
    chain.logs(
      ["DeviceRegistry"],
      [eventTopic("DeviceRegistry", "DeviceTransferred"), null, null, topic],
    ),
  ]);
  const devices = new Set(
    joined
      .flat()
      .map(lawEvent)
      .map((event) => event !== undefined && "device" in event.args && event.args.device),
  );
  const found = revocations.filter(({ device }) => devices.has(device));
  const owners = await Promise.all(
    found.map(({ device }) =>
      chain.read<{ account: string }>("DeviceRegistry", "deviceOf", device),
    ),
  );
  // A device that was passed on before is the next account's to hear of.
  return found.filter((_, i) => lowercaseHex(owners[i]?.account ?? "") === account);
}
