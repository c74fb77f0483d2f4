import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

export const MIRROR_MANNERS = {
  true: "gives what the member published",
  cut: "gives the first half of each file",
  altered: "changes a byte in the middle of each file",
  page: "answers with an HTML page and status 200",
  newline: "has a newline after each manifest",
} as const;
export type MirrorManner = keyof typeof MIRROR_MANNERS;

/** A host of bundles that is no member's: it serves a copy of a folder, as well as it can. */
export type Mirror = {
  readonly url: string;
  behave(manner: MirrorManner): void;
  close(): Promise<void>;
};

export async function startMirror(folder: () => string): Promise<Mirror> {
  let manner: MirrorManner = "true";
  const server = createServer(async (request, response) => {
    const name = new URL(request.url ?? "/", "http://mirror").pathname;
    try {
      const file = await readFile(join(folder(), name));
      const asked = rangeIn(request.headers.range);
      const whole = spoil(manner, name, file);
      if (asked === undefined) return void response.end(whole);
      const [from, to] = asked;
      response.writeHead(206, { "content-range": `bytes ${from}-${to}/${whole.length}` });
      response.end(whole.subarray(from, to + 1));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    behave(next) {
      manner = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function rangeIn(header: string | undefined): readonly [number, number] | undefined {
  const found = /^bytes=(\d+)-(\d+)$/.exec(header ?? "");
  return found === null ? undefined : [Number(found[1]), Number(found[2])];
}

function spoil(manner: MirrorManner, name: string, file: Buffer): Buffer {
  switch (manner) {
    case "true":
      return file;
    case "cut":
      return file.subarray(0, file.length >> 1);
    case "altered": {
      const middle = file.length >> 1;
      if (file.length > 0) file[middle] = (file[middle] ?? 0) ^ 1;
      return file;
    }
    case "page":
      return Buffer.from("<!doctype html><title>Sign in</title><h1>Sign in to go on</h1>\n");
    case "newline":
      return name.endsWith("manifest.json") ? Buffer.concat([file, Buffer.from("\n")]) : file;
  }
}
