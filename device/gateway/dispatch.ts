import type { Address } from "@link-rewards/core/encoding/bytes";
import { CHUNK_BYTES } from "../content.ts";

/** What was measured of one device, in milliseconds of a clock that only runs forward. Nothing that it said is in here. */
export type Measured = {
  /** From asking to the first whole chunk, with nothing else asked of it. */
  readonly answer: number;
  /** How much later that is for each other request under way there. */
  readonly service: number;
  /** Of a byte, once the first chunk is there. */
  readonly perByte: number;
  /** When the last sample came. */
  readonly at: number;
  /** Since it answered last as it should. */
  readonly failures: number;
  readonly avoidedUntil: number;
};

/** How one request went: what is undefined was not seen. */
export type Sample = {
  readonly answer: number;
  /** Other requests under way there when it was asked. */
  readonly load: number;
  readonly perByte: number | undefined;
};

/** Of a sample: quick enough that a device which gets slow loses its place after a few answers. */
const WEIGHT = 1 / 4;
/**
 * What was measured fades to what the link alone tells, by half in this time. So a device that was slow once is tried again,
 * seldomer the slower it was, and costs one late answer each time.
 */
const HALF_LIFE_MS = 15_000;
/** Who broke off or answered wrong comes last for so long, twice as long after each further time. */
const FIRST_AVOIDED_MS = 5_000;
const LONGEST_AVOIDED_MS = 600_000;

/**
 * When the last of so many bytes is expected from a device at which `load` requests are under way. One of which nothing is
 * known, or not for long, is taken for as good as its link, but by one request at a time: each under way there counts full.
 */
export function expectedMs(
  measured: Measured | undefined,
  { roundTrip, load, bytes, now }: { roundTrip: number; load: number; bytes: number; now: number },
): number {
  const { answer, service, perByte } = faded(measured, roundTrip, now);
  return answer + load * service + perByte * Math.max(0, bytes - CHUNK_BYTES);
}

export function afterAnswer(
  measured: Measured | undefined,
  sample: Sample,
  { roundTrip, now }: { roundTrip: number; now: number },
): Measured {
  const before = faded(measured, roundTrip, now);
  // The longer ago the others came, the more the new one counts.
  const weight = 1 - (1 - WEIGHT) * kept(measured, now);
  // By their logarithms: one answer that came a hundred times too late is no reason to leave the nearest for a minute.
  const moved = (from: number, to: number) =>
    Math.expm1(Math.log1p(from) + weight * (Math.log1p(to) - Math.log1p(from)));
  const isAlone = sample.load === 0;
  const late = Math.max(0, sample.answer - before.answer) / Math.max(1, sample.load);
  return {
    answer:
      isAlone || sample.answer < before.answer
        ? moved(before.answer, sample.answer)
        : before.answer,
    service: isAlone ? before.service : moved(before.service, late),
    perByte: sample.perByte === undefined ? before.perByte : moved(before.perByte, sample.perByte),
    at: now,
    failures: 0,
    avoidedUntil: 0,
  };
}

export function afterFailure(
  measured: Measured | undefined,
  { roundTrip, now }: { roundTrip: number; now: number },
): Measured {
  const failures = (measured?.failures ?? 0) + 1;
  const avoided = Math.min(FIRST_AVOIDED_MS * 2 ** (failures - 1), LONGEST_AVOIDED_MS);
  return { ...faded(measured, roundTrip, now), at: now, failures, avoidedUntil: now + avoided };
}

/** How much of what was measured still counts, from 1 to 0. */
function kept(measured: Measured | undefined, now: number): number {
  return measured === undefined ? 0 : 2 ** ((measured.at - now) / HALF_LIFE_MS);
}

function faded(measured: Measured | undefined, roundTrip: number, now: number) {
  const share = kept(measured, now);
  const toward = (end: number, value: number) => end + share * (value - end);
  return {
    answer: toward(roundTrip, measured?.answer ?? roundTrip),
    // While one is under way to find out, the next is expected to take what was measured.
    service: toward(measured?.answer ?? roundTrip, measured?.service ?? roundTrip),
    perByte: toward(0, measured?.perByte ?? 0),
  };
}

/** A request under way. */
export type Asked = {
  chunkCame(bytes: number): void;
  /** All that was asked for is here. */
  answered(): void;
  /** It broke off, stalled, refused or answered wrong: for a while the device comes last. */
  failed(): void;
  /** It came to nothing for which the device cannot be blamed. */
  dropped(): void;
};

/** A device as far as it is ranked. */
export type Ranked = { readonly device: Address; roundTrip(): number };

export type Dispatch = {
  /** The quickest first; those that failed a while ago are apart. */
  rank<T extends Ranked>(
    devices: readonly T[],
    bytes: number,
  ): { readonly ready: readonly T[]; readonly avoided: readonly T[] };
  ask(device: Ranked): Asked;
};

export function openDispatch(clock: () => number = () => performance.now()): Dispatch {
  const measuredOf = new Map<Address, Measured>();
  const loadOf = new Map<Address, number>();
  const load = (device: Address) => loadOf.get(device) ?? 0;

  return {
    rank(devices, bytes) {
      const now = clock();
      const sorted = devices
        .map((each) => {
          const measured = measuredOf.get(each.device);
          const circumstances = {
            ...{ roundTrip: each.roundTrip(), load: load(each.device) },
            ...{ bytes, now },
          };
          const isAvoided = measured !== undefined && now < measured.avoidedUntil;
          return { each, isAvoided, expected: expectedMs(measured, circumstances) };
        })
        .sort((a, b) => a.expected - b.expected);
      const of = (isAvoided: boolean) =>
        sorted.filter((one) => one.isAvoided === isAvoided).map(({ each }) => each);
      return { ready: of(false), avoided: of(true) };
    },
    ask({ device, roundTrip }) {
      const before = load(device);
      const askedAt = clock();
      let first: number | undefined;
      let more = 0;
      let isOver = false;
      loadOf.set(device, before + 1);
      const end = (change: (now: number) => Measured | undefined) => {
        if (isOver) return;
        isOver = true;
        if (load(device) > 1) loadOf.set(device, load(device) - 1);
        else loadOf.delete(device);
        const measured = change(clock());
        if (measured !== undefined) measuredOf.set(device, measured);
      };
      return {
        chunkCame(bytes) {
          if (first === undefined) first = clock();
          else more += bytes;
        },
        answered: () =>
          end((now) => {
            if (first === undefined) return undefined;
            const perByte = more === 0 ? undefined : (now - first) / more;
            const sample = { answer: first - askedAt, load: before, perByte };
            return afterAnswer(measuredOf.get(device), sample, { roundTrip: roundTrip(), now });
          }),
        failed: () =>
          end((now) => afterFailure(measuredOf.get(device), { roundTrip: roundTrip(), now })),
        dropped: () => end(() => undefined),
      };
    },
  };
}
