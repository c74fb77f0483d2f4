import { type ImporterOptions, importer, type WritableStorage } from "ipfs-unixfs-importer";
import { fixedSize } from "ipfs-unixfs-importer/chunker";
import { balanced } from "ipfs-unixfs-importer/layout";

/** What `ipfs add --cid-version=1 -r` does: raw leaves of 256 KiB, up to 174 links in a node. */
const AS_IPFS_ADD: ImporterOptions = {
  cidVersion: 1,
  rawLeaves: true,
  wrapWithDirectory: true,
  chunker: fixedSize({ chunkSize: 262_144 }),
  layout: balanced({ maxChildrenPerNode: 174 }),
};
/** Only the address is wanted. */
const NOWHERE: WritableStorage = { put: async (cid) => cid };

/** The CID of a folder; `files` by their path in it, with slashes. */
export async function folderCid(files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const source = [...files].map(([path, content]) => ({ path, content }));
  let root = "";
  // The folder itself comes last.
  for await (const { cid } of importer(source, NOWHERE, AS_IPFS_ADD)) root = cid.toString();
  return root;
}
