import {
  type Address,
  compareBytes,
  concatBytes,
  fromHex,
  type Hex,
  keccak256,
} from "@link-rewards/core/encoding/bytes";

/** The order in which an inspector visits devices: by keccak256(seed ‖ device). Nobody chose it, anybody can repeat it. */
export function drawOrder(seed: Hex, devices: readonly Address[]): readonly Address[] {
  return devices
    .map((device) => ({ device, lot: keccak256(concatBytes(fromHex(seed), fromHex(device))) }))
    .sort((a, b) => compareBytes(a.lot, b.lot))
    .map(({ device }) => device);
}
