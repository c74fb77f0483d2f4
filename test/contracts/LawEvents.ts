import { EMITTER_OF, LAW_EVENTS, type LawEventName } from "@link-rewards/core/law/events";
import { expect } from "chai";
import { type BaseContract, id } from "ethers";
import {
  accountOf,
  bindDevice,
  deployedWorld,
  from,
  goTo,
  sealTimeOf,
  sender,
  startOf,
  TIMEOUT_SECONDS,
  walletOf,
} from "../worlds/contracts.ts";
import { collect, ltk } from "./support/customers.ts";
import {
  finalize,
  firstFinal,
  ltkTree,
  pendingReport,
  reportOf,
  type Staffed,
} from "./support/epochs.ts";
import { honestLeaves, orderEvidence, treeOf } from "./support/reward-tree.ts";
import { signFor } from "./support/signing.ts";
import { convict } from "./support/trial.ts";

const DEVICE = walletOf("some device");
const MONTH_SECONDS = 30 * 24 * 3600;

const LIMIT = { egressBytes: 1, storageByteSeconds: 2, computeMilliseconds: 3 };
const TARIFF = { egressPrice: 1, storagePrice: 2, computePrice: 3, feeBps: 4 };

type Cause = (world: Staffed) => Promise<unknown>;

/** One way to each law event, in an order in which all of them are possible after epoch 1 is final. */
const CAUSES: Readonly<Record<LawEventName, Cause>> = {
  DeviceEnrolled: ({ registry, manufacturer }) =>
    registry.connect(manufacturer).enrol([DEVICE.address, walletOf("spare").address], 1),
  ClassLimitSet: ({ registry, governance }) => registry.connect(governance).setClassLimit(1, LIMIT),
  AccountIndexed: (world) => bindDevice(world, walletOf("next device"), accountOf(50)),
  DeviceBound: (world) => bindDevice(world, walletOf("third device"), accountOf(50)),
  DeviceTransferred: async (world) => {
    const { registry, stranger } = world;
    const { account } = await registry.deviceOf(walletOf("device 0"));
    await registry.connect(await sender(world, account)).transfer(walletOf("device 0"), stranger);
    return registry.connect(stranger).acceptTransfer(walletOf("device 0"));
  },
  DeviceRevoked: ({ registry, manufacturer }) =>
    registry.connect(manufacturer).revoke([DEVICE.address, walletOf("spare").address], "broken"),
  InspectorAdded: ({ programme, governance }) =>
    programme.connect(governance).addInspector(accountOf(7)),
  InspectorRemoved: ({ programme, governance }) =>
    programme.connect(governance).removeInspector(accountOf(7)),
  CustomerAdmitted: ({ escrow, admission }) => escrow.connect(admission).admit(accountOf(8)),
  CustomerDismissed: ({ escrow, admission }) => escrow.connect(admission).dismiss(accountOf(8)),
  KeySet: ({ escrow, customer }) => escrow.connect(customer).setKey(accountOf(9), ltk(5)),
  EndpointSet: ({ escrow, customer }) => escrow.connect(customer).setEndpoint("wss://here.example"),
  VoucherCollected: (world) => collect(world, 2, 1_001),
  TariffSet: ({ ledger, governance }) => ledger.connect(governance).setTariff(TARIFF),
  RulesSet: ({ ledger, governance, judge }) =>
    ledger.connect(governance).setRules(id("rules"), judge),
  RootProposed: (world) => pendingReport(world, ltkTree(world.accounts, [2, 2, 3, 4, 5])),
  RootVetoed: async ({ ledger, guardian }) =>
    ledger.connect(guardian).veto((await ledger.proposal()).digest),
  AttemptAbandoned: async (world) => {
    const now = await world.connection.networkHelpers.time.latest();
    await goTo(world, now + TIMEOUT_SECONDS);
    return world.ledger.abandon(2);
  },
  RootFinalized: async (world) =>
    finalize(world, await pendingReport(world, ltkTree(world.accounts, [2, 2, 3, 4, 5]))),
  RootRevoked: async (world) => {
    const leaves = honestLeaves(world.accounts, [2, 2, 3, 4, 5].map(ltk));
    const tree = treeOf(leaves.map((leaf) => ({ ...leaf, prefix: leaf.prefix + 1n })));
    const report = await pendingReport(world, tree);
    return convict(world, report, orderEvidence(tree, 0));
  },
  MemberSlashed: async (world) => {
    const { quorum, ledger } = world;
    const member = walletOf("member 3");
    const report = await reportOf(world, ltkTree(world.accounts, [2, 2, 3, 4, 5]), { epoch: 9 });
    const other = { ...report, bundleHash: id("other") };
    const [a, b] = [
      await signFor(ledger, "Report", report, member),
      await signFor(ledger, "Report", other, member),
    ];
    return quorum.proveEquivocation(report, other, a, b);
  },
  MemberAdded: ({ quorum, governance }) =>
    quorum.connect(governance).addMember(walletOf("member 5"), 2),
  ThresholdSet: ({ quorum, governance }) => quorum.connect(governance).setThreshold(2),
  MemberRotated: async (world) =>
    world.quorum
      .connect(await sender(world, walletOf("member 5").address))
      .rotate(walletOf("member 6")),
  MemberRemoved: ({ quorum, governance }) =>
    quorum.connect(governance).removeMember(walletOf("member 5")),
  MemberExited: async (world) =>
    world.quorum.connect(await sender(world, walletOf("member 4").address)).exit(),
  LedgerClosed: async (world) => {
    await goTo(world, sealTimeOf(3) + 2 * MONTH_SECONDS);
    return world.ledger.close();
  },
};

