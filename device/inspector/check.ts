import type { Order } from "./order.ts";
import { openPasses } from "./passes.ts";
import type { parseRecord } from "./record.ts";

/** Where a record differs from what the chain drew, by its line; undefined where it keeps to it. */
export type Divergence = { readonly line: number; readonly reason: string };

/** Whether an inspector called devices in the drawn order, each once in a pass, and bought nothing out of turn. */
export function divergenceIn(
  { head, lines }: ReturnType<typeof parseRecord>,
  order: Order,
): Divergence | undefined {
  const drawn = `block ${order.block.number} (${order.block.hash}) and ${order.devices.length} devices`;
  if (
    head.epoch !== order.epoch ||
    head.block.number !== order.block.number ||
    head.block.hash !== order.block.hash ||
    head.devices !== order.devices.length
  )
    return { line: 1, reason: `the order of epoch ${order.epoch} is of ${drawn}` };
  const passes = openPasses(order.devices);
  const open = new Set<string>();
  for (const [i, line] of lines.entries()) {
    const visit = `${line.pass} ${line.device}`;
    try {
      if (!("fate" in line)) {
        if (!open.delete(visit))
          throw new Error(`${line.device} was not visited in pass ${line.pass}`);
        continue;
      }
      passes.take(line);
      if (line.fate === "visited") open.add(visit);
    } catch (error) {
      return { line: i + 2, reason: (error as Error).message };
    }
  }
  return undefined;
}
