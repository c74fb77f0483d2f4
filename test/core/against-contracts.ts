import { type Address, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import type { ScalarField, StructOf } from "@link-rewards/core/encoding/fields";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { emission } from "@link-rewards/core/epoch/emission";
import { eventFromLog } from "@link-rewards/core/law/event-from-log";
import { isLawEventName, type LawEvent } from "@link-rewards/core/law/events";
import {
  accountsAt,
  collected,
  deviceClass,
  fund,
  indexOf,
  isCustomerAt,
  isKeyAt,
  type Law,
  limitAt,
  ownerAt,
  paid,
  rulesAt,
  tariffAt,
} from "@link-rewards/core/law/law";
import { replay } from "@link-rewards/core/law/replay";
import { RECEIPT_FIELDS, receiptDigest } from "@link-rewards/core/signed/receipt";
import { REPORT_FIELDS, reportDigest } from "@link-rewards/core/signed/report";
import { VOUCHER_FIELDS, voucherDigest } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import { type BaseContract, MaxUint256, parseEther } from "ethers";
import fc from "fast-check";
import { signFor } from "../contracts/support/signing.ts";
import {
  accountOf,
  bindSignature,
  deployedWorld,
  EPOCH_SECONDS,
  from,
  NO_DEADLINE,
  sealTimeOf,
  sender,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { structs } from "./arbitraries.ts";

/** The core holds to the contracts themselves: digests, emission, and the law replayed from their events. */
describe("against the contracts", () => {
  it("digests receipts, vouchers and reports as they do", async () => {
    const { registry, escrow, ledger } = await from(deployedWorld);
    const agrees = async <F extends readonly ScalarField[]>(
      fields: F,
      contract: BaseContract,
      ours: (domain: Uint8Array, value: StructOf<F>) => Uint8Array,
      theirs: (value: StructOf<F>) => Promise<string>,
    ) => {
      const domain = domainSeparator(31337, lowercaseHex(await contract.getAddress()));
      const property = fc.asyncProperty(structs(fields), async (value) => {
        expect(toHex(ours(domain, value))).to.equal(await theirs(value));
      });
      await fc.assert(property, { numRuns: 25 });
    };
    await agrees(RECEIPT_FIELDS, registry, receiptDigest, (value) => registry.receiptDigest(value));
    await agrees(VOUCHER_FIELDS, escrow, voucherDigest, (value) => escrow.voucherDigest(value));
    await agrees(REPORT_FIELDS, ledger, reportDigest, (value) => ledger.reportDigest(value));
  });

  it("issues what the ledger issues, in every epoch", async () => {
    const { ledger } = await from(deployedWorld);
    const share = await ledger.emissionShare();
    const epochs = [1, 2, 365, 366, 730, 731, 127 * 365 + 1, 128 * 365, 128 * 365 + 1, 2 ** 32 - 1];
    for (const epoch of [...epochs, ...fc.sample(fc.integer({ min: 1, max: 2 ** 32 - 1 }), 20)]) {
      expect(emission(epoch, share, EPOCH_SECONDS), `epoch ${epoch}`).to.equal(
        await ledger.emission(epoch),
      );
    }
  });

  it("replays their events to what they say, and what a sealed epoch is asked never changes", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const world = await from(deployedWorld);
        for (const action of history) await act(world, action);
        const events = await lawEvents(world);
        const law = replay(events);
        await expectSame(world, law);
        await expectSealed(world, law, events);
      }),
      { numRuns: 6 },
    );
  }).timeout(240_000);
});

const DEVICES = 4;
const ACCOUNTS = 3;
const KEYS = 2;
const LAST_EPOCH = 20;

const device = (n: number) => walletOf(`device ${n % DEVICES}`);
const account = (n: number) => accountOf(n % ACCOUNTS);
const key = (n: number) => walletOf(`gateway ${n % KEYS}`);
const customers = ({ customer, stranger }: World) => [customer, stranger];

type Action = { readonly name: keyof typeof ACTIONS; readonly a: number; readonly b: number };

