import type { Address } from "@link-rewards/core/encoding/bytes";
import { addAddress, addressAt, emptyAddresses, numberOf } from "@link-rewards/core/law/addresses";
import { accountBoundAt, bind, emptyDevices, enrol } from "@link-rewards/core/law/devices";
import { setFrom, type Timeline, valueAt } from "@link-rewards/core/law/timeline";
import { expect } from "chai";
import fc from "fast-check";
import { hexes } from "../arbitraries.ts";

/** Few, and alike: what differs in one byte only is where a table of bytes goes wrong. */
const alike = fc.tuple(fc.nat(19), fc.nat(255)).map(([at, value]): Address => {
  const bytes = new Uint8Array(20);
  bytes[at] = value;
  return `0x${Buffer.from(bytes).toString("hex")}`;
});
const addresses = fc.array(fc.oneof(alike, hexes(20)), { maxLength: 400 });
const seeds = fc.integer();

describe("a table of addresses", () => {
  it("numbers each once, in the order in which they come, as a Map would", () => {
    fc.assert(
      fc.property(addresses, addresses, seeds, (added, asked, seed) => {
        const table = emptyAddresses(seed);
        const map = new Map<Address, number>();
        for (const address of added) {
          const known = map.has(address);
          if (!known) map.set(address, map.size);
          expect(addAddress(table, address)).to.deep.equal({ number: map.get(address), known });
        }
        expect(table.count).to.equal(map.size);
        for (const address of [...added, ...asked])
          expect(numberOf(table, address)).to.equal(map.get(address));
        for (const [address, number] of map) expect(addressAt(table, number)).to.equal(address);
        expect(() => addressAt(table, map.size)).to.throw(RangeError);
      }),
    );
  });

  it("knows nothing that is no address", () => {
    const table = emptyAddresses(0);
    addAddress(table, `0x${"00".repeat(20)}`);
    for (const bad of ["0x", "", `0x${"00".repeat(19)}`, `0x${"00".repeat(21)}`])
      expect(numberOf(table, bad as Address)).to.equal(undefined);
    expect(() => addAddress(table, "0x12")).to.throw(/no address/);
  });

  it("stays fast for addresses that were chosen to fall into one place", () => {
    // Chosen against the multipliers of seed 0 would be possible; against chance it is not: these differ by little only.
    const table = emptyAddresses(12_345);
    const chosen = (i: number): Address => `0x${i.toString(16).padStart(8, "0").padEnd(40, "0")}`;
    for (let i = 0; i < 50_000; i++) addAddress(table, chosen(i));
    const taken = [...table.slots].map((slot) => slot !== 0);
    let longest = 0;
    for (let i = 0, run = 0; i < taken.length; i++) {
      run = taken[i] ? run + 1 : 0;
      longest = Math.max(longest, run);
    }
    expect(longest).to.be.below(1_000);
  });
});

describe("a table of devices", () => {
  it("keeps bindings as a timeline does, whatever their order", () => {
    const bindings = fc.array(fc.tuple(fc.nat(9), fc.nat(5)), { maxLength: 12 });
    fc.assert(
      fc.property(fc.array(bindings, { maxLength: 5 }), (all) => {
        const devices = emptyDevices(0);
        for (const [i, own] of all.entries()) {
          const device = enrol(devices, `0x${String(i).padStart(40, "0")}`, i);
          const timeline: Timeline<number> = [];
          for (const [fromEpoch, account] of own) {
            bind(devices, device, account, fromEpoch);
            setFrom(timeline, fromEpoch, account);
          }
          for (let epoch = 0; epoch < 11; epoch++)
            expect(accountBoundAt(devices, device, epoch)).to.equal(valueAt(timeline, epoch));
        }
      }),
    );
  });

  it("enrols none twice, and no public key of another length", () => {
    const devices = emptyDevices(0);
    enrol(devices, `0x${"11".repeat(20)}`, 1);
    expect(() => enrol(devices, `0x${"11".repeat(20)}`, 1)).to.throw(/enrolled twice/);
    expect(() => enrol(devices, `0x${"22".repeat(20)}`, 1, "0xabcd")).to.throw(/2 bytes long/);
  });
});
