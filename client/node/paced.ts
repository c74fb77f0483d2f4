/** Of the whole answer, on average, once it has begun: below it nobody is served, only kept waiting. */
const LEAST_BYTES_PER_SECOND = 16 * 1024;
/** In which a slow start costs nothing. */
const GRACE_MS = 5_000;
const LOOK_MS = 500;

export type PacedOptions = {
  /**
   * Until the answer begins; from then on it is bounded by a least throughput. Undefined where `init.signal` bounds all of
   * it: a slow line may then take as long as that allows.
   */
  readonly answerMs?: number;
  /** By the status, which says before the body comes what it is. */
  readonly maxBytes: (status: number) => number;
};

export type PacedAnswer = {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
  /** Undefined when there were more than the most. */
  readonly bytes: Uint8Array | undefined;
};

/**
 * Fetches a whole answer, from there and nowhere else: a server could else have this machine ask others, which only this
 * machine can reach. It is bounded in bytes and by a least throughput: a peer that drips costs seconds, one that sends much
 * may take as long as that takes. Throws when it is too late or too slow, or when `init.signal` ends it.
 */
export async function fetchPaced(
  url: URL | string,
  init: RequestInit,
  { answerMs, maxBytes }: PacedOptions,
): Promise<PacedAnswer> {
  const cut = new AbortController();
  let late: ReturnType<typeof setTimeout> | undefined;
  let pace: ReturnType<typeof setInterval> | undefined;
  if (answerMs !== undefined) {
    late = setTimeout(
      () => cut.abort(new Error(`no answer within ${answerMs / 1000} seconds`)),
      answerMs,
    );
  }
  try {
    const signal = init.signal ? AbortSignal.any([init.signal, cut.signal]) : cut.signal;
    const response = await fetch(url, { ...init, redirect: "manual", signal });
    clearTimeout(late);
    const begun = performance.now();
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    const look = () => {
      const seconds = (performance.now() - begun - GRACE_MS) / 1000;
      if (length < seconds * LEAST_BYTES_PER_SECOND)
        cut.abort(new Error(`fewer than ${LEAST_BYTES_PER_SECOND} bytes a second came`));
    };
    if (answerMs !== undefined) pace = setInterval(look, LOOK_MS);
    const { status, ok, headers } = response;
    const most = maxBytes(status);
    // Not every browser iterates over a stream.
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      length += part.value.length;
      if (length > most) return { status, ok, headers, bytes: undefined };
      parts.push(part.value);
    }
    return { status, ok, headers, bytes: new Uint8Array(await new Blob(parts).arrayBuffer()) };
  } catch (error) {
    throw cut.signal.aborted ? cut.signal.reason : error;
  } finally {
    clearTimeout(late);
    clearInterval(pace);
    cut.abort();
  }
}
