/** Why a page cannot show something: one closed set, each with its own text. Anything else is a fault of ours. */
export const TROUBLES = [
  "rpc-down",
  "rpc-busy",
  "rpc-refused",
  "wrong-rpc",
  "rpc-incomplete",
  "bundle-missing",
  "another-copy",
  "config-missing",
] as const;

/** What a node does not give; what was proven before is proven still. */
const OF_NODES = ["rpc-down", "rpc-busy", "rpc-refused", "rpc-incomplete"] as const;

export type TroubleKind = (typeof TROUBLES)[number];
export type Trouble = Error & { readonly trouble: TroubleKind };

export function trouble(kind: TroubleKind, message: string, cause?: unknown): Trouble {
  return Object.assign(new Error(message, { cause }), { trouble: kind });
}

export function isTrouble(error: unknown, kind?: TroubleKind): error is Trouble {
  return (
    error instanceof Error && "trouble" in error && (kind === undefined || error.trouble === kind)
  );
}

export function isNodesTrouble(error: unknown): error is Trouble {
  return OF_NODES.some((kind) => isTrouble(error, kind));
}
