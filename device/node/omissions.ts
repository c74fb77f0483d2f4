import { rememberRanges } from "@link-rewards/client/bundle";
import { type Address, ZERO_ADDRESS, ZERO_HASH } from "@link-rewards/core/encoding/bytes";
import { findOmission } from "@link-rewards/core/judge/omission";
import type { KeptWord } from "@link-rewards/core/signed/kept-word";
import type { SignedReceipt } from "@link-rewards/core/signed/receipt";
import type { DeviceKey } from "@link-rewards/host/keys";
import type { Reported } from "../chain.ts";
import type { Log } from "../log.ts";
import { webRanges } from "./bundle-ranges.ts";
import { lookAgain } from "./look-again.ts";
import type { Words } from "./words.ts";

/** A lawful receipt that a member gave its word for, and that the final report of its epoch does not have. */
export type LeftOut = {
  readonly epoch: number;
  readonly customer: Address;
  readonly sequence: number;
  readonly member: Address;
};

export type OmissionParts = {
  readonly words: Words;
  readonly chain: Reported;
  /** Where the bundles are published: the oracles themselves, or any mirrors. The next is read when one has no good copy. */
  readonly bundlesUrls: readonly string[];
  readonly key: Pick<DeviceKey, "address" | "publicKey">;
  readonly everyMilliseconds: number;
  readonly log: Log;
};

export type OmissionWatch = {
  /** Found since the device was started. */
  found(): readonly LeftOut[];
  /** Looks now. */
  look(): Promise<void>;
  close(): Promise<void>;
};

/**
 * Looks whether the receipts that members gave their word for are in the epochs that became final. Words that were kept
 * are dropped once another epoch is final after theirs; of an epoch with one that was broken all stay: they are the proof.
 */
export function watchOmissions(parts: OmissionParts): OmissionWatch {
  const { words, chain, everyMilliseconds, log } = parts;
  const found: LeftOut[] = [];
  const kept = new Set<number>();
  const broken = new Set<number>();

  async function lookOnce(): Promise<void> {
    const lastFinal = await chain.lastFinalEpoch();
    const due = words.epochs().filter((epoch) => epoch <= lastFinal && !broken.has(epoch));
    for (const epoch of due) {
      // Files that cannot be had are of one epoch: the others are looked at all the same.
      await lookAt(epoch).catch((error) =>
        log("warn", "words-not-checked", { epoch, error: String(error) }),
      );
      // With another one upon it, no reorg makes this one open again.
      if (kept.has(epoch) && epoch < lastFinal) await words.forget(epoch);
    }
  }

  async function lookAt(epoch: number): Promise<void> {
    if (kept.has(epoch)) return;
    const leftOut = await leftOutOf(parts, epoch);
    (leftOut.length === 0 ? kept : broken).add(epoch);
    for (const each of leftOut) log("warn", "receipt-left-out", each);
    found.push(...leftOut);
  }

  const looking = lookAgain({
    lookOnce,
    pause: () => everyMilliseconds,
    failed: (error) => log("warn", "words-not-checked", { error: String(error) }),
  });
  looking.begin();
  return { found: () => found, look: looking.look, close: looking.close };
}

async function leftOutOf(parts: OmissionParts, epoch: number): Promise<readonly LeftOut[]> {
  const { words, chain, key } = parts;
  const account = await chain.ownerAt(key.address, epoch);
  // What it served earns nothing, and nobody has to report it.
  if (account === ZERO_ADDRESS) return [];
  const report = await chain.finalReport(epoch);
  const reads = parts.bundlesUrls.map((url) => rememberRanges(webRanges(url, epoch)));
  const indexes = new Map<Address, Promise<number>>();
  const indexOf = (of: Address) => {
    const index = indexes.get(of) ?? chain.indexOf(of);
    indexes.set(of, index);
    return index;
  };
  const { publicKey } = key;
  /** In the first copy that leads to the root of the report: any other is a bad copy, and says nothing of the members. */
  async function search(signed: SignedReceipt) {
    const causes: unknown[] = [];
    for (const read of reads) {
      try {
        const found = await findOmission(read, report, signed, { account, publicKey, indexOf });
        if (!("unproven" in found)) return found;
      } catch (error) {
        causes.push(error);
      }
    }
    const places = parts.bundlesUrls.join(" and ");
    const message = `no files of epoch ${epoch} that lead to its root are at ${places}`;
    throw new AggregateError(causes, message);
  }
  const leftOut: LeftOut[] = [];
  for (const word of words.of(epoch)) {
    const searched = await search(word.signed);
    if ("sequence" in searched) continue;
    // A receipt that is not lawful is left out rightly: the judge knows.
    const digest = await chain.omitted(report, searched.omission);
    if (digest !== ZERO_HASH) leftOut.push(aboutWord(word));
  }
  return leftOut;
}

function aboutWord({ signed, member }: KeptWord): LeftOut {
  const { epoch, customer, sequence } = signed.receipt;
  return { epoch, customer, sequence, member };
}
