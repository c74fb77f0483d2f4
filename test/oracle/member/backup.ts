import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { runOracle } from "../../../scripts/local/oracle-process.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { proposals } from "../support/chronicle.ts";
import { type MemberOracle, memberOracle } from "../support/member-oracle.ts";

describe("backup", () => {
  let world: MemberWorld;
  let oracle: MemberOracle;
  let folder: string;
  let restored: MemberOracle;
  /** The highest sequence that was acknowledged, for each device, when the backup began. */
  let acknowledged: readonly number[];

  before(async () => {
    world = await startMemberWorld();
    oracle = world.oracle;
    folder = join(world.devnet.folder, "backups");
    await mkdir(folder);
    restored = await memberOracle({
      ...{ devnet: world.devnet, name: "restored", wallet: oracle.wallet },
      data: join(world.devnet.folder, "restored"),
    });
  });
  after(async () => {
    await restored.stop();
    await world.stop();
  });

  const backup = (file: string, ...more: readonly string[]) =>
    runOracle(["backup", join(folder, file), "--data", oracle.data, ...more]);

  it("copies what was acknowledged before it began, while receipts come in", async () => {
    const serving = await oracle.serve();
    await world.owe(serving.url, 1, 3n * LTK);
    const highest: number[] = [];
    let sequence = 0;
    let isOver = false;
    const load = async () => {
      while (!isOver) {
        const mine = ++sequence;
        const fields = { sequence: mine, egressBytes: BigInt(mine) };
        const answers = await world.submit(
          serving.url,
          world.devices.map(() => fields),
        );
        for (const [device, { status }] of answers.entries())
          if (status === "accepted") highest[device] = Math.max(mine, highest[device] ?? 0);
      }
    };
    const loads = [load(), load()];
    while (highest.length < world.devices.length || Math.max(...highest) < 20) await soon();
    acknowledged = [...highest];
    const { code, stdout, stderr } = await backup("1.sqlite", "--json");
    const after = [...highest];
    isOver = true;
    await Promise.all(loads);
    await serving.stop();
    expect([code, stderr]).to.deep.equal([0, ""]);
    expect(Math.max(...after), "nothing came in meanwhile").to.be.above(Math.max(...acknowledged));
    const bytes = await readFile(join(folder, "1.sqlite"));
    expect(JSON.parse(stdout)).to.deep.equal({
      file: join(folder, "1.sqlite"),
      bytes: bytes.length,
      epoch: 1,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    });
    expect(await readdir(folder)).to.deep.equal(["1.sqlite"]);
  });

  it("says the same in words, and overwrites no file", async () => {
    const words = await backup("2.sqlite");
    expect([words.code, words.stderr]).to.deep.equal([0, ""]);
    expect(words.stdout)
      .to.contain("receipts up to epoch 1")
      .and.match(/sha256 [0-9a-f]{64}/);
    await writeFile(join(folder, "3.sqlite"), "mine");
    const refused = await backup("3.sqlite");
    expect([refused.code, refused.stdout]).to.deep.equal([3, ""]);
    expect(refused.stderr).to.contain("is not overwritten");
    expect(await readFile(join(folder, "3.sqlite"), "utf8")).to.equal("mine");
  });

  it("says what to remove where one was killed", async () => {
    await writeFile(join(folder, "4.sqlite.partial"), "");
    const refused = await backup("4.sqlite");
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.contain("4.sqlite.partial is there");
  });

  it("leaves nothing behind where there is no store", async () => {
    const nowhere = join(folder, "nowhere");
    const refused = await runOracle(["backup", join(folder, "5.sqlite"), "--data", nowhere]);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.contain("cannot copy the store").and.contain(nowhere);
    const left = await readdir(folder);
    expect(left.filter((name) => name.startsWith("5"))).to.deep.equal([]);
  });

  it("leaves PostgreSQL to its own tools", async () => {
    const refused = await backup("6.sqlite", "--database", "postgresql://link:secret@db/link");
    expect([refused.code, refused.stdout]).to.deep.equal([3, ""]);
    expect(refused.stderr).to.contain("pg_dump").and.not.contain("secret");
  });

  it("makes a copy on which nothing works before forgo", async () => {
    await mkdir(restored.data);
    await cp(join(folder, "1.sqlite"), join(restored.data, "oracle.sqlite"));
    for (const command of ["check", "close"]) {
      const { code, stderr } = await restored.run(command);
      expect(code).to.equal(2);
      expect(stderr).to.contain("is a copy made by backup").and.contain("Run forgo");
    }
    // Nor is anything signed in it by whoever does not ask.
    const store = await restored.openStore();
    expect(await store.recordReport(9, 0, `0x${"11".repeat(32)}`)).to.equal("forgone");
    await store.close();
  });

  it("lets the member that forgot serve what it had, and sign nothing of the running epoch", async () => {
    const forgone = await restored.run("forgo", "--json");
    expect(JSON.parse(forgone.stdout), forgone.stderr).to.deep.equal({ throughEpoch: 1 });
    const serving = await restored.serve();
    for (const [device, wallet] of world.devices.entries()) {
      const parties = [wallet.address, world.customer.address].map((party) => party.toLowerCase());
      const head = await fetch(`${serving.url}/v1/receipts/1/${parties.join("/")}`);
      const { receipt } = (await head.json()) as { receipt: { sequence: number } };
      expect(receipt.sequence).to.be.at.least(acknowledged[device] as number);
    }
    await serving.stop();
    await world.endEpoch(1);
    await restored.close();
    await world.sealEpoch(1);
    const { code, outcome } = await restored.close();
    expect([code, outcome.waiting]).to.deep.equal([
      0,
      "0 of 1 signatures of active members for attempt 0",
    ]);
    expect(await proposals(world)).to.deep.equal([]);
  });
});

function soon(): Promise<void> {
  return new Promise((passed) => setTimeout(passed, 10));
}
