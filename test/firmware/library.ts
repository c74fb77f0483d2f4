import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { PUBLIC_KEY_BYTES } from "@link-rewards/core/encoding/p256";
import { SIGNATURE_BYTES } from "@link-rewards/core/encoding/signature";
import { HASH_BYTES } from "@link-rewards/core/encoding/tree";
import { RECEIPT_BYTES, SIGNED_RECEIPT_BYTES } from "@link-rewards/core/signed/receipt";
import {
  PACKED_BATCH_TYPE,
  PACKED_HEADER_BYTES,
  PACKED_VERSION,
} from "@link-rewards/core/signed/submission";
import { expect } from "chai";
import { SEQUENCE_JUMP } from "../../device/node/book.ts";
import { C_TESTS, cFilesIn, compile, FIRMWARE, run, SANITIZED, STRICT } from "./support/compile.ts";
import { vectorsHeader } from "./support/vectors-header.ts";

/** All that string.h is needed for. */
const OF_STRING_H = ["memchr", "memcmp", "memcpy", "memmove", "memset", "strlen"];
/** Such as a device's compiler is given. */
const FREESTANDING = ["-ffreestanding", "-Os", "-fno-stack-protector", "-fno-pic", "-fno-pie"];

const LIBRARY = cFilesIn(FIRMWARE);
const TESTS = cFilesIn(C_TESTS);
const HEADER = readFileSync(`${FIRMWARE}link_rewards.h`, "utf8");

describe("firmware", () => {
  const folder = mkdtempSync(join(tmpdir(), "firmware-"));
  const program = join(folder, "tests");
  const names = TESTS.map((file) => ({
    file: basename(file, ".c"),
    tests: [...readFileSync(file, "utf8").matchAll(/^TEST\((\w+)\)/gm)].map(([, name]) =>
      String(name),
    ),
  })).filter(({ tests }) => tests.length > 0);

  before(async () => {
    const all = names.flatMap(({ tests }) => tests);
    writeFileSync(join(folder, "tests.h"), all.map((name) => `X(${name})\n`).join(""));
    writeFileSync(join(folder, "vectors.h"), vectorsHeader());
    const include = [`-I${FIRMWARE}`, `-I${folder}`];
    await compile(...STRICT, ...SANITIZED, ...include, ...LIBRARY, ...TESTS, "-o", program);
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const { file, tests } of names) {
    describe(file, () => {
      for (const name of tests) {
        it(name.replaceAll("_", " "), async () => {
          await run(program, name);
        });
      }
    });
  }

  describe("library", () => {
    const objects = LIBRARY.map((file) => join(folder, `${basename(file, ".c")}.o`));

    it("compiles for a device without an operating system, without a warning", async () => {
      for (const [i, file] of LIBRARY.entries())
        await compile(...STRICT, ...FREESTANDING, "-c", file, "-o", String(objects[i]));
    });

    it("needs nothing but string.h, and keeps nothing of its own", async () => {
      const symbols = (await run("nm", "-P", ...objects))
        .split("\n")
        .map((line) => line.split(" "))
        .filter(([, kind]) => kind !== undefined && /^[A-Za-z]$/.test(kind))
        .map(([name = "", kind = ""]) => ({ name: name.replace(/^_/, ""), kind }));
      const named = (kinds: RegExp) =>
        symbols.filter(({ kind }) => kinds.test(kind)).map(({ name }) => name);
      const own = new Set(named(/[TR]/));
      const needed = new Set(named(/U/).filter((name) => !own.has(name)));
      expect([...needed].sort()).to.deep.equal(OF_STRING_H);
      expect(named(/[BbDdCGgSs]/)).to.deep.equal([]);
      const allowed = /^(lr|json)_/;
      expect([...own].filter((name) => !allowed.test(name))).to.deep.equal([]);
    });

    it("has core's numbers in its header", () => {
      const defined = Object.fromEntries(
        [...HEADER.matchAll(/^#define LR_(\w+) (.+)$/gm)].map(([, name, value]) => [name, value]),
      );
      expect(defined).to.deep.include({
        HASH_BYTES: `${HASH_BYTES}`,
        PUBLIC_KEY_BYTES: `${PUBLIC_KEY_BYTES}`,
        SIGNATURE_BYTES: `${SIGNATURE_BYTES}`,
        RECEIPT_BYTES: `${RECEIPT_BYTES}`,
        SIGNED_RECEIPT_BYTES: `${SIGNED_RECEIPT_BYTES}`,
        PACKED_HEADER_BYTES: `${PACKED_HEADER_BYTES}`,
        PACKED_VERSION: `${PACKED_VERSION}u`,
        PACKED_BATCH_TYPE: `"${PACKED_BATCH_TYPE}"`,
        SEQUENCE_JUMP: `${SEQUENCE_JUMP}u`,
      });
    });
  });
});
