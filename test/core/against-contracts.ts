import { type Address, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import type { ScalarField, StructOf } from "@link-rewards/core/encoding/fields";
import { isRefused } from "@link-rewards/core/encoding/refusal";
import { domainSeparator } from "@link-rewards/core/encoding/typed";
import { feeOf } from "@link-rewards/core/epoch/value";
import { decodeLog } from "@link-rewards/core/law/decode-log";
import type { LawEvent } from "@link-rewards/core/law/events";
import {
  accountCount,
  accountsAt,
  capAt,
  deviceClass,
  fund,
  indexOf,
  isCustomerAt,
  isEnrolled,
  isInspectorAt,
  isKeyAt,
  type Law,
  limitAt,
  membersAt,
  ownerAt,
  paid,
  publicKeyOf,
  rulesAt,
  tariffAt,
  thresholdAt,
} from "@link-rewards/core/law/law";
import { replay } from "@link-rewards/core/law/replay";
import { valueAt } from "@link-rewards/core/law/timeline";
import { RECEIPT_FIELDS, receiptDigest } from "@link-rewards/core/signed/receipt";
import { REPORT_FIELDS, reportDigest } from "@link-rewards/core/signed/report";
import { VOUCHER_FIELDS, voucherDigest } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import { type BaseContract, MaxUint256, parseEther } from "ethers";
import fc from "fast-check";
import { isP256, signFor } from "../contracts/support/signing.ts";
import {
  accountOf,
  BOND,
  consentOf,
  deployedWorld,
  deviceOf,
  EPOCH_SECONDS,
  enrol,
  from,
  sealTimeOf,
  sender,
  signConsent,
  type World,
  walletOf,
} from "../worlds/contracts.ts";
import { structs } from "./arbitraries.ts";

/** The core holds to the contracts themselves: digests, the fee, and the law replayed from their events. */
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

  it("takes the fee that the ledger takes, of any amount", async () => {
    const { ledger, governance, connection } = await from(deployedWorld);
    const amounts = fc.bigInt({ min: 0n, max: 2n ** 96n - 1n });
    const property = fc.asyncProperty(
      fc.integer({ min: 0, max: 5_000 }),
      fc.array(amounts, { minLength: 3, maxLength: 3 }),
      async (feeBps, earned) => {
        const tariff = { egressPrice: 1, storagePrice: 1, computePrice: 1, feeBps };
        await ledger.connect(governance).setTariff(tariff);
        const epoch = (await ledger.currentEpoch()) + 1n;
        for (const delta of [0n, 2n ** 96n - 1n, ...earned]) {
          expect(feeOf(delta, feeBps)).to.equal(await ledger.feeOf(delta, epoch));
        }
        await connection.networkHelpers.mine();
      },
    );
    await fc.assert(property, { numRuns: 20 });
  });

  it("replays their events to what they say, and what a sealed epoch is asked never changes", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const world = await from(deployedWorld);
        const thresholds = new Map<number, number>();
        for (const action of history) {
          await act(world, action);
          const { ledger, quorum } = world;
          thresholds.set(Number(await ledger.currentEpoch()), Number(await quorum.threshold()));
        }
        const events = await lawEvents(world);
        const law = replay(events);
        await expectSame(world, law);
        // What a running epoch asks for never changes, so the last law knows it of every epoch.
        for (const [epoch, threshold] of thresholds) {
          expect(thresholdAt(law, epoch), `threshold of ${epoch}`).to.equal(threshold);
        }
        await expectSealed(world, law, events);
      }),
      { numRuns: 6 },
    );
  }).timeout(240_000);
});

const DEVICES = 4;
const ACCOUNTS = 3;
const KEYS = 2;
const MEMBERS = 6;
const LAST_EPOCH = 20;

const device = (n: number) => deviceOf(`device ${n % DEVICES}`);
const account = (n: number) => accountOf(n % ACCOUNTS);
const key = (n: number) => walletOf(`gateway ${n % KEYS}`);
const member = (n: number) => walletOf(`member ${n % MEMBERS}`);
const successor = (n: number) => walletOf(`successor of member ${n % MEMBERS}`);
const memberKeys = Array.from({ length: MEMBERS }, (_, n) => [member(n), successor(n)]).flat();
const customers = ({ customer, stranger }: World) => [customer, stranger];

type Action = { readonly name: keyof typeof ACTIONS; readonly a: number; readonly b: number };