const ACTIONS = {
  wait: ({ connection }: World, a: number) =>
    connection.networkHelpers.time.increase(1 + Math.floor((a * EPOCH_SECONDS) / 100)),
  enrol: ({ registry, manufacturer }: World, a: number, b: number) =>
    registry.connect(manufacturer).enrol([device(a).address], b % 2),
  bind: async (world: World, a: number, b: number) => {
    const signature = await bindSignature(world, device(a), account(b));
    return world.registry.bind(device(a).address, account(b), NO_DEADLINE, signature);
  },
  transfer: async (world: World, a: number, b: number) => {
    const { account: owner } = await world.registry.deviceOf(device(a).address);
    await world.registry
      .connect(await sender(world, owner))
      .transfer(device(a).address, account(b));
    const to = await sender(world, account(b));
    return world.registry.connect(to).acceptTransfer(device(a).address);
  },
  revoke: ({ registry, manufacturer }: World, a: number) =>
    registry.connect(manufacturer).revoke([device(a).address]),
  admit: (world: World, a: number) =>
    world.escrow.connect(world.admission).admit(customers(world)[a % 2]?.address ?? ""),
  dismiss: (world: World, a: number) =>
    world.escrow.connect(world.admission).dismiss(customers(world)[a % 2]?.address ?? ""),
  addKey: (world: World, a: number, b: number) =>
    world.escrow.connect(customers(world)[a % 2]).addKey(key(b)),
  removeKey: (world: World, a: number, b: number) =>
    world.escrow.connect(customers(world)[a % 2]).removeKey(key(b)),
  collect: async (world: World, a: number, b: number) => {
    const { escrow, token, customer, registry } = world;
    const payer = customers(world)[a % 2]?.address ?? "";
    await token.connect(customer).approve(escrow, MaxUint256);
    await escrow.connect(customer).depositFor(payer, parseEther("1"));
    const epoch = Math.max(1, Number(await registry.currentEpoch()) - (b % 3));
    const before = await escrow.collected(payer);
    const voucher = { customer: payer, epoch, cumulative: before + BigInt(1 + a) * 10n ** 16n };
    return escrow.collect(voucher, await signFor(escrow, "Voucher", voucher, key(b)));
  },
  setTerms: async ({ registry, ledger, governance }: World, a: number, b: number) => {
    const limit = { egressBytes: a, storageByteSeconds: b, computeMilliseconds: a + b };
    const tariff = { egressPrice: a, storagePrice: b, computePrice: a + b, rewardCapBps: a };
    await registry.connect(governance).setClassLimit(b % 2, limit);
    await ledger.connect(governance).setTariff(tariff);
    return ledger.connect(governance).setRules(`0x${"00".repeat(31)}${(16 + a).toString(16)}`);
  },
};

const actions: fc.Arbitrary<Action> = fc.record({
  // Time passes twice as often as anything else happens, so that a history has several epochs.
  name: fc.constantFrom(...(Object.keys(ACTIONS) as (keyof typeof ACTIONS)[]), "wait" as const),
  a: fc.nat(99),
  b: fc.nat(99),
});

/** Begins with enough for most of what follows to succeed. */
const histories = fc.array(actions, { minLength: 40, maxLength: 80 }).map((random) => {
  const opening: Action[] = [0, 1, 2, 3].flatMap((n): Action[] => [
    { name: "enrol", a: n, b: n },
    { name: "bind", a: n, b: n },
    { name: "admit", a: n, b: 0 },
    { name: "addKey", a: n, b: n >> 1 },
  ]);
  return [
    ...opening,
    { name: "wait", a: 99, b: 0 } as const,
    { name: "wait", a: 99, b: 0 } as const,
    ...random,
  ];
});

/** What the contracts refuse is as good a part of a history as what they take. */
async function act(world: World, { name, a, b }: Action): Promise<void> {
  try {
    await ACTIONS[name](world, a, b);
  } catch (error) {
    if (!/revert|custom error|unrecognized/i.test(String(error))) throw error;
  }
}

async function lawEvents({
  connection,
  registry,
  escrow,
  ledger,
  quorum,
}: World): Promise<readonly LawEvent[]> {
  const events: LawEvent[] = [];
  for (const contract of [registry, escrow, ledger, quorum] as readonly BaseContract[]) {
    const filter = { address: await contract.getAddress(), fromBlock: 0, toBlock: "latest" };
    for (const log of await connection.ethers.provider.getLogs(filter)) {
      const parsed = contract.interface.parseLog(log);
      if (parsed === null || !isLawEventName(parsed.name)) continue;
      const args = parsed.args as unknown as Record<string, unknown>;
      events.push(eventFromLog(parsed.name, args, log.blockNumber, log.index));
    }
  }
  return events.sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
}

