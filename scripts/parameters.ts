import { isHexOf, lowercaseHex, ZERO_ADDRESS } from "@link-rewards/core/encoding/bytes";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { readDeploymentParameters } from "@nomicfoundation/hardhat-ignition/helpers";
import { z } from "zod";
import type { SuiteParameters } from "./deployment.ts";

export type ParametersFile = Omit<SuiteParameters, "genesis"> & {
  readonly genesis?: number | undefined;
};

const seconds = z.number().int().nonnegative();
const wei = z.union([z.bigint(), z.number().int()]).transform(BigInt);
const holder = z
  .string()
  .refine((text) => isHexOf(text, 20) && lowercaseHex(text) !== ZERO_ADDRESS, {
    message: "must be the address of who holds the role, not zero",
  })
  .transform(lowercaseHex);

const FIELDS = z.strictObject({
  /** Left out, epoch 1 begins with the latest block: for local chains. */
  genesis: seconds.optional(),
  epochSeconds: seconds.positive(),
  graceSeconds: seconds,
  proposalTimeoutSeconds: seconds.positive(),
  windowSeconds: seconds.positive(),
  thawSeconds: seconds.positive(),
  /** Above zero: a member without a bond could not be ejected for equivocation. */
  minimumBond: wei.refine((amount) => amount > 0n, { message: "must be above zero" }),
  emissionShare: wei,
  /** Left out, the rules that this checkout computes by. */
  rulesHash: z
    .string()
    .refine((text) => isHexOf(text, 32), { message: "must be 32 bytes of hex" })
    .transform(lowercaseHex)
    .default(RULES_HASH),
  egressPrice: wei,
  storagePrice: wei,
  computePrice: wei,
  rewardCapBps: seconds,
  governance: holder,
  guardian: holder,
  manufacturer: holder,
  admission: holder,
  treasury: holder,
});

/** What the constructors would refuse, said before the first contract is out. */
const PARAMETERS = FIELDS.refine(
  ({ epochSeconds, graceSeconds, proposalTimeoutSeconds, windowSeconds }) =>
    2 * (graceSeconds + proposalTimeoutSeconds + windowSeconds) < epochSeconds,
  { message: "grace, proposal timeout and window together must be less than half an epoch" },
).refine(
  ({ epochSeconds, graceSeconds, thawSeconds }) => thawSeconds >= 2 * epochSeconds + graceSeconds,
  { message: "thawSeconds must be at least two epochs and the grace" },
);

/** The same files serve `hardhat ignition deploy`, which wants every parameter said. */
export async function readParameters(file: string): Promise<ParametersFile> {
  const { LinkRewards } = await readDeploymentParameters(file);
  const parsed = PARAMETERS.safeParse(LinkRewards);
  if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
