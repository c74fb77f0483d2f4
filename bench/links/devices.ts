import { once } from "node:events";
import { createServer } from "node:http2";
import { connect, type TLSSocket } from "node:tls";
import { signerOf } from "@link-rewards/host/keys";
import { LINK_TLS } from "../../device/link/proof.ts";
import { dial } from "../../device/node/dial.ts";
import { keyOf } from "../world.ts";
import { CUSTOMER, DOMAIN, EPOCH } from "./world.ts";

/** Many devices in one process, each with a connection of its own that has nothing to do. Told what to dial by `fork`. */
const [kind, port, count] = process.argv.slice(2).map(String);
/** Fewer than a gateway greets of one network at once. */
const AT_ONCE = 16;

const server = createServer();
const held: TLSSocket[] = [];
const { signal } = new AbortController();

async function open(i: number): Promise<TLSSocket> {
  if (kind === "tls") {
    const at = { host: "127.0.0.1", port: Number(port), rejectUnauthorized: false };
    const socket = connect({ ...LINK_TLS, ...at });
    await once(socket, "secureConnect");
    return socket;
  }
  const signer = signerOf(keyOf(`device ${i}`));
  const end = {
    key: signer,
    domain: DOMAIN,
    customer: CUSTOMER,
    epoch: async () => EPOCH,
    judge: async () => undefined,
  };
  const socket = await dial({ url: `https://127.0.0.1:${port}`, end, allowPrivate: true, signal });
  server.emit("connection", socket);
  return socket;
}

for (let from = 0; from < Number(count); from += AT_ONCE) {
  const some = Array.from({ length: Math.min(AT_ONCE, Number(count) - from) }, (_, i) => from + i);
  held.push(...(await Promise.all(some.map(open))));
}
process.send?.(held.length);
