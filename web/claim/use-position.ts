import type { Address } from "@link-rewards/core/encoding/bytes";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Chain } from "../sources/chain.ts";
import { isTrouble } from "../sources/trouble.ts";
import { type Past, type Position, readPast, readPosition } from "./position.ts";

const REFRESH_MS = 5_000;

export type PositionState = {
  readonly position: Position | undefined;
  /** Undefined until it is read, which is after the position. */
  readonly past: Past | undefined;
  /** What went wrong with the last look; position and past are then those before. */
  readonly trouble: unknown;
  refresh(): Promise<void>;
};

/** Each stays until the same has been read. */
type Troubles = { readonly position?: unknown; readonly past?: unknown };

type Read = { readonly position: Position; readonly past: Past | undefined };

/** Follows an account: looks again every few seconds, and whenever asked to. */
export function usePosition(chain: Chain, account: Address): PositionState {
  const [read, setRead] = useState<Read>();
  const [trouble, setTrouble] = useState<Troubles>({});
  const last = useRef<Read | undefined>(undefined);
  const refresh = useCallback(async () => {
    const show = (next: Read) => {
      last.current = next;
      setRead(next);
    };
    const before = last.current?.position.account === account ? last.current : undefined;
    let part: keyof Troubles = "position";
    try {
      const position = await readPosition(chain, account, before?.position);
      setTrouble((had) => ({ ...had, position: undefined }));
      show({ position, past: before?.past });
      part = "past";
      if (before?.past?.state !== position.state)
        show({ position, past: await readPast(chain, position) });
      setTrouble({});
    } catch (error) {
      if (isTrouble(error, "rpc-incomplete")) await chain.forgetLogs();
      setTrouble((had) => ({ ...had, [part]: error }));
    }
  }, [chain, account]);

  useEffect(() => {
    let stopped = false;
    setRead(undefined);
    setTrouble({});
    const loop = async () => {
      while (!stopped) {
        await refresh();
        await new Promise((resolve) => setTimeout(resolve, REFRESH_MS));
      }
    };
    loop();
    return () => {
      stopped = true;
    };
  }, [refresh]);
  // While another account is being read, the last one's numbers are not shown for it.
  const shown = read?.position.account === account ? read : undefined;
  return {
    position: shown?.position,
    past: shown?.past,
    trouble: trouble.position ?? trouble.past,
    refresh,
  };
}
