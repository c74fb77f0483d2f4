import { decodeContributions } from "@link-rewards/core/epoch/records";
import { expect } from "chai";
import { openBundles } from "../../../oracle/edge/bundles.ts";
import { type PostgresServer, startPostgres } from "../../../scripts/local/postgres-server.ts";
import { LTK, type MemberWorld, startMemberWorld } from "../../worlds/network.ts";
import { lastFinalEpoch, proposals } from "../support/chronicle.ts";
import { endLeases, LEASE_SECONDS } from "../support/lease.ts";
import type { Serving } from "../support/member-oracle.ts";

describe("several processes of one member on one PostgreSQL database", () => {
  let server: PostgresServer;
  let world: MemberWorld;
  /** The highest sequence that was acknowledged, for each device. */
  const acknowledged: number[] = [];
  let sequence = 0;

  before(async () => {
    server = await startPostgres();
    world = await startMemberWorld({ createDatabase: () => server.createSchema() });
  });
  after(async () => {
    await world.stop();
    await server.stop();
  });

  /** Hands in receipts of all devices until the process is gone, or `enough` says so. */
  async function load({ url }: Serving, enough: () => boolean): Promise<void> {
    while (!enough()) {
      const mine = ++sequence;
      const fields = { sequence: mine, egressBytes: BigInt(mine) };
      const sent = world.submit(
        url,
        world.devices.map(() => fields),
      );
      const [outcome] = await Promise.allSettled([sent]);
      if (outcome.status === "rejected") return;
      for (const [device, { status }] of outcome.value.entries()) {
        if (status !== "accepted") continue;
        acknowledged[device] = Math.max(mine, acknowledged[device] ?? 0);
      }
    }
  }

  it("takes receipts in at both doors, and loses none of them when one is killed", async () => {
    const [first, second] = [await world.oracle.serve(), await world.oracle.serve()];
    let isOver = false;
    const loads = [first, first, second, second].map((serving) => load(serving, () => isOver));
    while (acknowledged.length < world.devices.length) await soon();
    await first.kill();
    const before = Math.max(...acknowledged);
    while (Math.max(...acknowledged) < before + 10) await soon();
    await second.kill();
    isOver = true;
    await Promise.all(loads);
    const again = await world.oracle.serve();
    await world.owe(again.url, 1, 3n * LTK);
    for (const [device, wallet] of world.devices.entries()) {
      const parties = [wallet.address, world.customer.address].map((party) => party.toLowerCase());
      const head = await fetch(`${again.url}/v1/receipts/1/${parties.join("/")}`);
      const { receipt } = (await head.json()) as { receipt: { sequence: number } };
      expect(receipt.sequence).to.be.at.least(acknowledged[device] as number);
    }
    await again.stop();
  });

  it("closes an epoch once, whichever of several closers is killed", async () => {
    await world.endEpoch(1);
    await world.oracle.close();
    await world.sealEpoch(1);
    const lease = ["--lease-seconds", String(LEASE_SECONDS)];
    const killed = world.oracle.startClose(...lease);
    const rival = world.oracle.startClose(...lease);
    // In the middle of its work, where it is the one that got the lease; else it ends by itself.
    await killed.line(/epoch advanced/).catch(() => undefined);
    killed.child.kill("SIGKILL");
    await Promise.all([killed.finished, rival.finished]);
    await endLeases(world.oracle);
    await world.oracle.close();
    await world.passWindow();
    await Promise.all([world.oracle.close(), world.oracle.close()]);
    expect(await lastFinalEpoch(world)).to.equal(1);
    expect(await proposals(world)).to.deep.equal([[1, 0]]);
    const bytes = await openBundles(world.oracle.bundles).read(1, "contributions.bin");
    const counted = new Map(
      decodeContributions(bytes).map(({ receipt }) => [receipt.device, receipt.sequence]),
    );
    for (const [device, highest] of acknowledged.entries()) {
      const address = world.devices[device]?.address.toLowerCase() as `0x${string}`;
      expect(counted.get(address)).to.be.at.least(highest);
    }
  });
});

function soon(): Promise<void> {
  return new Promise((passed) => setTimeout(passed, 10));
}
