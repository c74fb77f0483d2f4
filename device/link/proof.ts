import type { TLSSocket } from "node:tls";
import { type Hex, toHex } from "@link-rewards/core/encoding/bytes";
import type { StructOf } from "@link-rewards/core/encoding/fields";
import { typedDigest, typedStruct } from "@link-rewards/core/encoding/typed";

/**
 * Who is at either end of a connection. What is signed names the very connection, so that it proves nothing on any other
 * one: whoever stands between two ends has two connections, and can sign for neither end.
 */
export const GATEWAY_CONNECTION = typedStruct("GatewayConnection", [
  { name: "customer", type: "address" },
  { name: "epoch", type: "uint32" },
  { name: "channel", type: "bytes32" },
]);
export const DEVICE_CONNECTION = typedStruct("DeviceConnection", [
  { name: "device", type: "address" },
  { name: "customer", type: "address" },
  { name: "epoch", type: "uint32" },
  { name: "channel", type: "bytes32" },
]);

export type GatewayConnection = StructOf<(typeof GATEWAY_CONNECTION)["fields"]>;
export type DeviceConnection = StructOf<(typeof DEVICE_CONNECTION)["fields"]>;

/** `domain` is the DeviceRegistry's. */
export function gatewayConnectionDigest(domain: Uint8Array, value: GatewayConnection): Uint8Array {
  return typedDigest(domain, GATEWAY_CONNECTION, value);
}

export function deviceConnectionDigest(domain: Uint8Array, value: DeviceConnection): Uint8Array {
  return typedDigest(domain, DEVICE_CONNECTION, value);
}

/** By RFC 8446 §7.5 and RFC 5705: 32 bytes that both ends of one TLS connection know, and nobody else. */
const EXPORTER_LABEL = "EXPORTER-link-rewards-connection";
const CHANNEL_BYTES = 32;

export function channelOf(socket: TLSSocket): Hex {
  return toHex(socket.exportKeyingMaterial(CHANNEL_BYTES, EXPORTER_LABEL, Buffer.alloc(0)));
}

/** What both ends speak: TLS 1.3, and after the proofs HTTP/2, in which the device answers. */
export const LINK_TLS = {
  minVersion: "TLSv1.3",
  ALPNProtocols: ["link-rewards/1"],
} as const;
