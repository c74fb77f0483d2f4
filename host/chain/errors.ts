import { isNodeFault } from "@link-rewards/client/node/node-fault";
import { isSendRefusal, refusalOf, type SendRefusal } from "@link-rewards/client/node/refusals";
import { Interface, isError, isHexString } from "ethers";
import { ARTIFACTS } from "./suite.ts";

/** What a contract answered with a revert, in one line; undefined when the error is another one. */
export function revertReason(error: unknown): string | undefined {
  if (!isError(error, "CALL_EXCEPTION")) return revertAtSending(error);
  const parsed = error.revert ?? (error.data ? parseRevert(error.data) : undefined);
  if (parsed) return textOf(parsed);
  // For ethers every call that fails was a revert, also when the node could not make it.
  const words = nodesWords(error);
  if (words !== undefined && !/revert/i.test(words)) return undefined;
  return error.reason ?? error.shortMessage;
}

/** A node that runs a transaction before it takes it, or at once, answers its sending as it answers a call. */
function revertAtSending(error: unknown): string | undefined {
  const { message = "", data } = nodesError(error) ?? {};
  if (!/revert/i.test(message)) return undefined;
  // Nodes differ in where they put what a contract said.
  const bytes = typeof data === "string" ? data : Object(data).data;
  const parsed = isHexString(bytes) ? parseRevert(bytes) : undefined;
  return parsed ? textOf(parsed) : message;
}

/** One line. A node's own words are in the middle of what ethers says around them, which has the RPC URL in it. */
export function reasonOf(error: unknown): string {
  const { shortMessage, message } = Object(error) as { shortMessage?: string; message?: string };
  const reason =
    revertReason(error) ?? nodesWords(error) ?? shortMessage ?? message ?? String(error);
  return reason.replaceAll(/\s*\n\s*/g, " ");
}

type NodesAnswer = { readonly code?: unknown; readonly message?: string; readonly data?: unknown };

/** The error as the node gave it; undefined when it is none of a node's. */
export function nodesError(error: unknown): NodesAnswer | undefined {
  const { error: answer, info } = Object(error) as {
    error?: NodesAnswer;
    info?: { error?: NodesAnswer };
  };
  return answer ?? info?.error;
}

function nodesWords(error: unknown): string | undefined {
  return nodesError(error)?.message;
}

/** Undefined when the error says nothing about the transaction, as one of the connection. */
export function sendRefusalOf(error: unknown): SendRefusal | undefined {
  const refusal = refusalOf("eth_sendRawTransaction", nodesError(error) ?? {});
  return isSendRefusal(refusal) ? refusal : undefined;
}

/** The node has thrown away the state of the block that was asked about. */
export function isPruned(error: unknown): boolean {
  if (isNodeFault(error)) return false;
  return refusalOf("", nodesError(error) ?? { message: reasonOf(error) }) === "pruned";
}

const ALL_ERRORS = new Interface(
  Object.values(ARTIFACTS).flatMap(({ abi }) =>
    (abi as { type: string; name?: string; inputs?: unknown }[]).filter(
      (item) => item.type === "error",
    ),
  ) as unknown as string[],
);

function parseRevert(data: string) {
  const parsed = ALL_ERRORS.parseError(data);
  return parsed === null ? undefined : { name: parsed.name, args: parsed.args };
}

function textOf({ name, args }: { readonly name: string; readonly args: Iterable<unknown> }) {
  return `${name}(${[...args].map(String).join(", ")})`;
}
