import { isHexOf, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import type { StructOf } from "@link-rewards/core/encoding/fields";
import { isRefused, type Refused, refuse } from "@link-rewards/core/encoding/refusal";
import { parseSignature } from "@link-rewards/core/encoding/signature";
import { typedDigest, typedStruct } from "@link-rewards/core/encoding/typed";

/** Says to one device in one epoch: what you serve on requests that carry this, I was served. */
export const SESSION = typedStruct("Session", [
  { name: "device", type: "address" },
  { name: "customer", type: "address" },
  { name: "epoch", type: "uint32" },
]);

export type Session = StructOf<(typeof SESSION)["fields"]>;
export type SignedSession = Omit<Session, "device"> & { readonly signature: Uint8Array };

/** `domain` is the DeviceRegistry's. */
export function sessionDigest(domain: Uint8Array, session: Session): Uint8Array {
  return typedDigest(domain, SESSION, session);
}

const SCHEME = "LinkRewards";

export function authorizationOf({ customer, epoch, signature }: SignedSession): string {
  return `${SCHEME} ${customer} ${epoch} ${toHex(signature)}`;
}

export function parseAuthorization(header: string | undefined): SignedSession | Refused {
  const [scheme, customer, epoch, signatureHex] = (header ?? "").split(" ");
  if (scheme !== SCHEME || !isHexOf(customer, 20) || !/^[1-9][0-9]{0,9}$/.test(epoch ?? "")) {
    return refuse("malformed", `Authorization must be "${SCHEME} <customer> <epoch> <signature>"`);
  }
  const signature = parseSignature(signatureHex, "the signature in Authorization");
  if (isRefused(signature)) return signature;
  return { customer: lowercaseHex(customer), epoch: Number(epoch), signature };
}
