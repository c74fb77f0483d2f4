import { type Address, concatBytes, fromHex, keccak256, utf8, writeUint } from "./bytes.ts";
import { packScalar, type ScalarField, type StructOf } from "./fields.ts";

/** EIP-712 for flat structs of static types: all this project signs. */
export const DOMAIN_NAME = "LinkRewards";
export const DOMAIN_VERSION = "1";

const DOMAIN_TYPE =
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const WORD = 32;

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
  return keccak256(concatBytes(Uint8Array.of(0x19, 0x01), domain, structHash(struct, value)));
}
