/**
 * Whether so much time has passed, by the machine's clock or by one that nobody sets: a clock that is set back must not
 * keep a program waiting until it is that late again.
 */
export function isOverIn(milliseconds: number): () => boolean {
  const [clock, steady] = [Date.now(), performance.now()];
  return () => Date.now() - clock >= milliseconds || performance.now() - steady >= milliseconds;
}
