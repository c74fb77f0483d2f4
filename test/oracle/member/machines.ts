import { cp } from "node:fs/promises";
import { expect } from "chai";
import { type PostgresServer, startPostgres } from "../../../scripts/local/postgres-server.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { lastFinalEpoch, proposals } from "../support/chronicle.ts";
import { endLeases, LEASE_SECONDS } from "../support/lease.ts";
import { type MemberOracle, memberOracle } from "../support/member-oracle.ts";

const CLOCK_AHEAD = new URL("../support/clock-ahead.ts", import.meta.url).href;

describe("two machines of one member on one PostgreSQL database", () => {
  let server: PostgresServer;
  let world: MemberWorld;
  let first: MemberOracle;
  /** With a folder of its own, and a clock that is an hour ahead. */
  let second: MemberOracle;

  before(async () => {
    server = await startPostgres();
    world = await startMemberWorld({ createDatabase: () => server.createSchema() });
    const { devnet, oracle } = world;
    const { wallet, database } = oracle;
    first = oracle;
    const nodeArgs = [`--import=${CLOCK_AHEAD}`];
    second = await memberOracle({ devnet, name: "elsewhere", wallet, database, nodeArgs });
  });
  after(async () => {
    await second.stop();
    await world.stop();
    await server.stop();
  });

  for (const [epoch, state] of [
    [1, "computed"],
    [2, "published"],
    [3, "proposed"],
  ] as const) {
    it(`close an epoch once, where one is killed when it has ${state} it and the other takes over`, async () => {
      const serving = await first.serve();
      const parts = world.devices.map(() => ({ epoch }));
      await world.submit(serving.url, parts);
      await world.owe(serving.url, epoch, 3n * LTK);
      await serving.stop();
      await world.endEpoch(epoch);
      await first.close();
      await world.sealEpoch(epoch);
      const killed = first.startClose("--lease-seconds", String(LEASE_SECONDS));
      await killed.line(new RegExp(`"to":"${state}"`));
      killed.child.kill("SIGKILL");
      await killed.finished;
      expect((await second.close()).outcome.waiting).to.equal("another close is running");
      await endLeases(first);
      const taken = await second.close();
      expect([taken.code, taken.outcome.waiting ?? taken.stderr]).to.match(/0,the window is open/);
      await world.passWindow();
      expect((await second.close()).code).to.equal(0);
      expect(await lastFinalEpoch(world)).to.equal(epoch);
      const attempts = (await proposals(world)).filter(([proposed]) => proposed === epoch);
      expect(attempts).to.deep.equal([[epoch, 0]]);
      // What is final is copied, as from any mirror.
      await cp(second.bundles, first.bundles, { recursive: true });
    });
  }
});
