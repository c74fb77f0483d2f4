import { type Address, concatBytes, toHex } from "@link-rewards/core/encoding/bytes";
import type { Refused } from "@link-rewards/core/encoding/refusal";
import { gather, packContributions, withEarned } from "@link-rewards/core/epoch/contributions";
import { lawfulStored } from "@link-rewards/core/epoch/lawful";
import {
  CONTRIBUTION_BYTES,
  decodeContributions,
  MAX_CONTRIBUTIONS,
} from "@link-rewards/core/epoch/records";
import { missingFrom } from "@link-rewards/core/judge/missing";
import { accountAt, indexOf, type Law } from "@link-rewards/core/law/law";
import {
  packSignedReceipt,
  type Receipt,
  type SignedReceipt,
} from "@link-rewards/core/signed/receipt";
import { expect } from "chai";
import fc from "fast-check";
import {
  address,
  lawOf,
  receiptOf,
  registryDomain,
  signReceipt,
  verified,
} from "../../worlds/paper.ts";

const law = lawOf();
const pairs: Partial<Receipt>[] = ["device-1", "device-2", "device-3"].flatMap((device) =>
  ["customer-1", "customer-2"].map((customer) => ({
    device: address(device),
    customer: address(customer),
  })),
);
const signed = pairs.map((pair) => signReceipt(receiptOf(pair)));
const contributionsOf = (receipts: readonly SignedReceipt[], by: Law = law) =>
  packContributions(
    by,
    1,
    receipts.map((each) => verified(each, by)),
  );

describe("packContributions", () => {
  it("puts any order into that of (account index, device, customer)", () => {
    const expected = toHex(contributionsOf(signed).records);
    const place = ({ account, receipt }: { account: Address; receipt: Receipt }) =>
      `${indexOf(law, account)}${receipt.device}${receipt.customer}`;
    const places = decodeContributions(contributionsOf(signed).records).map(place);
    expect(places).to.deep.equal(places.toSorted());
    fc.assert(
      fc.property(
        fc.shuffledSubarray(signed, { minLength: signed.length }),
        (shuffled) => toHex(contributionsOf(shuffled).records) === expected,
      ),
      { numRuns: 20 },
    );
  });

  it("knows of each contribution its device, customer, account and amounts", () => {
    const { count, records, devices, customers, deviceOf, customerOf, accountIndexes, amountsOf } =
      contributionsOf(signed);
    expect(records).to.have.length(count * CONTRIBUTION_BYTES);
    for (const [i, { receipt, account }] of decodeContributions(records).entries()) {
      expect(devices[deviceOf[i] as number]).to.equal(receipt.device);
      expect(customers[customerOf[i] as number]).to.equal(receipt.customer);
      expect(accountAt(law, accountIndexes[deviceOf[i] as number] as number)).to.equal(account);
      const { egressBytes, storageByteSeconds, computeMilliseconds } = receipt;
      expect(amountsOf(i)).to.deep.equal({ egressBytes, storageByteSeconds, computeMilliseconds });
    }
  });
});

describe("gather", () => {
  it("takes as many contributions as a bundle can hold, and says when there is one more", () => {
    const gathering = gather(law, 1);
    const receipt = receiptOf();
    // The rest of them are not there: sixteen million would fill the memory.
    (gathering.columns.deviceOf as number[]).length = MAX_CONTRIBUTIONS - 1;
    expect(gathering.add(receipt, address("alice"))).to.equal(true);
    expect(() => gathering.add(receipt, address("alice"))).to.throw(
      "epoch 1 has more than 16000000 contributions",
    );
    expect(MAX_CONTRIBUTIONS * CONTRIBUTION_BYTES).to.be.below(2 ** 32);
  });

  it("says whether each stands after the one before it", () => {
    const inOrder = contributionsOf(signed);
    const rows = decodeContributions(inOrder.records);
    const addAll = (list: typeof rows) => {
      const gathering = gather(law, 1);
      return list.map(({ receipt, account }) => gathering.add(receipt, account));
    };
    expect(addAll(rows)).to.deep.equal(rows.map(() => true));
    expect(addAll(rows.toReversed()).slice(1)).to.deep.equal(rows.slice(1).map(() => false));
    expect(addAll([rows[0], rows[0]] as typeof rows)).to.deep.equal([true, false]);
  });
});

