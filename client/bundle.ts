import { toHex } from "@link-rewards/core/encoding/bytes";
import type { PublishedBundle } from "@link-rewards/core/epoch/bundle";
import {
  DATA_FILES,
  type DataFile,
  type FileEntry,
  MANIFEST_FILE,
  type Sha256,
} from "@link-rewards/core/epoch/manifest";
import type { RangeReader } from "@link-rewards/core/judge/proof";

/** The manifest and every file of a bundle, as somebody publishes them: for a check that trusts none of them. */
export async function readBundle(
  read: (file: string) => Promise<Uint8Array>,
): Promise<PublishedBundle> {
  const manifest = await read(MANIFEST_FILE);
  const files = new Map<DataFile, Uint8Array>();
  for (const name of DATA_FILES) files.set(name, await read(name));
  return { manifest, files };
}

/** What says that a file is another than the manifest has it; undefined when it is that. It says nothing about the report. */
export function amissInFile(
  bytes: Uint8Array,
  signed: FileEntry,
  sha256: Sha256,
): string | undefined {
  if (bytes.length !== signed.bytes) return `has ${bytes.length} bytes, signed are ${signed.bytes}`;
  const hash = toHex(sha256(bytes));
  return hash === signed.sha256 ? undefined : `has the hash ${hash}, signed is ${signed.sha256}`;
}

/** The bytes of the range that was asked for: a server without ranges answers 200 with the whole file. */
export function cutRange(
  { status, bytes }: { readonly status: number; readonly bytes: Uint8Array },
  from: number,
  length: number,
): Uint8Array {
  return status === 206 ? bytes : bytes.subarray(from, from + length);
}

/** A range that was read once is not read again: accounts and customers of one epoch share fences and tree nodes. */
export function rememberRanges(read: RangeReader): RangeReader {
  const ranges = new Map<string, Promise<Uint8Array>>();
  return (file, from, length) => {
    const name = `${file} ${from} ${length}`;
    const known = ranges.get(name) ?? read(file, from, length);
    ranges.set(name, known);
    return known;
  };
}
