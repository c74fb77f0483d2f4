import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Address } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { type Exposure, exposedSum, openExposure } from "../../device/node/exposure.ts";
import type { Payments } from "../../device/node/payments.ts";
import { protect } from "../../device/node/protect.ts";
import { address, receiptOf, tariff } from "../worlds/paper.ts";
import { NOTHING_SERVED } from "./support/service.ts";

const device = address("device-1");
const customer = address("customer-1");
/** At the tariff on paper a byte is worth a megawei. */
const BYTE = 10n ** 6n;
const TOLERANCE = { percent: 5n, least: { ...NOTHING_SERVED, egressBytes: 10n } };
const bytes = (egressBytes: bigint) => ({ ...NOTHING_SERVED, egressBytes });

describe("exposure", () => {
  let folder: string;
  let exposure: Exposure;
  const open = () => openExposure(folder, device, { tolerance: TOLERANCE, log: () => undefined });
  const sum = (of: Exposure = exposure) => exposedSum(of.of(customer));
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-exposure-"));
    exposure = await open();
    for (const epoch of [1, 2]) exposure.price(epoch, tariff);
  });
  afterEach(async () => {
    await exposure.close();
    await rm(folder, { recursive: true });
  });

  it("is what was served or signed, whichever is more, in all epochs that are not final", () => {
    exposure.serve(1, customer, bytes(100n));
    exposure.sign(receiptOf({ customer, epoch: 1, ...bytes(90n) }));
    expect(sum()).to.equal(100n * BYTE);
    exposure.sign(receiptOf({ customer, epoch: 2, ...bytes(500n) }));
    exposure.serve(2, address("customer-2"), bytes(7n));
    expect(sum()).to.equal(600n * BYTE);
  });

  it("falls by what counted, and by nothing else; what is left stays until it is forgiven", async () => {
    exposure.sign(receiptOf({ customer, epoch: 1, ...bytes(100n) }));
    exposure.settle(1, customer, 60n * BYTE, false);
    expect(sum()).to.equal(40n * BYTE);
    // The chain was reorganised.
    exposure.reopen(1, customer);
    expect(sum()).to.equal(100n * BYTE);
    exposure.settle(1, customer, 60n * BYTE, true);
    // Whatever is said of it later.
    exposure.settle(1, customer, 100n * BYTE, true);
    exposure.reopen(1, customer);
    expect(sum()).to.equal(40n * BYTE);
    await exposure.close();
    exposure = await open();
    expect(sum()).to.equal(40n * BYTE);
    await exposure.forgive(customer, 1);
    expect([sum(), sum(await open())]).to.deep.equal([0n, 0n]);
    expect(exposure.forgivenThrough(customer)).to.equal(1);
  });

  it("is over once a line counted in full: what was on its way is no debt, and more than that is", () => {
    exposure.serve(1, customer, bytes(100n));
    exposure.sign(receiptOf({ customer, epoch: 1, ...bytes(90n) }));
    exposure.settle(1, customer, 90n * BYTE, true);
    expect(sum()).to.equal(0n);
    exposure.serve(2, customer, bytes(1_000n));
    exposure.sign(receiptOf({ customer, epoch: 2, ...bytes(90n) }));
    exposure.settle(2, customer, 90n * BYTE, true);
    expect(sum()).to.equal((950n - 90n) * BYTE);
  });

  it("of an epoch that is settled does not come back with the book, which remembers longer", async () => {
    const receipt = receiptOf({ customer, epoch: 1, ...bytes(100n) });
    exposure.sign(receipt);
    exposure.settle(1, customer, 100n * BYTE, true);
    await exposure.close();
    exposure = await open();
    exposure.serve(1, customer, receipt);
    exposure.sign(receipt);
    expect(exposure.list()).to.deep.equal([]);
  });

  it("is not read from another device's file, nor from one that is damaged", async () => {
    exposure.sign(receiptOf({ customer, ...bytes(100n) }));
    await exposure.close();
    const path = join(folder, "exposure.json");
    const text = await readFile(path, "utf8");
    for (const [changed, reason] of [
      [text.replace(device, address("device-2")), /exposure\.json cannot be used: it is of device/],
      [text.slice(1), /exposure\.json cannot be used/],
      [text.replace('"egressBytes": "100"', '"egressBytes": "-1"'), /amounts\.egressBytes/],
    ] as const) {
      await writeFile(path, changed);
      expect(await open().then(String, ({ message }: Error) => message)).to.match(reason);
    }
  });

  describe("judged", () => {
    const NOTHING_KNOWN = { last: () => undefined, sealed: () => undefined, promised: () => 0n };
    function refusal(
      known: Partial<Pick<Payments, "last" | "sealed" | "promised">>,
      cover?: { spendable: bigint; paid: readonly (readonly [number, bigint])[] },
      of: ReadonlyMap<Address, bigint> = new Map(),
    ) {
      const { refusalOf } = protect({
        exposure,
        payments: { ...NOTHING_KNOWN, ...known },
        allowance: { most: 1_000n * BYTE, of },
        log: () => undefined,
      });
      const standing = { cap: 0n, tariff };
      const { spendable = 0n, paid = [] } = cover ?? {};
      return refusalOf(
        customer,
        cover ? { ...standing, cover: { spendable, paid: new Map(paid) } } : standing,
      )?.refusal;
    }

    it("reaches what the owner allows, for this customer or for all", () => {
      exposure.serve(1, customer, bytes(999n));
      expect(refusal({})).to.equal(undefined);
      expect(refusal({}, undefined, new Map([[customer, 999n * BYTE]]))).to.equal(
        "exposure-reached",
      );
      exposure.serve(1, customer, bytes(1_000n));
      expect(refusal({})).to.equal("exposure-reached");
      expect(refusal({}, undefined, new Map([[customer, 1_001n * BYTE]]))).to.equal(undefined);
    });

    it("is covered by a balance, and by what was paid for that very epoch, less what others were promised", () => {
      exposure.serve(1, customer, bytes(100n));
      exposure.serve(2, customer, bytes(50n));
      const nothingPaid = [
        [1, 0n],
        [2, 0n],
      ] as const;
      expect(refusal({}, { spendable: 150n * BYTE, paid: nothingPaid })).to.equal(
        "customer-uncovered",
      );
      expect(refusal({}, { spendable: 150n * BYTE + 1n, paid: nothingPaid })).to.equal(undefined);
      // What was paid too much for one epoch pays for no other one.
      const first = [
        [1, 1_000n * BYTE],
        [2, 0n],
      ] as const;
      expect(refusal({}, { spendable: 50n * BYTE + 1n, paid: first })).to.equal(undefined);
      expect(refusal({}, { spendable: 50n * BYTE, paid: first })).to.equal("customer-uncovered");
      const promised = (epoch: number) => (epoch === 2 ? 200n * BYTE : 0n);
      const paid = nothingPaid;
      expect(refusal({ promised }, { spendable: 300n * BYTE, paid })).to.equal(
        "customer-uncovered",
      );
      expect(refusal({ promised }, { spendable: 300n * BYTE + 1n, paid })).to.equal(undefined);
    });

    it("is not paid when the last final epoch was not, unless that is forgiven", async () => {
      const last = () => ({ epoch: 3, isWhole: false, paid: 5n, by: "chain" as const });
      expect(refusal({ last })).to.equal("customer-unpaid");
      expect(refusal({ last: () => ({ ...last(), isWhole: true }) })).to.equal(undefined);
      await exposure.forgive(customer, 2);
      expect(refusal({ last })).to.equal("customer-unpaid");
      await exposure.forgive(customer, 3);
      expect(refusal({ last })).to.equal(undefined);
    });

    it("is not paid when a sealed epoch was paid less than was signed for", () => {
      exposure.serve(1, customer, bytes(120n));
      exposure.sign(receiptOf({ customer, epoch: 1, ...bytes(100n) }));
      const paid = (amount: bigint) => ({
        sealed: (epoch: number) => (epoch === 1 ? amount : undefined),
      });
      expect(refusal(paid(100n * BYTE - 1n))).to.equal("customer-unpaid");
      expect(refusal(paid(100n * BYTE))).to.equal(undefined);
    });
  });
});
