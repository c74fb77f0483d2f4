/** Bytes of a content; both ends are inclusive, as in HTTP. */
export type Range = { readonly first: number; readonly last: number };

/** Undefined: the header is not one range of bytes. Beyond what there is: `outside`. */
export function parseRange(header: string, size: number): Range | "outside" | undefined {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header) ?? [];
  if (from === undefined || to === undefined || from + to === "") return undefined;
  if (from !== "" && to !== "" && Number(to) < Number(from)) return undefined;
  // The last so many bytes.
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  return first > last ? "outside" : { first, last };
}