const CONTRACTS = {
  deviceRegistry: "registry",
  rewardProgramme: "programme",
  customerEscrow: "escrow",
  epochLedger: "ledger",
  oracleQuorum: "quorum",
} as const;
type Numbering = keyof typeof CONTRACTS;

describe("LawEvents", () => {
  it("are each the next revision of their contract, counted from 1, and the getter says the last", async () => {
    const world = await from(firstFinal);
    await goTo(world, startOf(2) + 40_000);
    for (const [name, cause] of Object.entries(CAUSES) as [LawEventName, Cause][]) {
      const before = await revisionsOf(world);
      await cause(world);
      const emitter = EMITTER_OF[name] as Numbering;
      const events = await eventsOf(world, emitter);
      expect(events.map(({ revision }) => revision)).to.deep.equal(
        events.map((_, i) => BigInt(i + 1)),
      );
      const after = await revisionsOf(world);
      expect(after[emitter]).to.equal(BigInt(events.length));
      const added = events.slice(Number(before[emitter])).map((event) => event.name);
      expect(added, `what ${name} came with`).to.include(name);
    }
    expect(Object.keys(CAUSES)).to.have.members(Object.keys(LAW_EVENTS));
  });

  it("are counted one by one within one transaction", async () => {
    const { registry, manufacturer } = await from(deployedWorld);
    const devices = ["a", "b", "c"].map((name) => walletOf(name).address);
    const enrolling = registry.connect(manufacturer).enrol(devices, 1);
    for (const [i, device] of devices.entries()) {
      await expect(enrolling)
        .to.emit(registry, "DeviceEnrolled")
        .withArgs(device, 1, "0x", i + 1);
    }
    expect(await registry.revision()).to.equal(3);
  });

  it("begin at zero, before anything was done", async () => {
    const { registry, programme, escrow, quorum, ledger } = await from(deployedWorld);
    for (const contract of [registry, programme, escrow, quorum]) {
      expect(await contract.revision()).to.equal(0);
    }
    // The first tariff and the first rules are set where the ledger is made.
    expect(await ledger.revision()).to.equal(2);
  });

  it("are all events that carry a revision, and no others", async () => {
    const world = await from(deployedWorld);
    for (const [emitter, name] of Object.entries(CONTRACTS) as [Numbering, never][]) {
      const contract: BaseContract = world[name];
      const numbered: string[] = [];
      contract.interface.forEachEvent((event) => {
        const last = event.inputs.at(-1);
        if (last?.name === "revision" && last.type === "uint64") numbered.push(event.name);
      });
      const law = Object.keys(LAW_EVENTS).filter(
        (event) => EMITTER_OF[event as LawEventName] === emitter,
      );
      expect(numbered).to.have.members(law);
    }
  });
});

async function revisionsOf(world: Staffed): Promise<Record<Numbering, bigint>> {
  const entries = Object.entries(CONTRACTS).map(
    async ([emitter, name]) => [emitter, await world[name].revision()] as const,
  );
  return Object.fromEntries(await Promise.all(entries)) as Record<Numbering, bigint>;
}

/** The contract's law events from the beginning. */
async function eventsOf(world: Staffed, emitter: Numbering) {
  const contract: BaseContract = world[CONTRACTS[emitter]];
  const logs = await world.connection.ethers.provider.getLogs({
    address: await contract.getAddress(),
    fromBlock: 0,
  });
  return logs
    .map((log) => contract.interface.parseLog(log))
    .filter((event) => event !== null && event.name in LAW_EVENTS)
    .map((event) => ({ name: event?.name, revision: event?.args.revision as bigint }));
}
