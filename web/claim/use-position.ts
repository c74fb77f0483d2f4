import type { Address } from "@link-rewards/core/encoding/bytes";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { Chain } from "../sources/chain.ts";
import { type Position, readPosition } from "./position.ts";

const REFRESH_MS = 5_000;

export type PositionState = {
  readonly position: Position | undefined;
  /** What went wrong with the last look; the position is then the one before. */
  readonly trouble: unknown;
  refresh(): Promise<void>;
};

/** Follows an account: looks again every few seconds, and whenever asked to. */
export function usePosition(chain: Chain, account: Address): PositionState {
  const [position, setPosition] = useState<Position>();
  const [trouble, setTrouble] = useState<unknown>();
  const last = useRef<Position | undefined>(undefined);
  const refresh = useCallback(async () => {
    try {
      const before = last.current?.account === account ? last.current : undefined;
      const read = await readPosition(chain, account, before);
      last.current = read;
      setPosition(read);
      setTrouble(undefined);
    } catch (error) {
      setTrouble(error);
    }
  }, [chain, account]);

  useEffect(() => {
    let stopped = false;
    setPosition(undefined);
    setTrouble(undefined);
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
  const shown = position?.account === account ? position : undefined;
  return { position: shown, trouble, refresh };
}
