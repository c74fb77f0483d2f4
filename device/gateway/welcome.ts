import type { Address } from "@link-rewards/core/encoding/bytes";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import type { DigestSigner } from "@link-rewards/host/keys";
import type { Chain } from "../chain.ts";
import { type Log, silent } from "../log.ts";
import { viewEpochs } from "../oracle-client.ts";
import { connectOracles } from "../oracles.ts";
import { rememberFor } from "../remember.ts";
import { type Door, type DoorParts, openDoor } from "./door.ts";

export type WelcomeOptions = Partial<Pick<DoorParts, "host" | "port" | "pingMilliseconds">> & {
  readonly customer: Address;
  /** One of the customer's keys. */
  readonly key: DigestSigner;
  readonly chainId: number;
  readonly registry: Address;
  /** URLs of oracles: they say which epoch it is. */
  readonly oracles: readonly string[];
  readonly chain: Pick<Chain, "isEarningAt">;
  readonly epochMaxAgeMilliseconds?: number;
  readonly log?: Log;
};

const EPOCH_MAX_AGE_MS = 1_000;
/** Who dials again and again asks the chain no more often. */
const EARNING_MS = 30_000;

/** A door for the devices that earn for somebody: what others deliver would be paid for nobody. */
export function welcomeDevices(options: WelcomeOptions): Promise<Door> {
  const { customer, key, chainId, registry, log = silent } = options;
  const oracles = connectOracles({ urls: options.oracles, chainId, registry });
  const epochs = viewEpochs(oracles, options.epochMaxAgeMilliseconds ?? EPOCH_MAX_AGE_MS);
  const isEarning = rememberFor(
    EARNING_MS,
    (device, epoch) => `${device} ${epoch}`,
    options.chain.isEarningAt,
  );
  return openDoor({
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 0,
    ...(options.pingMilliseconds && { pingMilliseconds: options.pingMilliseconds }),
    log,
    end: {
      key,
      customer,
      domain: domainSeparator(chainId, registry),
      epoch: epochs.current,
      async judge(device, epoch) {
        if (await isEarning(device, epoch)) return undefined;
        const message = `the device earns for nobody in epoch ${epoch}`;
        return { refusal: "device-unbound", message };
      },
    },
  });
}
