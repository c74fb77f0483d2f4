import { fromHex, type Hex, lowercaseHex, toHex } from "@link-rewards/core/encoding/bytes";
import { buildTree, hashRecords, proofOf, rootOf } from "@link-rewards/core/encoding/tree";
import { ROW_BYTES } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import { type ContractTransactionResponse, dataSlice, keccak256, ZeroHash } from "ethers";
import { ANSWER_SECONDS, at, DEMAND_BOND, from, goTo, sender } from "../worlds/contracts.ts";
import {
  answer,
  demand,
  NEVER,
  nodeOf,
  type Pending,
  pending,
  pendingWorld,
  shownRow,
} from "./support/demanding.ts";
import { finalize, propose } from "./support/epochs.ts";
import { askLeaf, pendingRobbery, ROBBED, robbed } from "./support/robbery.ts";
import { reportOf, servedWorld } from "./support/served.ts";
import { filesOf } from "./support/tables.ts";
import { convict, evidenceOf } from "./support/trial.ts";

const NODE = nodeOf("rewards", 2);
const BURNED = DEMAND_BOND / 10n;

/** A node of the rewards is demanded, with just the bond. */
async function demanded() {
  const world = await from(pendingWorld);
  await demand(world, NODE, { value: DEMAND_BOND });
  return world;
}

async function expectWrong(world: Pending, answering: Promise<unknown>): Promise<void> {
  await expect(answering).to.be.revertedWithCustomError(world.demands, "WrongAnswer");
  expect((await world.demands.queueOf(world.digest)).open).to.equal(1);
}

