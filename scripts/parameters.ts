import { isHexOf, lowercaseHex, ZERO_ADDRESS } from "@link-rewards/core/encoding/bytes";
import { RULES_HASH } from "@link-rewards/core/epoch/rules";
import { MAX_AMOUNT } from "@link-rewards/core/epoch/value";
import { readDeploymentParameters } from "@nomicfoundation/hardhat-ignition/helpers";
import { z } from "zod";
import type { SuiteParameters } from "./deployment.ts";

export type ParametersFile = Omit<SuiteParameters, "genesis"> & {
  readonly genesis?: number | undefined;
};

const YEAR_SECONDS = 365 * 86_400;
const MAX_THAW_SECONDS = 5 * YEAR_SECONDS;
const MAX_GENESIS = 2 ** 40 - 1;
/** Of LinkToken: how often the whole supply can be earned. */
const TURNOVERS = 32n;
const MAX_FEE_BPS = 5_000;

const text = z.string().min(1).max(64);
const seconds = z.number().int().nonnegative();
const wei = z
  .union([z.bigint(), z.number().int()])
  .transform(BigInt)
  .refine((amount) => amount >= 0n && amount <= MAX_AMOUNT, { message: "must fit into 96 bits" });
const someWei = wei.refine((amount) => amount > 0n, { message: "must be above zero" });
const holder = z
  .string()
  .refine((address) => isHexOf(address, 20) && lowercaseHex(address) !== ZERO_ADDRESS, {
    message: "must be the address of who holds the role, not zero",
  })
  .transform(lowercaseHex);

const FIELDS = z.strictObject({
  tokenName: text,
  tokenSymbol: text,
  initialSupply: someWei.refine((supply) => supply <= MAX_AMOUNT / TURNOVERS, {
    message: "must be at most a 32nd of 96 bits",
  }),
  emissionShare: wei,
  /** Left out, epoch 1 begins with the latest block: for local chains. */
  genesis: seconds.max(MAX_GENESIS, "must fit into 40 bits").optional(),
  epochSeconds: seconds.positive().max(YEAR_SECONDS, "must not be longer than a year"),
  /** Above zero: members collect in the grace, when nothing that is owed for the epoch grows any more. */
  graceSeconds: seconds.positive(),
  proposalTimeoutSeconds: seconds.positive(),
  windowSeconds: seconds.positive(),
  thawSeconds: seconds.positive().max(MAX_THAW_SECONDS, "must be at most five years"),
  /** Above zero: a member without a bond could not be ejected for equivocation. */
  minimumBond: someWei,
  answerSeconds: seconds.positive(),
  /** At least twice what it takes to send an answer, so that a flood of demands can be answered. */
  spacingSeconds: seconds.positive(),
  /** Of the chain's coin. */
  demandBond: someWei,
  /** Left out, the rules that this checkout computes by. */
  rulesHash: z
    .string()
    .refine((hash) => isHexOf(hash, 32) && BigInt(hash) !== 0n, {
      message: "must be 32 bytes of hex, not zero",
    })
    .transform(lowercaseHex)
    .default(RULES_HASH),
  egressPrice: wei,
  storagePrice: wei,
  computePrice: wei,
  feeBps: z.number().int().nonnegative().max(MAX_FEE_BPS, "must be at most 5,000"),
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
)
  .refine(
    ({ epochSeconds, graceSeconds, thawSeconds }) => thawSeconds >= 2 * epochSeconds + graceSeconds,
    { message: "thawSeconds must be at least two epochs and the grace" },
  )
  .refine(({ answerSeconds, windowSeconds }) => windowSeconds >= 4 * answerSeconds, {
    message: "windowSeconds must be at least four times answerSeconds",
  })
  .refine(({ answerSeconds, spacingSeconds }) => spacingSeconds <= answerSeconds, {
    message: "spacingSeconds must be at most answerSeconds",
  })
  .refine(({ emissionShare, initialSupply }) => emissionShare <= initialSupply, {
    message: "emissionShare must be within the initial supply",
  });

/** The same files serve `hardhat ignition deploy`, which wants every parameter said. */
export async function readParameters(file: string): Promise<ParametersFile> {
  const { LinkRewards } = await readDeploymentParameters(file);
  const parsed = PARAMETERS.safeParse(LinkRewards);
  if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