const ACTIONS = {
  wait: ({ connection }: World, a: number) =>
    connection.networkHelpers.time.increase(1 + Math.floor((a * EPOCH_SECONDS) / 100)),
  enrol: (world: World, a: number, b: number) => enrol(world, [device(a)], b % 2),
  bind: async (world: World, a: number, b: number) => {
    const consent = await consentOf(world, device(a), account(b));
    return world.registry.bind([consent], [await signConsent(world, consent, device(a))]);
  },
  transfer: async (world: World, a: number, b: number) => {
    const { account: owner } = await world.registry.deviceOf(device(a).address);
    await world.registry
      .connect(await sender(world, owner))
      .transfer(device(a).address, account(b));
    const to = await sender(world, account(b));
    return world.registry.connect(to).acceptTransfer(device(a).address);
  },
  revoke: ({ registry, manufacturer }: World, a: number, b: number) =>
    registry.connect(manufacturer).revoke([device(a).address], `reason ${b}`),
  admit: (world: World, a: number) =>
    world.escrow.connect(world.admission).admit(customers(world)[a % 2]?.address ?? ""),
  dismiss: (world: World, a: number) =>
    world.escrow.connect(world.admission).dismiss(customers(world)[a % 2]?.address ?? ""),
  setKey: (world: World, a: number, b: number) =>
    world.escrow.connect(customers(world)[a % 2]).setKey(key(b), a % 5 === 0 ? 0 : a * 10 ** 9),
  setEndpoint: (world: World, a: number, b: number) =>
    world.escrow.connect(customers(world)[a % 2]).setEndpoint(b % 3 === 0 ? "" : `wss://${b}`),
  collect: async (world: World, a: number, b: number) => {
    const { escrow, token, customer } = world;
    const payer = customers(world)[a % 2]?.address ?? "";
    await token.connect(customer).approve(escrow, MaxUint256);
    await escrow.connect(customer).depositFor(payer, parseEther("1"));
    const epoch = Number(await escrow.collectableEpoch());
    const amount = (await escrow.paid(payer, epoch)) + BigInt(1 + a) * 10n ** 9n;
    const voucher = { customer: payer, epoch, amount };
    return escrow.collect([voucher], [await signFor(escrow, "Voucher", voucher, key(b))]);
  },
  addInspector: (world: World, a: number) =>
    world.programme.connect(world.governance).addInspector(customers(world)[a % 2] ?? ""),
  removeInspector: (world: World, a: number) =>
    world.programme.connect(world.governance).removeInspector(customers(world)[a % 2] ?? ""),
  setTerms: async ({ registry, ledger, judge, governance }: World, a: number, b: number) => {
    const limit = { egressBytes: a, storageByteSeconds: b, computeMilliseconds: a + b };
    const tariff = { egressPrice: a, storagePrice: b, computePrice: a + b, feeBps: a };
    await registry.connect(governance).setClassLimit(b % 2, limit);
    await ledger.connect(governance).setTariff(tariff);
    const rulesHash = `0x${"00".repeat(31)}${(16 + a).toString(16)}`;
    return ledger.connect(governance).setRules(rulesHash, judge);
  },
  addMember: async ({ quorum, token, governance, treasury }: World, a: number) => {
    const count = Number(await quorum.members()) + 1;
    await quorum.connect(governance).addMember(member(a), Math.floor(count / 2) + 1);
    await token.connect(treasury).approve(quorum, MaxUint256);
    return quorum.connect(treasury).depositBond(member(a), BOND);
  },
  removeMember: ({ quorum, governance }: World, a: number) =>
    quorum.connect(governance).removeMember(member(a)),
  exit: async (world: World, a: number, b: number) => {
    const own = await sender(world, (b % 2 === 0 ? member(a) : successor(a)).address);
    return world.quorum.connect(own).exit();
  },
  rotate: async (world: World, a: number) =>
    world.quorum.connect(await sender(world, member(a).address)).rotate(successor(a)),
  setThreshold: async ({ quorum, governance }: World, a: number) =>
    quorum.connect(governance).setThreshold(1 + (a % MEMBERS)),
  slash: async ({ quorum, ledger }: World, a: number) => {
    const one = { ...NO_REPORT, bundleHash: `0x${"11".repeat(32)}` };
    const [first, second] = [
      await signFor(ledger, "Report", NO_REPORT, member(a)),
      await signFor(ledger, "Report", one, member(a)),
    ];
    return quorum.proveEquivocation(NO_REPORT, one, first, second);
  },
};

