import {
  concatBytes,
  fromHex,
  type Hex,
  isHexOf,
  keccak256,
  lowercaseHex,
  readUint,
  toHex,
  utf8,
} from "../encoding/bytes.ts";
import {
  BYTES_OF,
  byteLengthOf,
  packFields,
  type StructOf,
  unpackFields,
} from "../encoding/fields.ts";
import { type Refused, refuse } from "../encoding/refusal.ts";
import { SIGNATURE_BYTES } from "../encoding/signature.ts";
import { typedDigest, typedStruct } from "../encoding/typed.ts";

/**
 * One member's request to another, signed with the member's key. `version` is first, so that every version of the program
 * can read which one it is spoken to in. `target` is {@link requestTarget}, `bodyHash` keccak256 of the body's bytes (of
 * none: of the empty string), `sentAt` the sender's clock in unix seconds. With `recipient` and `nonce` it is good once,
 * at one member.
 */
export const MEMBER_REQUEST_FIELDS = [
  { name: "version", type: "uint32" },
  { name: "member", type: "address" },
  { name: "recipient", type: "address" },
  { name: "target", type: "bytes32" },
  { name: "bodyHash", type: "bytes32" },
  { name: "sentAt", type: "uint64" },
  { name: "nonce", type: "bytes32" },
] as const;

export type MemberRequest = StructOf<typeof MEMBER_REQUEST_FIELDS>;

export const MEMBER_REQUEST = typedStruct("MemberRequest", MEMBER_REQUEST_FIELDS);

/** The versions of what members say to each other that this program speaks. */
export const MEMBER_VERSIONS: MemberVersions = { oldest: 1, newest: 1 };

export type MemberVersions = { readonly oldest: number; readonly newest: number };

/** The newest version that both speak; undefined when there is none. */
export function commonVersion(ours: MemberVersions, theirs: MemberVersions): number | undefined {
  const newest = Math.min(ours.newest, theirs.newest);
  return newest >= Math.max(ours.oldest, theirs.oldest) ? newest : undefined;
}

/** `domain` is the EpochLedger's, as for the reports that members ask each other to sign. */
export function memberRequestDigest(domain: Uint8Array, request: MemberRequest): Uint8Array {
  return typedDigest(domain, MEMBER_REQUEST, request);
}

/** What is asked for: the method, and the path with its query. */
export function requestTarget(method: string, path: string): Hex {
  return toHex(keccak256(utf8(`${method} ${path}`)));
}

export function bodyHashOf(body: Uint8Array): Hex {
  return toHex(keccak256(body));
}

/** The scheme of the Authorization header that carries a request's fields, packed, and the signature, in hex. */
const SCHEME = "LinkMember ";
const REQUEST_BYTES = byteLengthOf(MEMBER_REQUEST_FIELDS);

export function memberAuthorization(request: MemberRequest, signature: Uint8Array): string {
  const packed = packFields(MEMBER_REQUEST_FIELDS, request);
  return `${SCHEME}${toHex(concatBytes(packed, signature))}`;
}

/** The version is looked at before anything else: what another one's fields are is not known. */
export function parseMemberAuthorization(
  header: string | undefined,
  { oldest, newest }: MemberVersions = MEMBER_VERSIONS,
): { readonly request: MemberRequest; readonly signature: Uint8Array } | Refused {
  const hex = header?.startsWith(SCHEME) ? header.slice(SCHEME.length) : "";
  if (!/^0x([0-9a-f]{2})+$/i.test(hex)) {
    return refuse("not-a-member", "members alone are answered here: the request is not signed");
  }
  const bytes = fromHex(lowercaseHex(hex));
  const version = bytes.length < BYTES_OF.uint32 ? 0 : Number(readUint(bytes, 0, BYTES_OF.uint32));
  if (version < oldest || version > newest) {
    return refuse(
      "wrong-version",
      `versions ${oldest} to ${newest} are spoken here, the request is in version ${version}`,
    );
  }
  if (!isHexOf(hex, REQUEST_BYTES + SIGNATURE_BYTES)) {
    const expected = REQUEST_BYTES + SIGNATURE_BYTES;
    return refuse("malformed", `the signed request must have ${expected} bytes`);
  }
  return {
    request: unpackFields(MEMBER_REQUEST_FIELDS, bytes.subarray(0, REQUEST_BYTES)),
    signature: bytes.slice(REQUEST_BYTES),
  };
}
