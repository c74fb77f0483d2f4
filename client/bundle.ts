import { isRefused } from "@link-rewards/core/encoding/refusal";
import type { PublishedBundle } from "@link-rewards/core/epoch/bundle";
import { type DataFile, MANIFEST_FILE, parseManifest } from "@link-rewards/core/epoch/manifest";

/** The manifest and every file it names, as somebody publishes them: for a check that trusts none of them. */
export async function readBundle(
  read: (file: string) => Promise<Uint8Array>,
): Promise<PublishedBundle> {
  const manifest = await read(MANIFEST_FILE);
  const parsed = parseManifest(manifest);
  const names = isRefused(parsed) ? [] : (Object.keys(parsed.files) as DataFile[]);
  const files = new Map<DataFile, Uint8Array>();
  for (const name of names) files.set(name, await read(name));
  return { manifest, files };
}

/** The bytes of the range that was asked for: a server without ranges answers 200 with the whole file. */
export function cutRange(
  { status, bytes }: { readonly status: number; readonly bytes: Uint8Array },
  from: number,
  length: number,
): Uint8Array {
  return status === 206 ? bytes : bytes.subarray(from, from + length);
}
