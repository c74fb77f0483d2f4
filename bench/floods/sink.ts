import { createServer } from "node:net";

/**
 * Where a flood meets nothing: it is read, dropped, and answered after as long as the service took on average. What honest
 * senders wait for meanwhile is the flooder's own share of the cores, and no fault of the service.
 */
export type Sink = { readonly answerMilliseconds: number };

const ANSWER = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
const HEAD_END = Buffer.from("\r\n\r\n");

let answerMilliseconds = 0;

if (import.meta.main) {
  const server = createServer((socket) => {
    /** Of the request that is being read; undefined while its headers are. */
    let missing: number | undefined;
    let head = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (bytes: Buffer) => {
      let rest = bytes;
      while (rest.length > 0) {
        if (missing === undefined) {
          head = Buffer.concat([head, rest]);
          const end = head.indexOf(HEAD_END);
          if (end === -1) return;
          missing = Number(
            /content-length: (\d+)/i.exec(head.toString("latin1", 0, end))?.[1] ?? 0,
          );
          rest = head.subarray(end + HEAD_END.length);
          head = Buffer.alloc(0);
        }
        const own = Math.min(missing, rest.length);
        missing -= own;
        rest = rest.subarray(own);
        if (missing > 0) return;
        missing = undefined;
        setTimeout(() => socket.write(ANSWER), answerMilliseconds);
      }
    });
  });
  process.on("disconnect", () => process.exit());
  process.on("message", (message: Sink) => {
    ({ answerMilliseconds } = message);
    process.send?.("ready");
  });
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as { port: number };
    process.send?.(`http://127.0.0.1:${port}`);
  });
}
