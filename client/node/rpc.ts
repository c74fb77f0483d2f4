/** One call of JSON-RPC 2.0, as ethers and nodes have it. */
export type RpcQuestion = {
  readonly jsonrpc: "2.0";
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
};

/** What a node answered: a result, or its refusal. */
export type RpcAnswer =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly error: {
        readonly code: number;
        readonly message?: string;
        readonly data?: unknown;
      };
    };
