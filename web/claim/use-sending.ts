import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { useEffect, useRef, useState } from "preact/hooks";
import { forget, keep, readKept } from "../language.ts";
import type { Chain } from "../sources/chain.ts";
import { type Sending, send, waitFor } from "../sources/send.ts";
import { type Call, type Connection, messageOf } from "../sources/wallet.ts";

export type Ask = {
  readonly call: Call;
  readonly isDone: () => Promise<boolean>;
  /** Kept for a reload in the middle of it. */
  readonly resume?: Readonly<Record<string, string>>;
};

export type SendingState = {
  readonly sending: Sending;
  readonly busy: boolean;
  start(connection: Connection, ask: Ask): Promise<void>;
  /** Waits no longer, for what may never come; what was sent is not taken back. */
  stop(): void;
};

type Kept = { readonly hash: Hex; readonly from: Address } & Readonly<Record<string, string>>;

/**
 * One thing at a time that was asked of a wallet. With `name`, what was sent is remembered, and `resumeWith` says how
 * to know that it is done.
 */
export function useSending(
  chain: Chain,
  onDone: () => Promise<void>,
  name?: string,
  resumeWith?: (kept: Kept) => (() => Promise<boolean>) | undefined,
): SendingState {
  const [sending, setSending] = useState<Sending>({ state: "idle" });
  const abort = useRef<AbortController | undefined>(undefined);

  const follow = async (
    work: (tell: (sending: Sending) => void, signal: AbortSignal) => Promise<void>,
    resume?: (hash: Hex) => void,
  ) => {
    abort.current?.abort();
    const controller = new AbortController();
    abort.current = controller;
    const tell = (next: Sending) => {
      if (controller.signal.aborted) return;
      if (next.state === "sent") resume?.(next.hash);
      if (name !== undefined && (next.state === "done" || next.state === "failed")) forget(name);
      setSending(next);
    };
    try {
      await work(tell, controller.signal);
    } catch (error) {
      tell({ state: "failed", message: messageOf(error) });
    }
    if (!controller.signal.aborted) await onDone();
  };

  useEffect(() => {
    setSending({ state: "idle" });
    const text = name === undefined ? undefined : readKept(name);
    const kept = text === undefined ? undefined : (JSON.parse(text) as Kept);
    const isDone = kept && resumeWith?.(kept);
    if (kept !== undefined && isDone !== undefined) {
      const { hash, from } = kept;
      follow((tell, signal) => waitFor({ chain, isDone, tell, signal, from }, hash));
    }
    return () => abort.current?.abort();
  }, [chain, name]);

  return {
    sending,
    stop() {
      abort.current?.abort();
      if (name !== undefined) forget(name);
      setSending({ state: "idle" });
    },
    busy: ["checking", "signing", "sent", "other-owners"].includes(sending.state),
    start: (connection, { call, isDone, resume }) =>
      follow(
        (tell, signal) => send({ chain, connection, call, isDone, tell, signal }),
        (hash) => {
          if (name === undefined) return;
          keep(name, JSON.stringify({ ...resume, hash, from: connection.account }));
        },
      ),
  };
}
