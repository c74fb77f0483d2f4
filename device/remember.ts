/** Of questions, so that asking does not fill the memory: all are forgotten together, and asked anew. */
const MOST_REMEMBERED = 100_000;

/** Asks once in a while instead of each time; `name` tells questions apart. What fails is not remembered. */
export function rememberFor<Asked extends readonly unknown[], Answer>(
  milliseconds: number,
  name: (...asked: Asked) => string,
  ask: (...asked: Asked) => Promise<Answer>,
): (...asked: Asked) => Promise<Answer> {
  const known = new Map<string, { readonly answer: Answer; readonly until: number }>();
  return async (...asked) => {
    const key = name(...asked);
    const remembered = known.get(key);
    if (remembered !== undefined && performance.now() < remembered.until) return remembered.answer;
    if (known.size >= MOST_REMEMBERED) known.clear();
    const answer = await ask(...asked);
    known.set(key, { answer, until: performance.now() + milliseconds });
    return answer;
  };
}
