import { packFields, unpackFields } from "@link-rewards/core/encoding/fields";
import { fieldsToJson, parseFields } from "@link-rewards/core/encoding/json";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { RECEIPT_FIELDS } from "@link-rewards/core/signed/receipt";
import { REPORT_FIELDS } from "@link-rewards/core/signed/report";
import { expect } from "chai";
import fc from "fast-check";
import { receiptOf } from "../../worlds/paper.ts";
import { structs } from "../arbitraries.ts";

const json = () => fieldsToJson(RECEIPT_FIELDS, receiptOf());
const parse = (change: Record<string, unknown>) =>
  parseFields(RECEIPT_FIELDS, { ...json(), ...change }, "receipt");

function messageOf(change: Record<string, unknown>): string {
  const outcome = parse(change);
  if (!isRefused(outcome)) throw new Error(`taken: ${JSON.stringify(change)}`);
  expect(outcome.refusal).to.equal("malformed");
  return outcome.message;
}

describe("a field table", () => {
  it("packs and unpacks every struct without loss", () => {
    fc.assert(
      fc.property(structs(REPORT_FIELDS), (report) => {
        expect(unpackFields(REPORT_FIELDS, packFields(REPORT_FIELDS, report))).to.deep.equal(
          report,
        );
      }),
    );
  });

  it("gives JSON that parses back to the same struct", () => {
    fc.assert(
      fc.property(structs(RECEIPT_FIELDS), (receipt) => {
        const text = JSON.stringify(fieldsToJson(RECEIPT_FIELDS, receipt));
        expect(parseFields(RECEIPT_FIELDS, JSON.parse(text), "receipt")).to.deep.equal(receipt);
      }),
    );
  });

  it("refuses to pack what does not fit its field", () => {
    expect(() => packFields(RECEIPT_FIELDS, receiptOf({ sequence: 2 ** 32 }))).to.throw(RangeError);
    expect(() => packFields(RECEIPT_FIELDS, receiptOf({ egressBytes: 2n ** 64n }))).to.throw(
      RangeError,
    );
    expect(() => packFields(RECEIPT_FIELDS, receiptOf({ device: "0x1234" }))).to.throw(RangeError);
  });

  it("refuses to unpack another length", () => {
    expect(() => unpackFields(RECEIPT_FIELDS, new Uint8Array(75))).to.throw(
      "expected 76 bytes, got 75",
    );
  });

  it("lets no text into packed bytes", () => {
    const fields = [{ name: "reason", text: 8 }] as const;
    // @ts-expect-error: a text has no width.
    expect(() => packFields(fields, { reason: "lost" })).to.throw();
  });
});

