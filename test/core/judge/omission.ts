import {
  type Address,
  concatBytes,
  fromHex,
  type Hex,
  keccak256,
  lowercaseHex,
  toHex,
  ZERO_HASH,
} from "@link-rewards/core/encoding/bytes";
import { NO_PUBLIC_KEY } from "@link-rewards/core/encoding/p256";
import { toCompact } from "@link-rewards/core/encoding/signature";
import { buildTree, hashRecords, proofOf, rootOf } from "@link-rewards/core/encoding/tree";
import { CONTRIBUTION_BYTES, encodeTree } from "@link-rewards/core/epoch/records";
import { judgeLawOf } from "@link-rewards/core/judge/judge-law";
import {
  type ContributionTable,
  findOmission,
  OMISSION_ABI,
  type Omission,
  type OmissionContext,
  type OmissionProof,
  omissionTuple,
  omits,
  omitted,
} from "@link-rewards/core/judge/omission";
import type { RangeReader } from "@link-rewards/core/judge/proof";
import type { Law } from "@link-rewards/core/law/law";
import { acknowledgedRoot, acknowledgementDigest } from "@link-rewards/core/signed/acknowledgement";
import { ledgerDomain, registryDomain } from "@link-rewards/core/signed/deployment";
import { type Receipt, receiptDigest, type SignedReceipt } from "@link-rewards/core/signed/receipt";
import { reportDigest } from "@link-rewards/core/signed/report";
import { expect } from "chai";
import { AbiCoder, getBytes, hexlify, Interface, type Wallet } from "ethers";
import fc from "fast-check";
import { lawOf } from "../../contracts/support/law.ts";
import {
  deviceAt,
  honestTables,
  receiptOf,
  reportOf,
  SECOND_DEVICE,
  type Served,
  type Service,
  serve,
  servedWorld,
  signService,
} from "../../contracts/support/served.ts";
import {
  type DeviceWallet,
  signDigest,
  signDigestAsDevice,
} from "../../contracts/support/signing.ts";
import { caseOf, filesOf, packContribution, type Tables } from "../../contracts/support/tables.ts";
import { from, sealTimeOf, walletOf } from "../../worlds/contracts.ts";

const encode = (omission: Omission) =>
  AbiCoder.defaultAbiCoder().encode([OMISSION_ABI], [omissionTuple(omission)]);

/** The contract's errors that its twin has its own words for. */
const TWINS: Readonly<Record<string, string>> = {
  ECDSAInvalidSignature: "NotSigned",
  InvalidEvidence: "invalid",
  PublicKeyMismatch: "invalid",
};

function revertOf(error: { readonly data?: unknown }): string {
  const { data } = error;
  const found = typeof data === "string" ? ERRORS.parseError(data) : null;
  if (found === null) throw error;
  return found.name;
}

const ERRORS = new Interface([
  "error InvalidEvidence(uint256 opening)",
  "error PublicKeyMismatch(address device, bytes publicKey)",
  "error NotOmission()",
  "error DifferentSigners(address signerA, address signerB)",
  "error MemberUnknown(address member)",
  "error NoBond(uint256 slot)",
  "error ECDSAInvalidSignature()",
]);

/** The files of these tables, as a mirror gives their ranges. */
function readerOf(tables: Tables): RangeReader {
  const contributions = filesOf(tables).contributions;
  return async (file, from, length) => {
    if (file !== "contributions.bin") throw new Error(`nothing here is of ${file}`);
    return contributions.slice(from, from + length);
  };
}

const tableOf = (tables: Tables): ContributionTable => ({ ...caseOf(tables), epoch: tables.epoch });

