import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { folderCid } from "./ipfs-cid.ts";

/** All a visitor could ever download of the pages' own code, in every language. */
const MAX_GZIP_BYTES = 150_000;
const WEB = fileURLToPath(new URL("../../web", import.meta.url));
const COMPRESSED = /\.(js|css|html|svg)$/;

export type BuiltWeb = {
  readonly folder: string;
  readonly gzipBytes: number;
  readonly cid: string;
};

/** Same sources, same bytes: nothing of the machine, the time or the folder is in them. */
export async function buildWeb(folder: string = join(WEB, "dist")): Promise<BuiltWeb> {
  await build({
    configFile: join(WEB, "vite.config.ts"),
    logLevel: "warn",
    build: { outDir: folder, emptyOutDir: true },
  });
  const files = await readFolder(folder);
  const gzipBytes = [...files]
    .filter(([name]) => COMPRESSED.test(name))
    .reduce((sum, [, bytes]) => sum + gzipSync(bytes, { level: 9 }).length, 0);
  if (gzipBytes > MAX_GZIP_BYTES) {
    throw new Error(`the pages are ${gzipBytes} bytes gzipped, more than ${MAX_GZIP_BYTES}`);
  }
  return { folder, gzipBytes, cid: await folderCid(files) };
}

async function readFolder(folder: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const files = new Map<string, Uint8Array>();
  for (const path of paths.sort()) {
    files.set(relative(folder, path).split(sep).join("/"), await readFile(path));
  }
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { folder, gzipBytes, cid } = await buildWeb();
  process.stdout.write(`${folder}: ${(gzipBytes / 1000).toFixed(1)} kB gzipped, ipfs://${cid}\n`);
}
