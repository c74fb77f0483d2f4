import type { Answer } from "../signed/answers.ts";

/** Epochs are numbered from 1; what is before genesis is epoch 0. All times are unix seconds. */
export type EpochClock = {
  readonly genesis: number;
  readonly epochSeconds: number;
  readonly graceSeconds: number;
};

/**
 * `closesAt`: receipts and vouchers are taken before this, the seal time less a margin for members to copy from each other
 * and to collect.
 */
export type OpenEpoch = Answer<"OpenEpoch">;

export function epochAt(clock: EpochClock, time: number): number {
  return time < clock.genesis ? 0 : Math.floor((time - clock.genesis) / clock.epochSeconds) + 1;
}

export function endOf(clock: EpochClock, epoch: number): number {
  return clock.genesis + epoch * clock.epochSeconds;
}

export function sealTimeOf(clock: EpochClock, epoch: number): number {
  return endOf(clock, epoch) + clock.graceSeconds;
}

/** `now` is the chain's time: a clock that is off must neither open an epoch nor end one. */
export function openEpochs(
  clock: EpochClock,
  now: number,
  marginSeconds: number,
): readonly OpenEpoch[] {
  const current = epochAt(clock, now);
  return [current - 1, current]
    .filter((epoch) => epoch >= 1)
    .map((epoch) => {
      const sealTime = sealTimeOf(clock, epoch);
      return { epoch, endsAt: endOf(clock, epoch), sealTime, closesAt: sealTime - marginSeconds };
    })
    .filter(({ closesAt }) => now < closesAt);
}