async function expectSame(world: World, law: Law): Promise<void> {
  const { registry, escrow, ledger } = world;
  const orNobody = (owner: Address | undefined) => owner ?? `0x${"00".repeat(20)}`;
  expect(BigInt(law.accounts.length)).to.equal(await registry.accounts());
  for (let n = 0; n < ACCOUNTS; n++) {
    const index = await registry.indexOf(account(n));
    const ours = indexOf(law, lowercaseHex(account(n)));
    expect(ours === undefined ? await registry.NO_INDEX() : BigInt(ours)).to.equal(index);
  }
  for (let epoch = 0; epoch <= LAST_EPOCH; epoch++) {
    for (let n = 0; n < DEVICES; n++) {
      const owner = lowercaseHex(await registry.ownerAt(device(n).address, epoch));
      expect(orNobody(ownerAt(law, lowercaseHex(device(n).address), epoch))).to.equal(owner);
    }
    for (const payer of customers(world)) {
      const ours = lowercaseHex(payer.address);
      expect(isCustomerAt(law, ours, epoch)).to.equal(await escrow.isCustomerAt(payer, epoch));
      expect(paid(law, ours, epoch)).to.equal(await escrow.paid(payer, epoch));
      expect(collected(law, ours)).to.equal(await escrow.collected(payer));
      for (let n = 0; n < KEYS; n++) {
        const theirs = await escrow.isKeyAt(payer, key(n), epoch);
        expect(isKeyAt(law, ours, lowercaseHex(key(n).address), epoch)).to.equal(theirs);
      }
    }
    expect(fund(law, epoch)).to.equal(await escrow.fund(epoch));
    expect(rulesAt(law, epoch)).to.equal(await ledger.rulesAt(epoch));
    const { egressPrice, storagePrice, computePrice, rewardCapBps } = await ledger.tariffAt(epoch);
    const tariff = { egressPrice, storagePrice, computePrice, rewardCapBps: Number(rewardCapBps) };
    expect(tariffAt(law, epoch)).to.deep.equal(tariff);
    for (const ofClass of [0, 1]) {
      const limit = await registry.limitAt(ofClass, epoch);
      const { egressBytes, storageByteSeconds, computeMilliseconds } = limit;
      const theirs = { egressBytes, storageByteSeconds, computeMilliseconds };
      expect(limitAt(law, ofClass, epoch)).to.deep.equal(theirs);
    }
  }
}

/** For each epoch whose seal time has passed: the law as it stood then, against the law as it stands now. */
async function expectSealed(
  { connection }: World,
  law: Law,
  events: readonly LawEvent[],
): Promise<void> {
  const { provider } = connection.ethers;
  const head = await provider.getBlockNumber();
  let sealBlock = 0;
  for (let epoch = 1; ; epoch++) {
    for (let block = sealBlock; block <= head; block++) {
      if (((await provider.getBlock(block))?.timestamp ?? 0) >= sealTimeOf(epoch)) break;
      sealBlock = block;
    }
    if (sealBlock === head) return;
    const then = replay(events.filter(({ blockNumber }) => blockNumber <= sealBlock));
    expect(factsOf(then, epoch)).to.deep.equal(factsOf(law, epoch));
    expect(accountsAt(law, sealBlock)).to.equal(then.accounts.length);
  }
}

function factsOf(law: Law, epoch: number): unknown {
  // A device enrolled since then is unknown in one and unbound in the other: nobody's in both.
  const devices = Array.from({ length: DEVICES }, (_, n) => lowercaseHex(device(n).address));
  const owned = devices.filter((address) => ownerAt(law, address, epoch) !== undefined);
  return {
    owners: devices.map((address) => ownerAt(law, address, epoch)),
    classes: owned.map((address) => deviceClass(law, address)),
    paid: [...law.customers.keys()]
      .sort()
      .map((payer) => paid(law, payer, epoch))
      .filter(Boolean),
    keys: [...law.customers.keys()]
      .sort()
      .map((payer) => [0, 1].map((n) => isKeyAt(law, payer, lowercaseHex(key(n).address), epoch)))
      .filter((known) => known.includes(true)),
    fund: fund(law, epoch),
    tariff: tariffAt(law, epoch),
    rules: rulesAt(law, epoch),
    limits: [0, 1].map((ofClass) => limitAt(law, ofClass, epoch)),
  };
}
