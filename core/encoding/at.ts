/** The element at a position that must be there: anything else is a fault of ours, and stops whoever computes with it. */
export function at<T>(list: ArrayLike<T>, position: number): T {
  const element = list[position];
  if (element === undefined) throw new RangeError(`nothing at ${position} of ${list.length}`);
  return element;
}
