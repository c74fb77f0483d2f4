import { callByCall, type RpcCall, type RpcManner, startRpcProxy } from "../local/rpc-proxy.ts";

/** A node of one member's, or of an outsider's: between it and the chain. */
export type NodeProxy = {
  readonly url: string;
  /** From now on; undefined: truly. */
  behave(manner: RpcManner | undefined): void;
  /** What was sent through it, so that a reorg can bring it back. */
  readonly sent: string[];
  close(): Promise<void>;
};

/** Each hears of a call and may have its connection cut. */
export type NodeListener = {
  /** Before it is answered. */
  onCall(call: RpcCall): Promise<"goes" | "cut">;
  /** When the node has a transaction, before the sender knows. */
  onSent(): Promise<"goes" | "cut">;
};

export async function startNode(
  chainUrl: string,
  { onCall, onSent }: NodeListener,
): Promise<NodeProxy> {
  const proxy = await startRpcProxy(chainUrl);
  const sent: string[] = [];
  let manner: RpcManner | undefined;
  proxy.handle(
    callByCall(async (call, ask) => {
      if ((await onCall(call)) === "cut") throw new Error("cut");
      const said = await (manner?.(call, ask) ?? ask(call));
      if (call.method === "eth_sendRawTransaction" && "result" in said) {
        sent.push(String(call.params[0]));
        if ((await onSent()) === "cut") throw new Error("cut");
      }
      return said;
    }),
  );
  return {
    url: proxy.url,
    sent,
    behave(next) {
      manner = next;
    },
    close: proxy.close,
  };
}