describe("parse", () => {
  it("takes every field at its bounds", () => {
    const top = {
      epoch: 2 ** 32 - 1,
      egressBytes: (2n ** 64n - 1n).toString(),
      computeMilliseconds: "0",
    };
    expect(parse(top)).to.deep.include({ epoch: 2 ** 32 - 1, egressBytes: 2n ** 64n - 1n });
  });

  it("lowercases addresses", () => {
    const device = "0xABCDEFabcdefABCDEFabcdefABCDEFabcdefABCD";
    expect(parse({ device })).to.deep.include({ device: device.toLowerCase() });
  });

  it("refuses each field just beyond its bounds, naming field and bound", () => {
    expect(messageOf({ epoch: 2 ** 32 })).to.equal(
      "receipt.epoch must be a whole number from 0 to 4294967295",
    );
    expect(messageOf({ egressBytes: (2n ** 64n).toString() })).to.equal(
      'receipt.egressBytes must be a decimal string from "0" to "18446744073709551615"',
    );
    expect(messageOf({ storageByteSeconds: (2n ** 96n).toString() })).to.contain(
      "storageByteSeconds",
    );
    expect(messageOf({ device: `0x${"ab".repeat(21)}` })).to.equal(
      "receipt.device must be 0x and 40 hex digits",
    );
  });

  it("refuses other kinds and spellings", () => {
    for (const epoch of [-1, 1.5, "1", null, undefined, Number.NaN, [1], true]) {
      expect(messageOf({ epoch })).to.contain("receipt.epoch");
    }
    for (const egressBytes of [
      1,
      "",
      "-1",
      "01",
      "1.0",
      "1e3",
      "0x1",
      " 1",
      "1\n",
      "9".repeat(79),
      null,
    ]) {
      expect(messageOf({ egressBytes })).to.contain("receipt.egressBytes");
    }
  });

  it("refuses a missing field and one it does not know", () => {
    const { device: _, ...rest } = json();
    expect(parseFields(RECEIPT_FIELDS, rest, "receipt")).to.have.property("refusal", "malformed");
    expect(messageOf({ uptime: 1 })).to.equal('receipt has an unknown field "uptime"');
  });

  it("refuses what is not an object", () => {
    for (const input of [null, undefined, 1, "receipt", [], [json()]]) {
      expect(parseFields(RECEIPT_FIELDS, input, "receipt")).to.deep.equal({
        refusal: "malformed",
        message: "receipt must be an object",
      });
    }
  });

  it("says nothing of the sender's text unescaped (Layr-Labs/sidecar 507)", () => {
    expect(messageOf({ "a\0\n": 1 })).to.equal('receipt has an unknown field "a\\u0000\\n"');
    expect(messageOf({ ["x".repeat(10_000)]: 1 })).to.have.length.below(100);
  });

  it("never throws, whatever comes", () => {
    fc.assert(
      fc.property(fc.anything(), (input) => {
        expect(isRefused(parseFields(RECEIPT_FIELDS, input, "receipt"))).to.equal(true);
      }),
    );
  });

  it("takes a text as it is: printable ASCII, up to its bound", () => {
    const fields = [{ name: "reason", text: 95 }] as const;
    const printable = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => 0x20 + i));
    for (const reason of ["", printable]) {
      expect(parseFields(fields, { reason }, "x")).to.deep.equal({ reason });
      expect(fieldsToJson(fields, { reason })).to.deep.equal({ reason });
    }
    const refused = [
      "\x1f",
      "\x7f",
      "\n",
      "a\n",
      "é",
      "\u202e",
      `${printable}a`,
      1,
      null,
      undefined,
      [],
    ];
    for (const reason of refused) {
      expect(parseFields(fields, { reason }, "x"), JSON.stringify(reason)).to.deep.equal({
        refusal: "malformed",
        message: "x.reason must be at most 95 characters of printable ASCII",
      });
    }
  });

  it("takes bytes in either case, whole ones and up to their bound, and lowercases them", () => {
    const fields = [{ name: "key", bytes: 2 }] as const;
    const parse = (key: unknown) => parseFields(fields, { key }, "event");
    expect(["0x", "0xAb", "0xabcD"].map(parse)).to.deep.equal([
      { key: "0x" },
      { key: "0xab" },
      { key: "0xabcd" },
    ]);
    for (const key of ["", "0", "0xa", "0xabcdef", "0xzz", "abcd", 171, null, undefined]) {
      expect(parse(key), String(key)).to.deep.include({
        refusal: "malformed",
        message: "event.key must be 0x and at most 2 bytes of hex digits",
      });
    }
  });

  it("bounds lists", () => {
    const fields = [{ name: "items", list: [{ name: "n", type: "uint8" }], max: 2 }] as const;
    expect(parseFields(fields, { items: [{ n: 1 }, { n: 255 }] }, "x")).to.deep.equal({
      items: [{ n: 1 }, { n: 255 }],
    });
    expect(parseFields(fields, { items: [{ n: 1 }, { n: 2 }, { n: 3 }] }, "x")).to.deep.equal({
      refusal: "malformed",
      message: "x.items must be a list of at most 2",
    });
    expect(parseFields(fields, { items: [{ n: 256 }] }, "x")).to.deep.equal({
      refusal: "malformed",
      message: "x.items[0].n must be a whole number from 0 to 255",
    });
  });
});
