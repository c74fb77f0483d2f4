import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { z } from "zod";

/** 160 bits, in letters and digits that a person can copy. */
const PASSWORD_BYTES = 20;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Some tenths of a second on a small machine, and 32 MiB: what one guess costs. */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 };

const FILE = z.strictObject({ salt: z.base64(), hash: z.base64() });
const hashOf = promisify(
  (password: string, salt: Buffer, done: (error: Error | null, hash: Buffer) => void) =>
    scrypt(password, salt, HASH_BYTES, COST, done),
);

/** Makes a password and a file that can tell it, and does not have it. Never writes over a file. */
export async function createPassword(passwordFile: string): Promise<string> {
  const password = randomBytes(PASSWORD_BYTES).toString("base64url");
  const salt = randomBytes(SALT_BYTES);
  const hash = await hashOf(password, salt);
  const file = await open(passwordFile, "wx", 0o600);
  try {
    const told = { salt: salt.toString("base64"), hash: hash.toString("base64") };
    await file.writeFile(`${JSON.stringify(told)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return password;
}

/** Tells the password of a file that {@link createPassword} made. */
export async function openPassword(
  passwordFile: string,
): Promise<(given: string) => Promise<boolean>> {
  const text = await readFile(passwordFile, "utf8");
  try {
    const { salt, hash } = FILE.parse(JSON.parse(text));
    const expected = Buffer.from(hash, "base64");
    return async (given) =>
      timingSafeEqual(await hashOf(given, Buffer.from(salt, "base64")), expected);
  } catch {
    // Without its cause: it may quote a password that somebody wrote there.
    throw new Error(`${passwordFile} is no password file; make one with link-node home-password`);
  }
}
