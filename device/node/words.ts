import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import {
  type KeptWord,
  keptWordsToJson,
  parseKeptWords,
} from "@link-rewards/core/signed/kept-word";
import type { Envelope } from "@link-rewards/core/signed/submission";
import { openStateFile, type StateFile } from "../state.ts";

/** What oracle members promised: the newest word of each for each customer, in a file for each epoch. */
export type Words = {
  /** Resolves when it is on the disk. */
  keep(word: KeptWord): Promise<void>;
  /** The epochs of which there are words, the first one first. */
  epochs(): readonly number[];
  of(epoch: number): readonly KeptWord[];
  /** Drops all words of an epoch. */
  forget(epoch: number): Promise<void>;
};

export type WordLimits = {
  /** The oldest go where nobody looks whether they were kept, as without an RPC node. */
  readonly epochs: number;
  /** Of an epoch. What came last stays. */
  readonly words: number;
};

/** A word takes 1.5 KB. */
const LIMITS: WordLimits = { epochs: 64, words: 10_000 };

type Page = Map<string, KeptWord>;

/** One process at a time, as with the book. */
export async function openWords(
  folder: string,
  envelope: Envelope,
  limits = LIMITS,
): Promise<Words> {
  const pages = new Map<number, StateFile<Page>>();
  const pathOf = (epoch: number) => join(folder, `${epoch}.json`);

  const open = (epoch: number) =>
    openStateFile<Page>(pathOf(epoch), {
      initial: () => new Map(),
      parse: (json) => {
        const words = parseKeptWords(json, envelope);
        if (isRefused(words)) throw new Error(words.message);
        return new Map(words.map((word) => [nameOf(word), word]));
      },
      toJson: (page) => keptWordsToJson(envelope, [...page.values()]),
    });

  const epochs = () => [...pages.keys()].sort((a, b) => a - b);

  async function forget(epoch: number): Promise<void> {
    if (!pages.delete(epoch)) return;
    await rm(pathOf(epoch), { force: true });
  }

  async function keepOne(word: KeptWord): Promise<void> {
    const { epoch } = word.signed.receipt;
    const page = pages.get(epoch) ?? (await open(epoch));
    pages.set(epoch, page);
    put(page.value, word, limits.words);
    await page.save();
    for (const old of epochs().slice(0, -limits.epochs)) await forget(old);
  }

  for (const epoch of await epochsIn(folder)) pages.set(epoch, await open(epoch));
  let last: Promise<void> = Promise.resolve();
  return {
    epochs,
    forget,
    of: (epoch) => [...(pages.get(epoch)?.value.values() ?? [])],
    keep(word) {
      // One after the other: two that begin an epoch at once would each begin its file.
      const kept = last.then(() => keepOne(word));
      last = kept.catch(() => undefined);
      return kept;
    },
  };
}

function nameOf({ signed, member }: KeptWord): string {
  return `${signed.receipt.customer}${member}`;
}

/** The newest last, so that the first is the one to drop. */
function put(page: Page, word: KeptWord, most: number): void {
  const name = nameOf(word);
  const before = page.get(name);
  if (before !== undefined && before.signed.receipt.sequence > word.signed.receipt.sequence) return;
  page.delete(name);
  page.set(name, word);
  for (const oldest of [...page.keys()].slice(0, -most)) page.delete(oldest);
}

async function epochsIn(folder: string): Promise<readonly number[]> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return [];
    throw new Error(`cannot read ${folder}`, { cause });
  });
  return names
    .filter((name) => /^[0-9]+\.json$/.test(name))
    .map((name) => Number.parseInt(name, 10));
}