describe("withEarned", () => {
  const earned = signed.map((_, i) => BigInt(i) * 2n ** 80n);
  const published = (records: Uint8Array) => {
    const gathering = gather(law, 1);
    for (const { receipt, account } of decodeContributions(records))
      gathering.add(receipt, account);
    return gathering.inPlace(records);
  };

  it("writes into each row what it earned, and all rows up to it", () => {
    const rows = decodeContributions(withEarned(contributionsOf(signed), earned).records);
    expect(rows.map((row) => row.earned)).to.deep.equal(earned);
    let sum = 0n;
    for (const { subtotal, earned } of rows) {
      sum += earned;
      expect(subtotal).to.equal(sum);
    }
  });

  it("leaves a published file that is right as it is, and never writes to one that is not", () => {
    const right = withEarned(contributionsOf(signed), earned).records;
    expect(withEarned(published(right), earned).records).to.equal(right);
    const wrong = right.slice();
    wrong[wrong.length - 1] = 1 ^ (wrong.at(-1) as number);
    const before = wrong.slice();
    const { records, amountsOf } = withEarned(published(wrong), earned);
    expect(toHex(records)).to.equal(toHex(right));
    expect(toHex(wrong)).to.equal(toHex(before));
    expect(amountsOf(0)).to.deep.equal(contributionsOf(signed).amountsOf(0));
  });
});

describe("lawfulStored", () => {
  const pages = [signed.slice(0, 4), signed.slice(4), []].map((page) =>
    concatBytes(...page.map(packSignedReceipt)),
  );
  const seal = (by: Law, refused: [Uint8Array, Refused][] = []) => {
    const sealing = lawfulStored(by, 1);
    for (const page of pages) sealing.take(page, (packed, why) => refused.push([packed, why]));
    return sealing.finish();
  };

  it("comes to the same bytes as the receipts themselves", () => {
    expect(toHex(seal(law).records)).to.equal(toHex(contributionsOf(signed).records));
  });

  it("drops what the law has voided since it was stored, and says what", () => {
    const revoking = lawOf([
      "DeviceRevoked",
      { device: address("device-2"), fromEpoch: 1, reason: "" },
    ]);
    const refused: [Uint8Array, Refused][] = [];
    expect(seal(revoking, refused).count).to.equal(4);
    expect(refused.map(([, { refusal }]) => refusal)).to.deep.equal([
      "device-revoked",
      "device-revoked",
    ]);
    expect(refused.map(([packed]) => toHex(packed))).to.deep.equal(
      signed.slice(2, 4).map((each) => toHex(packSignedReceipt(each))),
    );
  });

  it("throws on one receipt twice: no store has two heads of one pair", () => {
    const sealing = lawfulStored(law, 1);
    for (const page of [...pages, pages[0] as Uint8Array]) sealing.take(page, () => undefined);
    expect(() => sealing.finish()).to.throw("two contributions of device");
  });
});

describe("missingFrom", () => {
  const context = { law, domain: registryDomain };
  const find = missingFrom(contributionsOf(signed.slice(1)), context);
  const page = (...receipts: SignedReceipt[]) => concatBytes(...receipts.map(packSignedReceipt));
  const second = pairs[1] ?? {};

  it("finds nothing missing of what is there or was replaced", () => {
    const late = contributionsOf([signReceipt(receiptOf({ ...second, sequence: 9 }))]);
    expect(find(page(...signed.slice(1)))).to.equal(undefined);
    expect(missingFrom(late, context)(page(signed[1] as SignedReceipt))).to.equal(undefined);
  });

  it("finds the first that is not there at all, and one that counts before what is there", () => {
    expect(find(page(...signed))?.receipt).to.deep.equal(signed[0]?.receipt);
    const higher = signReceipt(receiptOf({ ...second, sequence: 2 }));
    expect(find(page(signed[2] as SignedReceipt, higher))?.receipt).to.deep.equal(higher.receipt);
  });

  it("misses nothing that is not valid", () => {
    const forged = { ...(signed[0] as SignedReceipt), deviceSignature: new Uint8Array(64) };
    const stranger = signReceipt(receiptOf({ device: address("stranger") }));
    expect(find(page(forged, stranger))).to.equal(undefined);
  });
});