describe("omission", () => {
  let world: Served;
  let services: readonly Service[];
  beforeEach(async () => {
    world = await from(servedWorld);
    const [rich, poor, late] = world.buyers;
    services = [
      serve(deviceAt(0), rich, 2, [10n, 20n, 30n]),
      serve(deviceAt(0), poor, 2, [400n, 0n, 0n]),
      serve(SECOND_DEVICE, poor, 2, [0n, 150n, 0n]),
      serve(deviceAt(1), poor, 2, [0n, 0n, 200n]),
      serve(deviceAt(1), rich, 2, [3n, 5n, 7n]),
      serve(deviceAt(3), late, 2, [7n, 11n, 13n]),
      serve(deviceAt(5), rich, 2, [5n, 6n, 4n]),
    ];
  });

  const tablesOf = (served: readonly Service[]) =>
    honestTables(world.law, world.deployment, served, world.first.rewards, 2);

  const contextOf = (): OmissionContext => ({
    law: judgeLawOf(world.law),
    domain: registryDomain(world.deployment),
  });

  function find(tables: Tables, signed: SignedReceipt) {
    const law = judgeLawOf(world.law);
    const { device, epoch } = signed.receipt;
    return findOmission(readerOf(tables), tableOf(tables), signed, {
      account: law.ownerAt(device, epoch) ?? device,
      publicKey: law.publicKeyOf(device),
      indexOf: law.indexOf,
    });
  }

  async function omissionOf(tables: Tables, signed: SignedReceipt): Promise<Omission> {
    const found = await find(tables, signed);
    if (!("omission" in found)) throw new Error(JSON.stringify(found));
    return found.omission;
  }

  /** What the contract says; its twin must say the same. */
  async function wordOf(table: ContributionTable, omission: Omission): Promise<Hex | "invalid"> {
    const { epoch, contributionRoot, contributions } = table;
    const said = await world.judge
      .omitted(epoch, contributionRoot, contributions, encode(omission))
      .then((digest) => lowercaseHex(digest))
      .catch((error) => {
        expect(revertOf(error)).to.be.oneOf(["InvalidEvidence", "PublicKeyMismatch"]);
        return "invalid" as const;
      });
    expect(omitted(table, omission, contextOf()), "the twin").to.equal(said);
    return said;
  }

  const digestOf = ({ receipt }: SignedReceipt) =>
    toHex(receiptDigest(registryDomain(world.deployment), receipt));

  /** Whether these are the right keys is for the judge. */
  function signedBy(receipt: Receipt, gateway: Wallet, device: DeviceWallet): SignedReceipt {
    const digest = hexlify(receiptDigest(registryDomain(world.deployment), receipt));
    const signatures = [signDigest(gateway, digest), signDigestAsDevice(device, digest)];
    const [customerSignature, deviceSignature] = signatures.map(({ r, vs }) =>
      getBytes(r + vs.slice(2)),
    ) as [Uint8Array, Uint8Array];
    return { receipt, customerSignature, deviceSignature };
  }

  describe("of a table of contributions", () => {
    it("is shown wherever the receipt would stand: before all rows, between any two, after all", async () => {
      for (const [i, left] of services.entries()) {
        const tables = tablesOf(services.toSpliced(i, 1));
        const signed = signService(world.deployment, left);
        const found = await omissionOf(tables, signed);
        expect(found.position).to.equal(
          tablesOf(services).contributions.findIndex(
            ({ receipt }) =>
              receipt.device === signed.receipt.device &&
              receipt.customer === signed.receipt.customer,
          ),
        );
        expect(await wordOf(tableOf(tables), found)).to.equal(digestOf(signed));
      }
    });

    it("is shown of an epoch without any, and of one with a single row", async () => {
      const [first, second] = services as [Service, Service];
      for (const [rows, left] of [
        [[], first],
        [[first], second],
        [[second], first],
      ] as const) {
        const signed = signService(world.deployment, left);
        const tables = tablesOf(rows);
        expect(await wordOf(tableOf(tables), await omissionOf(tables, signed))).to.equal(
          digestOf(signed),
        );
      }
    });

    it("is shown by an older receipt in its place, and by none of the same or a higher sequence", async () => {
      for (const [i, service] of services.entries()) {
        const tables = tablesOf(services.with(i, { ...service, sequence: 5 }));
        for (const [sequence, isThere] of [
          [4, true],
          [5, true],
          [6, false],
        ] as const) {
          const signed = signService(world.deployment, { ...service, sequence });
          const found = await find(tables, signed);
          if (isThere) expect(found).to.deep.equal({ sequence: 5 });
          else if (!("omission" in found)) expect.fail(JSON.stringify(found));
          // What is claimed all the same, with the rows around it.
          const newer = signService(world.deployment, { ...service, sequence: 6 });
          const { openings, ...claimed } = await omissionOf(tables, newer);
          const receipt = (await omissionOf(tablesOf([]), signed)).receipt;
          const word = await wordOf(tableOf(tables), { ...claimed, openings, receipt });
          expect(word).to.equal(isThere ? ZERO_HASH : digestOf(signed));
        }
      }
    });

    it("is not shown of a receipt that is not lawful", async () => {
      const [service] = services as [Service];
      const { gateway } = service.buyer;
      const bent = (
        change: Partial<Receipt>,
        by: Partial<{ gateway: Wallet; device: Service["device"] }> = {},
      ) =>
        signedBy(
          { ...receiptOf(service), ...change },
          by.gateway ?? gateway,
          by.device ?? service.device,
        );
      const stranger = walletOf("stranger");
      const unlawful = {
        "of another epoch": bent({ epoch: 1 }),
        "of sequence 0": bent({ sequence: 0 }),
        "of a device that earns for nobody": bent(
          { device: lowercaseHex(stranger.address) },
          { device: stranger },
        ),
        "over its class's limit": bent({ egressBytes: 1_000_001n }),
        "signed by another customer's key": bent({}, { gateway: world.buyers[1].gateway }),
        "of somebody who is no customer": bent({ customer: lowercaseHex(stranger.address) }),
        "signed by another device": bent({}, { device: deviceAt(4) }),
        "signed by nobody": { ...bent({}), customerSignature: new Uint8Array(64) },
        "whose device's signature is none": {
          ...bent({}),
          deviceSignature: new Uint8Array(64).fill(255),
        },
      };
      const tables = tablesOf(services.slice(1));
      for (const [what, signed] of Object.entries(unlawful)) {
        const omission = await omissionOf(tables, signed);
        expect(await wordOf(tableOf(tables), omission), what).to.equal(ZERO_HASH);
      }
    });

    it("is not shown of a device that was revoked in the epoch, however late its receipt was taken in", async () => {
      const left = services[0] as Service;
      const signed = signService(world.deployment, left);
      const tables = tablesOf(services.slice(1));
      const omission = await omissionOf(tables, signed);
      expect(await wordOf(tableOf(tables), omission)).to.equal(digestOf(signed));
      // Of epoch 3, which is running: those before it stay lawful.
      await world.registry.connect(world.manufacturer).revoke([left.device.address], "");
      world = { ...world, law: await lawOf(world) };
      expect(await wordOf(tableOf(tables), omission)).to.equal(digestOf(signed));
      const later = signService(world.deployment, { ...left, epoch: 3 });
      const none = { epoch: 3, contributionRoot: ZERO_HASH, contributions: 0 };
      const claimed = { ...omission, receipt: (await omissionOf(tablesOf([]), later)).receipt };
      expect(await wordOf(none, { ...claimed, position: 0, openings: [] })).to.equal(ZERO_HASH);
    });

    it("is shown of a receipt whose key was taken away afterwards: of its epoch it stays lawful", async () => {
      const left = services[0] as Service;
      const signed = signService(world.deployment, left);
      const tables = tablesOf(services.slice(1));
      const { customer, escrow } = world;
      await escrow.connect(customer).setKey(left.buyer.gateway, 0);
      world = { ...world, law: await lawOf(world) };
      expect(await wordOf(tableOf(tables), await omissionOf(tables, signed))).to.equal(
        digestOf(signed),
      );
    });

    it("of a P-256 device needs the key that belongs to it, and of another device none", async () => {
      const [, , ofP256, , , ofSecp256k1] = services as Service[] & { length: 7 };
      for (const [left, isP256] of [
        [ofP256 as Service, true],
        [ofSecp256k1 as Service, false],
      ] as const) {
        const signed = signService(world.deployment, left);
        const tables = tablesOf(services.filter((each) => each !== left));
        const omission = await omissionOf(tables, signed);
        expect(omission.publicKey === NO_PUBLIC_KEY).to.equal(!isP256);
        for (const publicKey of [NO_PUBLIC_KEY, `0x${"11".repeat(64)}`, "0x1234"] as const) {
          expect(await wordOf(tableOf(tables), { ...omission, publicKey })).to.equal(
            isP256 ? "invalid" : digestOf(signed),
          );
        }
      }
    });

    it("is shown by the boundary's rows alone: whatever else is shown is no evidence, or shows none", async () => {
      const i = 3;
      const signed = signService(world.deployment, services[i] as Service);
      const tables = tablesOf(services.toSpliced(i, 1));
      const table = tableOf(tables);
      const honest = await omissionOf(tables, signed);
      const [before, after] = honest.openings as [Omission["openings"][0], Omission["openings"][0]];
      const others: Omission[] = [];
      for (let position = 0; position <= table.contributions; position++) {
        if (position === honest.position) continue;
        others.push({ ...honest, position, openings: openingsAt(tables, position) });
      }
      for (const other of others) expect(await wordOf(table, other)).to.equal(ZERO_HASH);
      const bent: readonly Omission[] = [
        { ...honest, openings: [] },
        { ...honest, openings: [before] },
        { ...honest, openings: [after] },
        { ...honest, openings: [after, before] },
        { ...honest, openings: [before, after, after] },
        { ...honest, position: honest.position + 1 },
        { ...honest, position: table.contributions + 1 },
        { ...honest, receipt: "0x" },
        { ...honest, receipt: `${honest.receipt}00` },
        { ...honest, openings: [{ ...before, table: "invoices" }, after] },
        { ...honest, openings: [{ ...before, position: before.position + 1 }, after] },
        { ...honest, openings: [{ ...before, proof: before.proof.slice(1) }, after] },
        { ...honest, openings: [{ ...before, proof: [...before.proof, ZERO_HASH] }, after] },
        { ...honest, openings: [{ ...before, row: after.row }, after] },
        { ...honest, openings: [before, { ...after, row: "0x" }] },
        { ...honest, openings: [before, { ...after, row: `${after.row}00` }] },
      ];
      for (const [n, omission] of bent.entries())
        expect(await wordOf(table, omission), `bent ${n}`).to.equal("invalid");
    });

    it("is shown of an epoch without any by no row at all, and by no row of another length", async () => {
      const [left, there] = services as [Service, Service];
      const signed = signService(world.deployment, left);
      const none = await omissionOf(tablesOf([]), signed);
      const one = await omissionOf(tablesOf([there]), signed);
      const { openings } = one;
      expect(await wordOf(tableOf(tablesOf([])), { ...none, openings })).to.equal("invalid");
      for (const length of [0, 64, CONTRIBUTION_BYTES - 1, CONTRIBUTION_BYTES + 1]) {
        const row = new Uint8Array(length);
        const contributionRoot = toHex(keccak256(row));
        const shown = openings.map((opening) => ({ ...opening, row: toHex(row) }));
        const table = { epoch: 2, contributionRoot, contributions: 1 };
        expect(await wordOf(table, { ...one, openings: shown })).to.equal("invalid");
      }
    });

    it("is found in any table for whatever is not in it, and for nothing that is", async function () {
      this.timeout(60_000);
      await fc.assert(
        fc.asyncProperty(fc.subarray([0, 1, 2, 3, 4, 5, 6]), fc.nat(6), async (there, asked) => {
          const tables = tablesOf(there.map((i) => services[i] as Service));
          const signed = signService(world.deployment, services[asked] as Service);
          const found = await find(tables, signed);
          expect("sequence" in found).to.equal(there.includes(asked));
          if ("omission" in found)
            expect(await wordOf(tableOf(tables), found.omission)).to.equal(digestOf(signed));
        }),
        { numRuns: 60 },
      );
    });

    it("is found in a few ranges of a table of many pages, and not in files that lead elsewhere", async () => {
      const paper = manyRows(1_000);
      for (const i of [0, 1, 255, 256, 257, 511, 777, 998, 999]) {
        const { table, read, signed, law, ranges } = paper.without(i);
        const terms = {
          account: law.owner(signed),
          publicKey: NO_PUBLIC_KEY,
          indexOf: law.indexOf,
        };
        const found = await findOmission(read, table, signed, terms);
        if (!("omission" in found)) expect.fail(JSON.stringify(found));
        expect(found.omission.position).to.equal(i);
        expect(omitted(table, found.omission, paper.context)).to.equal(paper.digestOf(signed));
        // Two pages' rows, eight rows in the page, two of each with a block of the tree.
        expect(ranges()).to.be.below(20);
        const elsewhere = { ...table, contributionRoot: ZERO_HASH };
        expect(await findOmission(read, elsewhere, signed, terms)).to.deep.equal({
          unproven: true,
        });
      }
    });
  });

  describe("of a member's report", () => {
    let report: Awaited<ReturnType<typeof reportOf>>;
    let honest: OmissionProof;

    const wordDigest = (word: OmissionProof["word"]) =>
      acknowledgementDigest(registryDomain(world.deployment), word);
    const signBy = (wallet: Wallet, digest: Uint8Array): Uint8Array => {
      const { r, vs } = signDigest(wallet, hexlify(digest));
      return getBytes(r + vs.slice(2));
    };
    const reportBy = (wallet: Wallet, signed: object) =>
      signBy(
        wallet,
        reportDigest(ledgerDomain(world.deployment), signed as OmissionProof["report"]),
      );
    const member = (slot: number) => world.members[slot] as Wallet;

    beforeEach(async () => {
      const left = services[3] as Service;
      const signed = signService(world.deployment, left);
      const tables = tablesOf(services.toSpliced(3, 1));
      report = await reportOf(world, tables);
      const digests = services.map((each) =>
        fromHex(digestOf(signService(world.deployment, each))),
      );
      const tree = buildTree(concatBytes(...digests));
      const word = {
        root: toHex(acknowledgedRoot(concatBytes(...digests))),
        receipts: services.length,
        storedAt: BigInt(sealTimeOf(2) - 1),
      };
      honest = {
        report: report as OmissionProof["report"],
        reportSignature: reportBy(member(1), report),
        word,
        wordSignature: signBy(member(1), wordDigest(word)),
        index: 3,
        proof: proofOf(tree, 3),
        omission: await omissionOf(tables, signed),
      };
    });

    const law = (): Law => world.law;

    /** What the contract does; its twin must say the same. */
    async function proven(proof: OmissionProof): Promise<number | string> {
      const { quorum, bystander } = world;
      const call = {
        report: proof.report,
        reportSignature: toCompact(proof.reportSignature),
        acknowledgement: proof.word,
        acknowledgementSignature: toCompact(proof.wordSignature),
        index: proof.index,
        proof: proof.proof.map(toHex),
        omission: encode(proof.omission),
      };
      const said = omits(proof, { law: law(), deployment: world.deployment });
      const fails = await quorum
        .connect(bystander)
        .proveOmission.staticCall(call)
        .then(() => undefined)
        .catch(revertOf);
      if (fails === undefined) expect(said, "the twin").to.be.a("number");
      else expect(said, "the twin").to.equal(TWINS[fails] ?? fails);
      return said;
    }

    it("convicts the member that gave its word and signed without", async () => {
      expect(await proven(honest)).to.equal(1);
    });

    it("convicts it by whatever date it wrote on its word, which is its own to choose", async () => {
      const word = { ...honest.word, storedAt: 2n ** 64n - 1n };
      const wordSignature = signBy(member(1), wordDigest(word));
      expect(await proven({ ...honest, word, wordSignature })).to.equal(1);
    });

    it("convicts nobody when one thing of it is another's, or another", async () => {
      const another = { ...report, bundleHash: ZERO_HASH };
      const stranger = walletOf("stranger");
      const withWord = (word: OmissionProof["word"], wallet = member(1)) => ({
        ...honest,
        word,
        wordSignature: signBy(wallet, wordDigest(word)),
      });
      const bent: readonly [string, OmissionProof][] = [
        ["NotOmission", { ...honest, index: 2 }],
        ["NotOmission", { ...honest, proof: honest.proof.slice(1) }],
        ["NotOmission", withWord({ ...honest.word, receipts: 3 })],
        ["NotOmission", withWord({ ...honest.word, root: ZERO_HASH })],
        ["NotOmission", { ...honest, report: { ...honest.report, rulesHash: ZERO_HASH } }],
        ["DifferentSigners", withWord(honest.word, member(2))],
        ["DifferentSigners", withWord(honest.word, stranger)],
        ["DifferentSigners", { ...honest, reportSignature: reportBy(member(0), report) }],
        // Another report than the one it signed.
        ["DifferentSigners", { ...honest, report: another as OmissionProof["report"] }],
        ["NotSigned", { ...honest, reportSignature: new Uint8Array(64) }],
        ["invalid", { ...honest, omission: { ...honest.omission, openings: [] } }],
      ];
      for (const [n, [error, proof]] of bent.entries()) {
        expect(await proven(proof), `bent ${n}`).to.equal(error);
      }
      const strangers = withWord(honest.word, stranger);
      const reportSignature = reportBy(stranger, report);
      expect(await proven({ ...strangers, reportSignature })).to.equal("MemberUnknown");
    });

    it("convicts nobody for a receipt that is there, or that is newer there", async () => {
      for (const sequence of [1, 9]) {
        const tables = tablesOf(services.with(3, { ...(services[3] as Service), sequence }));
        const itsReport = await reportOf(world, tables);
        const newer = signService(world.deployment, { ...(services[3] as Service), sequence: 10 });
        const claimed = await omissionOf(tables, newer);
        const { receipt } = honest.omission;
        expect(
          await proven({
            ...honest,
            report: itsReport as OmissionProof["report"],
            reportSignature: reportBy(member(1), itsReport),
            omission: { ...claimed, receipt },
          }),
        ).to.equal("NotOmission");
      }
    });

    it("convicts also by a word under the key that the member had before", async () => {
      const { quorum } = world;
      const successor = walletOf("successor of member 1");
      const { bystander } = world;
      await bystander.sendTransaction({ to: member(1).address, value: 10n ** 18n });
      const { provider } = world.connection.ethers;
      await quorum.connect(member(1).connect(provider)).rotate(successor.address);
      world = { ...world, law: await lawOf(world) };
      const reportSignature = reportBy(successor as Wallet, report);
      expect(await proven({ ...honest, reportSignature })).to.equal(1);
    });
  });

  /** The openings of a boundary, whatever receipt they are for. */
  function openingsAt(tables: Tables, boundary: number): Omission["openings"] {
    const { contributions } = filesOf(tables);
    const tree = buildTree(hashRecords(contributions, CONTRIBUTION_BYTES));
    return [boundary - 1, boundary]
      .filter((position) => position >= 0 && position < tables.contributions.length)
      .map((position) => ({
        table: "contributions" as const,
        position,
        row: toHex(contributions.slice(position * CONTRIBUTION_BYTES).slice(0, CONTRIBUTION_BYTES)),
        proof: proofOf(tree, position).map(toHex),
      }));
  }
});