const ZERO = `0x${"00".repeat(32)}`;
const NO_REPORT = {
  epoch: 9,
  attempt: 0,
  prevRoot: ZERO,
  root: ZERO,
  contributionRoot: ZERO,
  invoiceRoot: ZERO,
  contributions: 0,
  total: 0,
  bundleHash: ZERO,
  rulesHash: ZERO,
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
    { name: "setKey", a: 1 + n, b: n >> 1 },
    { name: "addMember", a: n, b: 0 },
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

async function lawEvents(world: World): Promise<readonly LawEvent[]> {
  const { registry, programme, escrow, ledger, quorum } = world;
  const events: LawEvent[] = [];
  for (const contract of [registry, programme, escrow, ledger, quorum] as const) {
    const filter = { address: await contract.getAddress(), fromBlock: 0, toBlock: "latest" };
    const logs = await world.connection.ethers.provider.getLogs(filter);
    for (const { topics, data, blockNumber, index } of logs) {
      const event = decodeLog({ topics, data, blockNumber, logIndex: index });
      if (event === undefined) continue;
      if (isRefused(event)) throw new Error(event.message);
      events.push(event);
    }
  }
  return events.sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
}

async function expectSame(world: World, law: Law): Promise<void> {
  const { registry, programme, escrow, ledger, quorum } = world;
  expect(law.revisions).to.deep.equal({
    deviceRegistry: Number(await registry.revision()),
    rewardProgramme: Number(await programme.revision()),
    customerEscrow: Number(await escrow.revision()),
    epochLedger: Number(await ledger.revision()),
    oracleQuorum: Number(await quorum.revision()),
  });
  const current = Number(await quorum.currentEpoch());
  const active = [];
  for (const { address } of memberKeys) {
    if (await quorum.isActive(address)) active.push(lowercaseHex(address));
  }
  expect(membersAt(law, current)).to.have.members(active);
  const orNobody = (owner: Address | undefined) => owner ?? `0x${"00".repeat(20)}`;
  expect(BigInt(accountCount(law))).to.equal(await registry.accounts());
  for (let n = 0; n < ACCOUNTS; n++) {
    const index = await registry.indexOf(account(n));
    const ours = indexOf(law, lowercaseHex(account(n)));
    expect(ours === undefined ? await registry.NO_INDEX() : BigInt(ours)).to.equal(index);
  }
  for (let n = 0; n < DEVICES; n++) {
    const { keyType } = await registry.deviceOf(device(n).address);
    const wallet = device(n);
    const ours = lowercaseHex(wallet.address);
    expect([!isEnrolled(law, ours), publicKeyOf(law, ours)]).to.deep.equal(
      keyType === 0n ? [true, undefined] : [false, isP256(wallet) ? wallet.publicKey : undefined],
    );
  }
  for (let epoch = 0; epoch <= LAST_EPOCH; epoch++) {
    expect(BigInt(accountsAt(law, epoch))).to.equal(await registry.accountsAt(epoch));
    for (let n = 0; n < DEVICES; n++) {
      const owner = lowercaseHex(await registry.ownerAt(device(n).address, epoch));
      expect(orNobody(ownerAt(law, lowercaseHex(device(n).address), epoch))).to.equal(owner);
    }
    for (const payer of customers(world)) {
      const ours = lowercaseHex(payer.address);
      expect(isCustomerAt(law, ours, epoch)).to.equal(await escrow.isCustomerAt(payer, epoch));
      expect(paid(law, ours, epoch)).to.equal(await escrow.paid(payer, epoch));
      expect(isInspectorAt(law, ours, epoch)).to.equal(await programme.isInspectorAt(payer, epoch));
      for (let n = 0; n < KEYS; n++) {
        const theirs = await escrow.capAt(payer, key(n), epoch);
        expect(capAt(law, ours, lowercaseHex(key(n).address), epoch)).to.equal(theirs);
      }
    }
    expect(fund(law, epoch)).to.equal(await escrow.fund(epoch));
    const rules = await ledger.rulesAt(epoch);
    expect(rulesAt(law, epoch)).to.equal(rules);
    const judge = lowercaseHex(await ledger.judgeOf(rules));
    expect(orNobody(valueAt(law.rules, epoch)?.judge)).to.equal(judge);
    const { egressPrice, storagePrice, computePrice, feeBps } = await ledger.tariffAt(epoch);
    const tariff = { egressPrice, storagePrice, computePrice, feeBps: Number(feeBps) };
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
    leaves: accountsAt(law, epoch),
    threshold: thresholdAt(law, epoch),
    tariff: tariffAt(law, epoch),
    rules: rulesAt(law, epoch),
    limits: [0, 1].map((ofClass) => limitAt(law, ofClass, epoch)),
  };
}
