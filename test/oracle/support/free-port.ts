import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** For servers that others must know the address of before they listen. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
