/**
 * What a node's answer was instead of an answer. `too-large`: the range or what was found in it; half of it may do. After
 * the others the same may be asked again, later or at another node; `behind`: it does not have the block yet.
 */
export type NodeFaultKind =
  | "rate-limit"
  | "too-large"
  | "timeout"
  | "unreachable"
  | "nonsense"
  | "behind"
  | "disagreement";

export type NodeFault = Error & {
  readonly nodeFault: NodeFaultKind;
  readonly retryAfterMs?: number | undefined;
};

export function isNodeFault(error: unknown): error is NodeFault {
  return error instanceof Error && "nodeFault" in error;
}

export function nodeFault(
  kind: NodeFaultKind,
  message: string,
  options: { readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {},
): NodeFault {
  const { retryAfterMs, cause } = options;
  return Object.assign(new Error(message, { cause }), { nodeFault: kind, retryAfterMs });
}