/** A table of as many rows, on paper: a device's signature is its address, and all else is lawful. */
function manyRows(count: number) {
  const named = (n: number): Address => `0x${n.toString(16).padStart(40, "0")}`;
  const signatureOf = (address: Address) => concatBytes(fromHex(address), new Uint8Array(44));
  const accountOf = (device: Address) => named(1_000_000 + Math.floor(Number(device) / 7));
  const rows = Array.from({ length: count }, (_, i) => {
    const [device, customer] = [named(1 + Math.floor(i / 3)), named(1 + (i % 3))];
    const receipt: Receipt = {
      ...{ device, customer, epoch: 1, sequence: 1 },
      ...{ egressBytes: 1n, storageByteSeconds: 0n, computeMilliseconds: 0n },
    };
    const [customerSignature, deviceSignature] = [signatureOf(customer), signatureOf(device)];
    const account = accountOf(device);
    return { receipt, customerSignature, deviceSignature, account, earned: 0n, subtotal: 0n };
  });
  const indexOf = (account: Address) => Number(account) - 1_000_000;
  const context: OmissionContext = {
    law: {
      ...judgeLawOf({} as Law),
      ownerAt: accountOf,
      limitAt: () => ({ egressBytes: 1n, storageByteSeconds: 1n, computeMilliseconds: 1n }),
      capAt: () => 1n,
      indexOf,
      publicKeyOf: () => NO_PUBLIC_KEY,
    },
    domain: new Uint8Array(32),
    curves: {
      recover: (_, signature) => toHex(signature.slice(0, 20)),
      verifyP256: () => false,
    },
  };
  return {
    context,
    digestOf: ({ receipt }: SignedReceipt) => toHex(receiptDigest(context.domain, receipt)),
    without(i: number) {
      const left = rows.toSpliced(i, 1);
      const bin = concatBytes(...left.map(packContribution));
      const tree = buildTree(hashRecords(bin, CONTRIBUTION_BYTES));
      const files: Readonly<Record<string, Uint8Array>> = {
        "contributions.bin": bin,
        "contributions.tree": encodeTree(tree),
      };
      let ranges = 0;
      const read: RangeReader = async (file, from, length) => {
        ranges += 1;
        return (files[file] as Uint8Array).slice(from, from + length);
      };
      const root = { contributionRoot: toHex(rootOf(tree)), contributions: left.length };
      return {
        table: { epoch: 1, ...root },
        read,
        ranges: () => ranges,
        signed: rows[i] as SignedReceipt,
        law: { indexOf, owner: ({ receipt }: SignedReceipt) => accountOf(receipt.device) },
      };
    },
  };
}
