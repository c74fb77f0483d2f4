import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { Log } from "../log.ts";
import type { KeptFile } from "./peer.ts";

/** Which devices keep which of the customer's contents, as far as the gateway knows. */
export type Places = {
  keepers(root: Hex): readonly Address[];
  keptBy(device: Address): readonly KeptFile[];
  kept(file: KeptFile, device: Address): void;
  /** It does not count on the device for this content any more, and has it copied there no sooner than after a while. */
  lost(root: Hex, device: Address, reason: string): void;
  /** What a connected device says that it keeps. That it does is for challenges to show; that it does not is believed. */
  heard(device: Address, roots: readonly string[]): void;
  /** Who is connected now: a device that has not been for long has lost all it kept. */
  connected(devices: readonly Address[]): void;
  /** How many copies are missing. */
  missing(file: KeptFile): number;
  /** Whether a copy may be put there. */
  mayKeep(root: Hex, device: Address): boolean;
};

export type PlacesParts = {
  readonly files: readonly KeptFile[];
  /** On how many devices each content is to be. */
  readonly replicas: number;
  readonly goneMilliseconds?: number | undefined;
  readonly againMilliseconds?: number | undefined;
  readonly log: Log;
  readonly clock?: () => number;
};

/** Longer than a router takes to start again, or a provider to renew a home's address. */
const GONE_MS = 15 * 60_000;
/** A device that lost a content, or did not take it, is not given it again for so long. */
const AGAIN_MS = 10 * 60_000;

export function openPlaces(parts: PlacesParts): Places {
  const { files, replicas, log } = parts;
  const { goneMilliseconds = GONE_MS, againMilliseconds = AGAIN_MS } = parts;
  const clock = parts.clock ?? (() => performance.now());
  const placesOf = new Map(files.map(({ contentTree }) => [contentTree.root, new Set<Address>()]));
  const barredUntil = new Map<string, number>();
  const seenAt = new Map<Address, number>();

  const keepersOf = (root: Hex) => placesOf.get(root) ?? new Set<Address>();
  const missing = ({ contentTree: { root } }: KeptFile) =>
    Math.max(0, replicas - keepersOf(root).size);
  const mayKeep = (root: Hex, device: Address) =>
    !keepersOf(root).has(device) && clock() >= (barredUntil.get(nameOf(root, device)) ?? 0);

  function lost(root: Hex, device: Address, reason: string): void {
    barredUntil.set(nameOf(root, device), clock() + againMilliseconds);
    if (keepersOf(root).delete(device)) log("warn", "content-lost", { root, device, reason });
  }

  function kept({ contentTree: { root } }: KeptFile, device: Address): void {
    seenAt.set(device, clock());
    keepersOf(root).add(device);
  }

  return {
    keepers: (root) => [...keepersOf(root)],
    keptBy: (device) => files.filter(({ contentTree }) => keepersOf(contentTree.root).has(device)),
    kept,
    lost,
    heard(device, roots) {
      const said = new Set(roots);
      for (const file of files) {
        const { root } = file.contentTree;
        if (!said.has(root) && keepersOf(root).has(device)) lost(root, device, "not kept any more");
        if (said.has(root) && missing(file) > 0 && mayKeep(root, device)) kept(file, device);
      }
    },
    connected(devices) {
      const now = clock();
      for (const device of devices) seenAt.set(device, now);
      for (const [device, at] of seenAt) {
        if (now - at < goneMilliseconds) continue;
        seenAt.delete(device);
        for (const [root, keepers] of placesOf) {
          if (keepers.delete(device)) log("warn", "content-lost", { root, device, reason: "gone" });
        }
      }
    },
    missing,
    mayKeep,
  };
}

function nameOf(root: Hex, device: Address): string {
  return `${device}/${root}`;
}
