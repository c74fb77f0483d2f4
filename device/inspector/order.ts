import { randomInt } from "node:crypto";
import { lastBlockBefore } from "@link-rewards/client/last-block-before";
import {
  type Address,
  compareBytes,
  concatBytes,
  fromHex,
  type Hex,
  keccak256,
} from "@link-rewards/core/encoding/bytes";
import type { Block, BlockMark } from "@link-rewards/core/law/block";
import { endOf } from "@link-rewards/core/law/clock";
import { deviceAddress } from "@link-rewards/core/law/devices";
import { emptyLaw, type Law, ownerAt } from "@link-rewards/core/law/law";
import { applyEvent } from "@link-rewards/core/law/replay";
import type { Chain } from "@link-rewards/host/chain/chain";

/** Who is visited in an epoch, and in which order: nobody chose it, and anybody can repeat it. */
export type Order = {
  readonly epoch: number;
  /** The last block before the epoch began: who was bound by then has a place, and its hash draws the places. */
  readonly block: BlockMark;
  readonly devices: readonly Address[];
};

export type OrderChain = Pick<
  Chain,
  "block" | "finalized" | "events" | "startBlock" | "deployment"
>;

/** Undefined as long as the block that draws it is not final: an order that is undone could be waited for, and chosen. */
export type OrderOf = (epoch: number) => Promise<Order | undefined>;

/** Reads the law up to the block that draws the order, and goes on from there for the next epoch. */
export function orderReader(chain: OrderChain): OrderOf {
  let law = newLaw();
  let through = chain.startBlock - 1;

  async function blockAt(number: number): Promise<Block> {
    const block = await chain.block(number);
    if (block === undefined) throw new Error(`the RPC node does not have block ${number}`);
    return block;
  }

  async function readTo(block: number): Promise<void> {
    if (block < through) begin();
    try {
      for await (const page of chain.events(through + 1, block, law.revisions)) {
        for (const event of page.events) applyEvent(law, event);
        through = page.through;
      }
    } catch (error) {
      // A page may have been applied in part.
      begin();
      throw error;
    }
  }

  function begin(): void {
    law = newLaw();
    through = chain.startBlock - 1;
  }

  return async (epoch) => {
    const begins = endOf(chain.deployment, epoch - 1);
    const block = await lastBlockBefore(blockAt, begins, chain.startBlock, await chain.finalized());
    if (block === undefined) return undefined;
    await readTo(block.number);
    return { epoch, block, devices: drawOrder(block.hash, boundIn(law, epoch)) };
  };
}

/** By keccak256(seed ‖ device). */
export function drawOrder(seed: Hex, devices: readonly Address[]): readonly Address[] {
  return devices
    .map((device) => ({ device, lot: keccak256(concatBytes(fromHex(seed), fromHex(device))) }))
    .sort((a, b) => compareBytes(a.lot, b.lot))
    .map(({ device }) => device);
}

/** All that earn for somebody. Who is bound later is so from the next epoch on. */
function boundIn(law: Law, epoch: number): readonly Address[] {
  const { devices } = law;
  return Array.from({ length: devices.addresses.count }, (_, i) =>
    deviceAddress(devices, i),
  ).filter((device) => ownerAt(law, device, epoch) !== undefined);
}

function newLaw(): Law {
  return emptyLaw(randomInt(2 ** 32));
}
