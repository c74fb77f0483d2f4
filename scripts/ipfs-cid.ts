import { createHash } from "node:crypto";

/**
 * The CIDv1 that `ipfs add --cid-version=1 -r` gives a folder: raw leaves of 256 KiB, balanced by up to 174 links,
 * directories as dag-pb.
 */
const CHUNK_BYTES = 262_144;
const MAX_LINKS = 174;
const RAW = 0x55;
const DAG_PB = 0x70;
const SHA2_256 = 0x12;
const DIRECTORY = 1;
const FILE = 2;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

type Node = {
  readonly cid: Uint8Array;
  /** Of the content below it. */
  readonly bytes: number;
  /** Of the content and all blocks around it. */
  readonly size: number;
};

type Folder = Map<string, Folder | Uint8Array>;

/** `files` by their path in the folder, with slashes. */
export function folderCid(files: ReadonlyMap<string, Uint8Array>): string {
  const root: Folder = new Map();
  for (const [path, bytes] of files) place(root, path.split("/"), bytes);
  return `b${base32(directoryNode(root).cid)}`;
}

function place(folder: Folder, [name = "", ...rest]: readonly string[], bytes: Uint8Array): void {
  if (rest.length === 0) {
    folder.set(name, bytes);
    return;
  }
  const inner = folder.get(name) ?? new Map();
  folder.set(name, inner);
  place(inner as Folder, rest, bytes);
}

function directoryNode(folder: Folder): Node {
  const links = [...folder]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([name, entry]) => ({
      name,
      node: entry instanceof Map ? directoryNode(entry) : fileNode(entry),
    }));
  return dagPb(links, field(1, DIRECTORY), 0);
}

function fileNode(bytes: Uint8Array): Node {
  let nodes: Node[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += CHUNK_BYTES) {
    const chunk = bytes.subarray(at, at + CHUNK_BYTES);
    nodes.push({ cid: cidOf(RAW, chunk), bytes: chunk.length, size: chunk.length });
  }
  while (nodes.length > 1) {
    const level: Node[] = [];
    for (let at = 0; at < nodes.length; at += MAX_LINKS) {
      level.push(joinNodes(nodes.slice(at, at + MAX_LINKS)));
    }
    nodes = level;
  }
  return nodes[0] as Node;
}

function joinNodes(nodes: readonly Node[]): Node {
  const total = nodes.reduce((sum, { bytes }) => sum + bytes, 0);
  const sizes = nodes.map(({ bytes }) => field(4, bytes));
  const data = Buffer.concat([field(1, FILE), field(3, total), ...sizes]);
  return dagPb(
    nodes.map((node) => ({ name: "", node })),
    data,
    total,
  );
}

/** In dag-pb the links come before the data. */
function dagPb(
  links: readonly { readonly name: string; readonly node: Node }[],
  data: Uint8Array,
  bytes: number,
): Node {
  const encoded = links.map(({ name, node }) =>
    block(2, Buffer.concat([block(1, node.cid), block(2, Buffer.from(name)), field(3, node.size)])),
  );
  const whole = Buffer.concat([...encoded, block(1, data)]);
  const size = whole.length + links.reduce((sum, { node }) => sum + node.size, 0);
  return { cid: cidOf(DAG_PB, whole), bytes, size };
}

function cidOf(codec: number, bytes: Uint8Array): Uint8Array {
  const hash = createHash("sha256").update(bytes).digest();
  return Buffer.concat([Uint8Array.of(1, codec, SHA2_256, hash.length), hash]);
}

/** Protocol buffers: a number, and a run of bytes. */
function field(tag: number, value: number): Uint8Array {
  return Buffer.concat([varint(tag << 3), varint(value)]);
}

function block(tag: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint((tag << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Uint8Array.from([...bytes, rest]);
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(value >>> bits) & 31];
      value &= (1 << bits) - 1;
    }
  }
  return bits > 0 ? text + BASE32[(value << (5 - bits)) & 31] : text;
}
