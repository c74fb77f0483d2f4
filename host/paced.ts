/** Of the whole answer, on average, once it has begun: below it nobody is served, only kept waiting. */
const LEAST_BYTES_PER_SECOND = 16 * 1024;
/** In which a slow start costs nothing. */
const GRACE_MS = 5_000;
const LOOK_MS = 500;

export type PacedOptions = {
  /** Until the answer begins. */
  readonly answerMs: number;
  readonly maxBytes: number;
};

export type PacedAnswer = {
  readonly status: number;
  readonly ok: boolean;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
};

/**
 * Fetches a whole answer, bounded in bytes and by a least throughput: a peer that drips costs seconds, one that sends much
 * may take as long as that takes. Throws when it is too late, too slow or too large.
 */
export async function fetchPaced(
  url: URL | string,
  init: RequestInit,
  { answerMs, maxBytes }: PacedOptions,
): Promise<PacedAnswer> {
  const cut = new AbortController();
  const late = setTimeout(
    () => cut.abort(new Error(`no answer within ${answerMs / 1000} seconds`)),
    answerMs,
  );
  let pace: NodeJS.Timeout | undefined;
  try {
    const response = await fetch(url, { ...init, signal: cut.signal });
    clearTimeout(late);
    const begun = performance.now();
    const parts: Uint8Array[] = [];
    let length = 0;
    pace = setInterval(() => {
      const seconds = (performance.now() - begun - GRACE_MS) / 1000;
      if (length < seconds * LEAST_BYTES_PER_SECOND)
        cut.abort(new Error(`fewer than ${LEAST_BYTES_PER_SECOND} bytes a second came`));
    }, LOOK_MS);
    for await (const part of response.body ?? []) {
      length += part.length;
      if (length > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
      parts.push(part);
    }
    const bytes = new Uint8Array(Buffer.concat(parts));
    return { status: response.status, ok: response.ok, headers: response.headers, bytes };
  } catch (error) {
    throw cut.signal.aborted ? cut.signal.reason : error;
  } finally {
    clearTimeout(late);
    clearInterval(pace);
    cut.abort();
  }
}
