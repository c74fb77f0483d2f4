import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import fc from "fast-check";
import { runJob } from "../../../device/compute/run.ts";
import { contentTreeOf } from "../../../device/content.ts";
import {
  compileExample,
  EXAMPLES,
  type Example,
  fileOfExample,
} from "../../../scripts/examples.ts";

/** As docs/receipt-protocol.md names them. */
const ROOTS: Readonly<Record<Example, string>> = {
  search: "0x2da254b01234be1bc33c0e27b9f971b6d97318d966013260c4183e27765b37d7",
  resize: "0xb70f5ed0afcb4982b4e8029826fd55809b93c03dd0c424db7d0d3761f657b34d",
};

/** More than any machine needs. */
const PLENTY = 60_000;

describe("examples/", () => {
  for (const name of EXAMPLES)
    describe(`${name}.wasm`, () => {
      it(`is what ${name}.ts compiles to, byte for byte (else: node scripts/examples.ts)`, async () => {
        const compiled = await compileExample(name);
        expect(Buffer.from(compiled).equals(await readFile(fileOfExample(name)))).to.equal(true);
      });

      it("has the root that the docs name", async () => {
        const { root } = await contentTreeOf([await readFile(fileOfExample(name))]);
        expect(root).to.equal(ROOTS[name]);
      });
    });

  async function run(name: Example, input: Uint8Array) {
    const module = await readFile(fileOfExample(name));
    return runJob({ module, input, milliseconds: PLENTY });
  }

  async function answer(name: Example, input: Uint8Array): Promise<Buffer> {
    const ran = await run(name, input);
    if (ran.outcome !== "answered") throw new Error(ran.reason);
    return Buffer.from(ran.output);
  }

  describe("search", () => {
    function asked(word: Uint8Array, text: Uint8Array): Uint8Array {
      return Buffer.concat([words(word.length), word, text]);
    }

    function found(word: Buffer, text: Buffer): Buffer {
      const offsets: number[] = [];
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) offsets.push(at);
      return words(...offsets);
    }

    /** Of few letters, so that there is something to find, and where it nearly is. */
    const letters = (length: number) =>
      Buffer.from(randomBytes(length).map((byte) => 97 + (byte % 2)));

    it("finds each occurrence, overlapping ones too, as indexOf does", async () => {
      for (const [wordBytes, textBytes] of [
        [1, 10_000],
        [2, 5],
        [3, 3],
        [7, 200_000],
        [300, 100],
      ] as const) {
        const [word, text] = [letters(wordBytes), letters(textBytes)];
        const output = await answer("search", asked(word, text));
        expect(output.equals(found(word, text)), word.toString()).to.equal(true);
      }
      const text = Buffer.from("aaaa");
      expect(await answer("search", asked(Buffer.from("aa"), text))).to.deep.equal(words(0, 1, 2));
    });

    it("has no answer to what is no question", async () => {
      for (const input of [Buffer.alloc(3), words(0), words(5), words(2 ** 32 - 1)]) {
        expect((await run("search", input)).outcome).to.equal("failed");
      }
    });
  });

  describe("resize", () => {
    type Size = { readonly width: number; readonly height: number };

    function asked(from: Size, to: Size, pixels: Uint8Array): Uint8Array {
      return Buffer.concat([words(from.width, from.height, to.width, to.height), pixels]);
    }

    /** Each new pixel by itself, from the list of those that it stands for. */
    function resized(from: Size, to: Size, pixels: Uint8Array): Buffer {
      const span = (at: number, size: number, newSize: number) => {
        const [first, end] = [at, at + 1].map((edge) => Math.floor((edge * size) / newSize));
        return Array.from({ length: Number(end) - Number(first) }, (_, i) => Number(first) + i);
      };
      const bytes: number[] = [];
      for (let y = 0; y < to.height; y++)
        for (let x = 0; x < to.width; x++)
          for (const channel of [0, 1, 2, 3]) {
            const samples = span(y, from.height, to.height).flatMap((row) =>
              span(x, from.width, to.width).map(
                (column) => pixels[(row * from.width + column) * 4 + channel] as number,
              ),
            );
            const sum = samples.reduce((a, b) => a + b, 0);
            bytes.push(Math.floor((sum + Math.floor(samples.length / 2)) / samples.length));
          }
      return Buffer.from(bytes);
    }

    const smaller = (most: number) =>
      fc
        .integer({ min: 1, max: most })
        .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 1, max: size })));

    it("makes each pixel the mean of those that it stands for", async () => {
      await fc.assert(
        fc.asyncProperty(
          smaller(80),
          smaller(60),
          async ([width, newWidth], [height, newHeight]) => {
            const [from, to] = [
              { width, height },
              { width: newWidth, height: newHeight },
            ];
            const pixels = randomBytes(width * height * 4);
            const output = await answer("resize", asked(from, to, pixels));
            expect(output.equals(resized(from, to, pixels))).to.equal(true);
          },
        ),
        { numRuns: 6 },
      );
    });

    it("makes a large picture small", async () => {
      const [from, to] = [
        { width: 1_200, height: 800 },
        { width: 97, height: 61 },
      ];
      const pixels = randomBytes(from.width * from.height * 4);
      const output = await answer("resize", asked(from, to, pixels));
      expect(output.equals(resized(from, to, pixels))).to.equal(true);
    });

    it("has no answer to a picture that is none, or would have to grow", async () => {
      const from = { width: 2, height: 2 };
      for (const input of [
        Buffer.alloc(3),
        asked(from, { width: 1, height: 1 }, Buffer.alloc(15)),
        asked(from, { width: 0, height: 1 }, Buffer.alloc(16)),
        asked(from, { width: 3, height: 1 }, Buffer.alloc(16)),
        // Four times the product is 2^64.
        asked({ width: 2 ** 31, height: 2 ** 31 }, from, Buffer.alloc(0)),
      ])
        expect((await run("resize", input)).outcome).to.equal("failed");
    });
  });
});

function words(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}
