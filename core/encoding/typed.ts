import { type Address, concatBytes, fromHex, keccak256, utf8, writeUint } from "./bytes.ts";
import { BYTES_OF, packScalar, type ScalarField, type StructOf } from "./fields.ts";
import { keccak } from "./keccak.ts";

/** EIP-712 for flat structs of static types: all this project signs. */
export const DOMAIN_NAME = "LinkRewards";
export const DOMAIN_VERSION = "1";

const DOMAIN_TYPE =
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const WORD = 32;
const PREFIX = Uint8Array.of(0x19, 0x01);

export type TypedStruct<F extends readonly ScalarField[]> = {
  readonly fields: F;
  readonly typeString: string;
  readonly typeHash: Uint8Array;
};

export function typedStruct<const F extends readonly ScalarField[]>(
  name: string,
  fields: F,
): TypedStruct<F> {
  const typeString = `${name}(${fields.map((field) => `${field.type} ${field.name}`).join(",")})`;
  return { fields, typeString, typeHash: keccak256(utf8(typeString)) };
}

export function domainSeparator(chainId: number | bigint, verifyingContract: Address): Uint8Array {
  const tail = new Uint8Array(2 * WORD);
  writeUint(tail, 0, WORD, chainId);
  tail.set(fromHex(verifyingContract), 2 * WORD - 20);
  const hashes = [DOMAIN_TYPE, DOMAIN_NAME, DOMAIN_VERSION].map((text) => keccak256(utf8(text)));
  return keccak256(concatBytes(...hashes, tail));
}

function structHash<F extends readonly ScalarField[]>(
  struct: TypedStruct<F>,
  value: StructOf<F>,
): Uint8Array {
  const words = new Uint8Array(WORD * (1 + struct.fields.length));
  words.set(struct.typeHash);
  struct.fields.forEach(({ name, type }, i) => {
    packScalar(words, WORD * (1 + i), WORD, type, (value as Record<string, unknown>)[name]);
  });
  return keccak256(words);
}

/** The 32 bytes that are signed. */
export function typedDigest<F extends readonly ScalarField[]>(
  domain: Uint8Array,
  struct: TypedStruct<F>,
  value: StructOf<F>,
): Uint8Array {
  return keccak256(concatBytes(PREFIX, domain, structHash(struct, value)));
}

/**
 * The digests of structs that are packed at the beginning of each record of `recordBytes`: a packed field is the tail of
 * its EIP-712 word, so no value is ever taken apart.
 */
export function typedDigests<F extends readonly ScalarField[]>(
  domain: Uint8Array,
  struct: TypedStruct<F>,
  records: Uint8Array,
  recordBytes: number,
): Uint8Array {
  const count = Math.floor(records.length / recordBytes);
  const wordBytes = WORD * (1 + struct.fields.length);
  const words = new Uint8Array(count * wordBytes);
  for (let i = 0; i < count; i++) {
    words.set(struct.typeHash, i * wordBytes);
    let from = i * recordBytes;
    let wordEnd = i * wordBytes + WORD;
    for (const { type } of struct.fields) {
      const size = BYTES_OF[type];
      wordEnd += WORD;
      words.set(records.subarray(from, from + size), wordEnd - size);
      from += size;
    }
  }
  const hashes = keccak.hashRecords(words, wordBytes);
  const messageBytes = PREFIX.length + 2 * WORD;
  const messages = new Uint8Array(count * messageBytes);
  for (let i = 0; i < count; i++) {
    const at = i * messageBytes;
    messages.set(PREFIX, at);
    messages.set(domain, at + PREFIX.length);
    messages.set(hashes.subarray(i * WORD, (i + 1) * WORD), at + PREFIX.length + WORD);
  }
  return keccak.hashRecords(messages, messageBytes);
}