describe("Demands", () => {
  describe("answerRow", () => {
    for (const table of ["contributions", "invoices", "rewards"] as const) {
      it(`shows a row of the ${table}, be it the first or the last`, async () => {
        const world = await from(pendingWorld);
        const { demands, digest } = world;
        for (const position of [0, world.tables[table].length - 1]) {
          const node = nodeOf(table, position);
          await demand(world, node);
          const { row, proof } = shownRow(world, table, position);
          await expect(answer(world, table, position))
            .to.emit(demands, "RowShown")
            .withArgs(digest, Object.values(node), row, proof);
          const [by, bond, due] = await demands.demandOf(digest, node);
          expect([BigInt(by), bond, due > 0n]).to.deep.equal([0n, 0n, true]);
        }
        expect((await demands.queueOf(digest)).open).to.equal(0);
      });
    }

    it("refuses any other row, at its own place or there, and any other way to the root", async () => {
      const world = await from(demanded);
      const { demands, bystander, report, tables } = world;
      const asBystander = demands.connect(bystander);
      const { row, proof } = shownRow(world, "rewards", 2);
      for (const position of [0, 1, 3, 5]) {
        const other = shownRow(world, "rewards", position);
        await expectWrong(world, asBystander.answerRow(report, NODE, other.row, other.proof));
        await expectWrong(world, asBystander.answerRow(report, NODE, other.row, proof));
      }
      const contribution = shownRow(world, "contributions", 2);
      await expectWrong(
        world,
        asBystander.answerRow(report, NODE, contribution.row, contribution.proof),
      );
      for (const wrong of [
        proof.slice(1),
        proof.slice(0, -1),
        [...proof, ZeroHash],
        proof.toReversed(),
        [],
      ]) {
        await expectWrong(world, asBystander.answerRow(report, NODE, row, wrong));
      }
      for (const wrong of [dataSlice(row, 1), dataSlice(row, 0, 43), `${row}00`, "0x"]) {
        await expectWrong(world, asBystander.answerRow(report, NODE, wrong, proof));
      }
      // The two nodes below one are 64 bytes that hash right, a level too high.
      const [sibling, above] = proof as [Hex, Hex];
      const pair = `${keccak256(row)}${sibling.slice(2)}`;
      expect(keccak256(pair)).not.to.equal(above);
      await expectWrong(world, asBystander.answerRow(report, NODE, pair, proof.slice(1)));
      expect(tables.rewards.length).to.equal(6);
      await answer(world, "rewards", 2);
    });

    for (const bytes of [43, 45, 64, 248, 0]) {
      it(`refuses ${bytes} bytes in place of a leaf, though they hash to the root: silence takes it back`, async () => {
        const world = await from(servedWorld);
        const records = filesOf(world.second).rewards;
        const garbage = new Uint8Array(bytes).fill(7);
        const hashes = hashRecords(records, ROW_BYTES.rewards);
        hashes.set(fromHex(lowercaseHex(keccak256(garbage))), 2 * 32);
        const tree = buildTree(hashes);
        const root = toHex(rootOf(tree));
        const report = await reportOf(world, world.second, { root });
        await propose(world, report);
        const { digest } = await world.ledger.proposal();
        const open = { ...world, tables: world.second, report, digest };
        await demand(open, NODE);
        const proof = proofOf(tree, 2).map(toHex);
        const answering = world.demands.answerRow(report, NODE, toHex(garbage), proof);
        await expectWrong(open, answering);
        const { due } = await world.demands.demandOf(digest, NODE);
        await at(world, due + 1n);
        await expect(world.demands.silence(report, NODE)).to.emit(world.ledger, "RootRevoked");
      });
    }

    it("refuses a page's node, and a page refuses a row's", async () => {
      const world = await from(demanded);
      const { demands, report } = world;
      const page = nodeOf("rewards", 0, 8);
      const { row, proof } = shownRow(world, "rewards", 0);
      const hash = keccak256(row);
      for (const hashes of [[hash], []])
        await expectWrong(world, demands.answerPage(report, NODE, hashes, proof));
      await demand(world, page);
      await expect(demands.answerRow(report, page, row, proof)).to.be.revertedWithCustomError(
        demands,
        "WrongAnswer",
      );
    });

    it("refuses what was not demanded, or was shown already", async () => {
      const world = await from(demanded);
      const { demands } = world;
      await expect(answer(world, "rewards", 3))
        .to.be.revertedWithCustomError(demands, "NotDemanded")
        .withArgs(Object.values(nodeOf("rewards", 3)));
      await answer(world, "rewards", 2);
      await expect(answer(world, "rewards", 2)).to.be.revertedWithCustomError(
        demands,
        "NotDemanded",
      );
    });

    it("is taken when it is late, until somebody shows the silence", async () => {
      const world = await from(demanded);
      const { demands, ledger, digest, report } = world;
      const { due } = await demands.demandOf(digest, NODE);
      await at(world, due + 100_000n);
      await answer(world, "rewards", 2);
      await expect(demands.silence(report, NODE)).to.be.revertedWithCustomError(
        demands,
        "NotDemanded",
      );
      await finalize(world, report);
      expect((await ledger.lastFinal()).epoch).to.equal(2);
    });

    it("leaves the report open for the time of an answer, if its window is not longer", async () => {
      const world = await from(pendingWorld);
      const { ledger, digest, report } = world;
      const until = await ledger.openUntil(digest);
      await demand(world, NODE);
      await answer(world, "rewards", 2);
      // An hour more than now is less than its window has.
      expect(await ledger.openUntil(digest)).to.equal(until);
      await demand(world, nodeOf("rewards", 3));
      await demand(world, nodeOf("rewards", 4));
      const late = until - 10n;
      await at(world, late);
      await answer(world, "rewards", 4);
      expect(await ledger.openUntil(digest), "one waits").to.equal(NEVER);
      await at(world, late + 5n);
      await answer(world, "rewards", 3);
      const end = late + 5n + BigInt(ANSWER_SECONDS);
      expect(await ledger.openUntil(digest)).to.equal(end);
      await goTo(world, end - 2n);
      await expect(ledger.finalize(report)).to.be.revertedWithCustomError(ledger, "WindowOpen");
      await at(world, end);
      await ledger.finalize(report);
    });

    it("lets what came to light be convicted", async () => {
      const world = await pending(
        await from(servedWorld),
        robbed((await from(servedWorld)).second),
      );
      const { ledger, demands, digest, tables } = world;
      await demand(world, NODE);
      const { due } = await demands.demandOf(digest, NODE);
      const last = (await ledger.proposal()).finalizableAt;
      expect(last).to.equal(NEVER);
      await at(world, due);
      await answer(world, "rewards", 2);
      await goTo(world, due + BigInt(ANSWER_SECONDS) - 1n);
      const evidence = evidenceOf(world, tables, askLeaf(ROBBED));
      await expect(convict(world, world.report, evidence)).to.emit(ledger, "RootRevoked");
    });

    it("refuses what a report was asked that is open no more: its bonds are their owners'", async () => {
      const world = await from(pendingRobbery);
      const { demands, stranger, digest } = world;
      for (const position of [2, 3]) {
        await demand(world, nodeOf("rewards", position), { value: DEMAND_BOND });
      }
      await convict(world, world.report, world.evidence);
      for (const position of [2, 3]) {
        await expect(answer(world, "rewards", position))
          .to.be.revertedWithCustomError(demands, "ReportNotOpen")
          .withArgs(digest);
        await demands.reclaim(digest, nodeOf("rewards", position));
      }
      expect(await demands.owedTo(stranger)).to.equal(2n * DEMAND_BOND);
    });
  });

  describe("the bond of an answered demand", () => {
    /** What an answer brings to who sends it, its own cost aside. */
    async function earnedBy(
      world: Pending,
      answering: () => Promise<ContractTransactionResponse>,
      who = world.bystander,
    ): Promise<bigint> {
      const { provider } = world.connection.ethers;
      const before = await provider.getBalance(who);
      const receipt = await (await answering()).wait();
      return (await provider.getBalance(who)) - before + (receipt?.fee ?? 0n);
    }

    /** What who answered and who demanded get at a base fee. */
    async function sharesAt(fee: bigint) {
      const world = await from(demanded);
      await world.connection.networkHelpers.setNextBlockBaseFeePerGas(fee);
      const paid = await earnedBy(world, () => answer(world, "rewards", 2));
      return { paid, back: await world.demands.owedTo(world.stranger) };
    }

    it("pays what the answer costs at the base fee at once, owes the rest back, and burns a tenth", async () => {
      const { demands } = await from(demanded);
      const gas = await demands.ROW_GAS();
      for (const fee of [1n, 10n ** 9n, 5n * 10n ** 10n]) {
        const { paid, back } = await sharesAt(fee);
        expect(paid).to.equal(gas * fee);
        expect(paid + back).to.equal(DEMAND_BOND - BURNED);
      }
    });

    it("pays no more than nine tenths, however dear gas became", async () => {
      const { paid, back } = await sharesAt(10n ** 12n);
      expect([paid, back]).to.deep.equal([DEMAND_BOND - BURNED, 0n]);
    });

    it("pays a wei for each gas where there is no base fee, as where gas is estimated", async () => {
      const world = await from(demanded);
      const { demands, bystander, report, connection } = world;
      const { row, proof } = shownRow(world, "rewards", 2);
      const answering = demands.connect(bystander).answerRow;
      const gas = await answering.estimateGas(report, NODE, row, proof);
      await connection.networkHelpers.setNextBlockBaseFeePerGas(10n ** 9n);
      await answering(report, NODE, row, proof, { gasLimit: gas });
    });

    it("pays a page by its hashes", async () => {
      const world = await from(pendingWorld);
      const { demands, bystander, tables, report } = world;
      const node = nodeOf("rewards", 0, 8);
      await demand(world, node);
      const hashes = tables.rewards.map((_, i) => keccak256(shownRow(world, "rewards", i).row));
      const fee = 10n ** 9n;
      await world.connection.networkHelpers.setNextBlockBaseFeePerGas(fee);
      const answering = () => demands.connect(bystander).answerPage(report, node, hashes, []);
      const gas = (await demands.ROW_GAS()) + 6n * (await demands.HASH_GAS());
      expect(await earnedBy(world, answering)).to.equal(gas * fee);
    });

    it("burns a tenth also of who answers himself: a flood of one's own costs that much", async () => {
      const world = await from(pendingWorld);
      const { demands, stranger, connection } = world;
      let back = 0n;
      for (const position of [0, 1, 2]) {
        await demand(world, nodeOf("rewards", position), { value: DEMAND_BOND });
        const own = () => answer(world, "rewards", position, stranger);
        back += await earnedBy(world, own, stranger);
      }
      expect(back + (await demands.owedTo(stranger))).to.equal(3n * (DEMAND_BOND - BURNED));
      await demands.connect(stranger).withdraw();
      // It stays, and nobody can take it.
      expect(await connection.ethers.provider.getBalance(demands)).to.equal(3n * BURNED);
    });

    it("goes to nobody by an answer of who takes no coin: anybody else can give it", async () => {
      const world = await from(demanded);
      const { demands, token } = world;
      const deaf = await sender(world, await token.getAddress());
      await expect(answer(world, "rewards", 2, deaf)).to.be.revertedWithCustomError(
        demands,
        "FailedCall",
      );
      await answer(world, "rewards", 2);
    });
  });

  describe("withdraw", () => {
    it("pays the caller all that it is owed, once", async () => {
      const world = await from(demanded);
      const { connection, demands, stranger } = world;
      await answer(world, "rewards", 2);
      const owed = await demands.owedTo(stranger);
      expect(owed).to.be.above(0);
      const withdrawing = demands.connect(stranger).withdraw();
      await expect(withdrawing).to.emit(demands, "Withdrawn").withArgs(stranger.address, owed);
      await expect(withdrawing).to.changeEtherBalance(connection.ethers, stranger, owed);
      expect(await demands.owedTo(stranger)).to.equal(0);
      for (const account of [stranger, world.bystander]) {
        await expect(demands.connect(account).withdraw())
          .to.be.revertedWithCustomError(demands, "NothingOwed")
          .withArgs(account.address);
      }
    });

    it("pays again what is owed later", async () => {
      const world = await from(demanded);
      const { connection, demands, stranger } = world;
      await answer(world, "rewards", 2);
      await demands.connect(stranger).withdraw();
      await demand(world, nodeOf("rewards", 3), { value: DEMAND_BOND + 5n });
      expect(await demands.owedTo(stranger)).to.equal(5);
      await expect(demands.connect(stranger).withdraw()).to.changeEtherBalance(
        connection.ethers,
        stranger,
        5n,
      );
    });

    it("fails for who takes no coin, and keeps nobody else from anything", async () => {
      const world = await from(pendingWorld);
      const { demands, token, digest } = world;
      // The token has no way to take coin.
      const deaf = await sender(world, await token.getAddress());
      await demand(world, NODE, { by: deaf, value: DEMAND_BOND + 3n });
      await answer(world, "rewards", 2);
      expect((await demands.demandOf(digest, NODE)).bond).to.equal(0);
      const owed = await demands.owedTo(token);
      expect(owed).to.be.above(3);
      await expect(demands.connect(deaf).withdraw()).to.be.revertedWithCustomError(
        demands,
        "FailedCall",
      );
      expect(await demands.owedTo(token)).to.equal(owed);
    });
  });
});
