import { type Address, fromHex, type Hex, toHex } from "../encoding/bytes.ts";
import { NO_PUBLIC_KEY, PUBLIC_KEY_BYTES } from "../encoding/p256.ts";
import { type Addresses, addAddress, addressAt, emptyAddresses, withRoom } from "./addresses.ts";
import { setFrom, type Timeline } from "./timeline.ts";

/**
 * All devices, as columns by their numbers: a million of them are some tens of megabytes, where objects would be half a
 * gigabyte. What few devices have is in maps.
 */
export type Devices = {
  readonly addresses: Addresses;
  classes: Uint8Array;
  /** The number of its P-256 key plus one; 0 for a secp256k1 key. */
  keys: Uint32Array;
  keyCount: number;
  publicKeys: Uint8Array;
  /** Its first binding: the account's index plus one, 0 for none, and the epoch. */
  owners: Uint32Array;
  ownersFrom: Uint32Array;
  /** All bindings, by account index, of a device that has had more than one. */
  readonly rebound: Map<number, Timeline<number>>;
  readonly revoked: Map<number, Revocation>;
};

/** With the manufacturer's reason. Final, also against a binding that was still to come. */
export type Revocation = { readonly fromEpoch: number; readonly reason: string };

export function emptyDevices(seed: number): Devices {
  return {
    addresses: emptyAddresses(seed),
    classes: new Uint8Array(),
    keys: new Uint32Array(),
    keyCount: 0,
    publicKeys: new Uint8Array(),
    owners: new Uint32Array(),
    ownersFrom: new Uint32Array(),
    rebound: new Map(),
    revoked: new Map(),
  };
}

/** Undefined or NO_PUBLIC_KEY for a secp256k1 key. Throws for one that is enrolled: no contract enrols twice. */
export function enrol(devices: Devices, device: Address, ofClass: number, publicKey?: Hex): number {
  const { number, known } = addAddress(devices.addresses, device);
  if (known) throw new Error(`device ${device} is enrolled twice`);
  devices.classes = withRoom(devices.classes, number + 1);
  devices.keys = withRoom(devices.keys, number + 1);
  devices.owners = withRoom(devices.owners, number + 1);
  devices.ownersFrom = withRoom(devices.ownersFrom, number + 1);
  devices.classes[number] = ofClass;
  if (publicKey === undefined || publicKey === NO_PUBLIC_KEY) return number;
  const from = devices.keyCount * PUBLIC_KEY_BYTES;
  const key = fromHex(publicKey);
  if (key.length !== PUBLIC_KEY_BYTES)
    throw new Error(`the public key of device ${device} is ${key.length} bytes long`);
  devices.publicKeys = withRoom(devices.publicKeys, from + PUBLIC_KEY_BYTES);
  devices.publicKeys.set(key, from);
  devices.keyCount += 1;
  devices.keys[number] = devices.keyCount;
  return number;
}

/** `account`: its index. A later change for the same epoch replaces the earlier one. */
export function bind(devices: Devices, device: number, account: number, fromEpoch: number): void {
  const first = devices.owners[device] as number;
  const all = devices.rebound.get(device);
  if (all !== undefined) {
    setFrom(all, fromEpoch, account);
  } else if (first === 0 || devices.ownersFrom[device] === fromEpoch) {
    devices.owners[device] = account + 1;
    devices.ownersFrom[device] = fromEpoch;
  } else {
    const bindings = [{ fromEpoch: devices.ownersFrom[device] as number, value: first - 1 }];
    setFrom(bindings, fromEpoch, account);
    devices.rebound.set(device, bindings);
  }
}

/** By account index, whether the device is revoked or not; undefined while it is bound to none. */
export function accountBoundAt(
  devices: Devices,
  device: number,
  epoch: number,
): number | undefined {
  const all = devices.rebound.get(device);
  if (all !== undefined) return all.findLast(({ fromEpoch }) => fromEpoch <= epoch)?.value;
  const first = devices.owners[device] as number;
  if (first === 0 || (devices.ownersFrom[device] as number) > epoch) return undefined;
  return first - 1;
}

/** Undefined for a device whose key is secp256k1. */
export function publicKeyAt(devices: Devices, device: number): Hex | undefined {
  const key = devices.keys[device] as number;
  if (key === 0) return undefined;
  return toHex(devices.publicKeys.subarray((key - 1) * PUBLIC_KEY_BYTES, key * PUBLIC_KEY_BYTES));
}

export function deviceAddress(devices: Devices, device: number): Address {
  return addressAt(devices.addresses, device);
}
