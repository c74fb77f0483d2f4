import type { Address } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { openPostgresStore } from "../../../oracle/store/postgres.ts";
import type { Store } from "../../../oracle/store/store.ts";
import {
  type PostgresServer,
  runSql,
  STANDBY,
  startPostgres,
} from "../../../scripts/local/postgres-server.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { messageOf, until } from "./suite.ts";

/** Short, so that a test of what nobody answers ends soon; whatever is answered takes milliseconds. */
const ANSWER_WAIT_MS = 1_500;
const crowd = crowdOf();
const receipt = (sequence: number) => crowd.verified({ sequence });

type Pair = { readonly primary: PostgresServer; readonly standby: PostgresServer };

async function startPair(): Promise<Pair> {
  const primary = await startPostgres();
  const standby = await primary.startStandby();
  await primary.set("synchronous_standby_names", STANDBY);
  await standbyFollows(primary);
  return { primary, standby };
}

function standbyFollows({ url }: PostgresServer): Promise<void> {
  return until(async () => {
    const [row] = await runSql(
      url,
      "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'",
    );
    return row !== undefined;
  });
}

/** Names both, the second one too. */
function bothOf(url: string, { primary, standby }: Pair, order = [primary, standby]): string {
  return url.replace(primary.address, order.map(({ address }) => address).join(","));
}

async function headOf(store: Store): Promise<number> {
  const { epoch, device, customer } = receipt(1).receipt;
  return (await store.head(epoch, device, customer))?.receipt.sequence ?? 0;
}

describe("PostgreSQL with a synchronous standby", () => {
  let pair: Pair;
  let url: string;

  before(async () => {
    pair = await startPair();
  });
  after(async () => {
    await pair.primary.stop();
    await pair.standby.stop();
  });
  beforeEach(async () => {
    url = await pair.primary.createSchema();
  });

  it("is written to at its primary, in whatever order the URL names them", async () => {
    for (const order of [
      [pair.primary, pair.standby],
      [pair.standby, pair.primary],
    ]) {
      const store = await openPostgresStore(bothOf(url, pair, order));
      expect(await store.putReceipts([receipt(1)])).to.have.length(1);
      expect(await headOf(store)).to.equal(1);
      await store.close();
    }
  });

  it("never takes the standby for the database", async () => {
    await (await openPostgresStore(url)).close();
    const alone = url.replace(pair.primary.address, pair.standby.address);
    expect(await messageOf(openPostgresStore(alone))).to.match(/it is a standby.*promote/);
  });

  it("refuses a URL that wants one, and one that names two databases", async () => {
    const wanted = `${bothOf(url, pair)}&target_session_attrs=`;
    expect(await messageOf(openPostgresStore(`${wanted}standby`))).to.match(/is written to/);
    await (await openPostgresStore(`${wanted}read-write`)).close();
    const other = await startPostgres();
    const mixed = bothOf(url, { ...pair, standby: other });
    expect(await messageOf(openPostgresStore(mixed))).to.match(/another database/);
    await other.stop();
  });

  it("is refused when its commits do not wait for the standby it names", async () => {
    await runSql(url, "ALTER ROLE link SET synchronous_commit = local");
    try {
      expect(await messageOf(openPostgresStore(url))).to.match(/synchronous_commit is local/);
    } finally {
      await runSql(url, "ALTER ROLE link RESET synchronous_commit");
    }
  });

  describe("whose standby is away", () => {
    let store: Store;

    beforeEach(async () => {
      store = await openPostgresStore(url, { answerWaitMs: ANSWER_WAIT_MS });
      await store.putReceipts([receipt(1)]);
      await pair.standby.kill();
    });
    afterEach(async () => {
      await store.close();
    });
    const comeBack = async () => {
      await pair.standby.start();
      await standbyFollows(pair.primary);
    };

    it("acknowledges nothing, neither new nor known, when the wait for it is cancelled", async () => {
      const put = messageOf(store.putReceipts([receipt(2)]));
      const cancel = () =>
        runSql(
          url,
          `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
           WHERE wait_event = 'SyncRep' AND query LIKE '%COMMIT'`,
        );
      await until(async () => (await cancel()).length > 0);
      expect(await put).to.match(/not known whether .* kept/);
      // It is there, and would go with the primary.
      expect(await headOf(store)).to.equal(2);
      expect(await messageOf(store.putReceipts([receipt(2)]))).to.match(/not known whether/);
      await comeBack();
      const [outcome] = await store.putReceipts([receipt(2)]);
      expect(outcome?.status).to.equal("known");
    });

    it("leaves no server processes behind that wait, however often it is tried", async () => {
      for (const sequence of [2, 3, 4]) {
        expect(await messageOf(store.putReceipts([receipt(sequence)]))).to.match(
          /not known whether .*does not answer/,
        );
      }
      await until(async () => {
        const waiting = await runSql(
          url,
          "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        );
        return waiting.length === 0;
      });
      await comeBack();
      await store.putReceipts([receipt(5)]);
      expect(await headOf(store)).to.equal(5);
    });
  });
});

describe("PostgreSQL whose primary is killed", () => {
  let pair: Pair;
  let url: string;
  let store: Store;

  beforeEach(async () => {
    pair = await startPair();
    url = bothOf(await pair.primary.createSchema(), pair);
    store = await openPostgresStore(url, { answerWaitMs: ANSWER_WAIT_MS });
  });
  afterEach(async () => {
    await store.close();
    await pair.primary.stop();
    await pair.standby.stop();
  });

  it("under load goes on at the promoted standby by itself, and has all that was acknowledged", async () => {
    const acknowledged = new Map<string, number>();
    const refused: string[] = [];
    let isOver = false;
    const highest = () => Math.max(0, ...acknowledged.values());
    const load = async (device: Address, customer: Address) => {
      for (let sequence = 1; !isOver; sequence++) {
        try {
          await store.putReceipts([crowd.verified({ device, customer, sequence })]);
          acknowledged.set(`${device}/${customer}`, sequence);
        } catch (error) {
          refused.push((error as Error).message);
          // As a sender does that was answered `busy`.
          await new Promise((passed) => setTimeout(passed, 20));
        }
      }
    };
    const loads = crowd.devices.flatMap((device) =>
      crowd.customers.map((customer) => load(device, customer)),
    );
    await until(async () => highest() >= 20);
    await pair.primary.kill();
    await until(async () => refused.some((reason) => /can be written to/.test(reason)));
    await pair.standby.promote();
    const before = highest();
    await until(async () => highest() >= before + 20);
    isOver = true;
    await Promise.all(loads);
    expect(refused.join("\n")).to.match(/it is a standby/);
    const fresh = await openPostgresStore(url);
    for (const [parties, sequence] of acknowledged) {
      const [device, customer] = parties.split("/") as [Address, Address];
      const head = await fresh.head(1, device, customer);
      expect(head?.receipt.sequence).to.be.at.least(sequence);
    }
    await fresh.close();
  });

  it("is never written to when it comes back as it was, beside the promoted one", async () => {
    await store.putReceipts([receipt(1)]);
    await pair.primary.kill();
    await pair.standby.promote();
    await until(async () => (await messageOf(store.putReceipts([receipt(2)]))) === "done");
    // It waits for no one any more: nothing but its timeline tells it from the right one.
    await pair.primary.start();
    await pair.primary.set("synchronous_standby_names", "");
    const fresh = await openPostgresStore(url);
    await fresh.putReceipts([receipt(3)]);
    await fresh.close();
    await pair.standby.kill();
    const seen: string[] = [];
    await until(async () => {
      seen.push(await messageOf(store.putReceipts([receipt(4)])));
      return /replaced by a promoted standby/.test(seen.at(-1) ?? "");
    });
    expect(seen).not.to.include("done");
    await pair.standby.start();
    await until(async () => (await messageOf(store.putReceipts([receipt(5)]))) === "done");
    expect(await headOf(store)).to.equal(5);
    const old = await openPostgresStore(url.replace(`,${pair.standby.address}`, ""));
    expect(await headOf(old)).to.equal(1);
    await old.close();
  });
});
