import { expect } from "chai";
import { openPostgresStore } from "../../../oracle/store/postgres.ts";
import type { Store } from "../../../oracle/store/store.ts";
import {
  type PostgresServer,
  runSql,
  startPostgres,
} from "../../../scripts/local/postgres-server.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { type SilentProxy, startSilentProxy } from "./silent-proxy.ts";
import { messageOf, until } from "./suite.ts";

/** Short, so that a test of what nobody answers ends soon; whatever is answered takes milliseconds. */
const ANSWER_WAIT_MS = 1_500;
const crowd = crowdOf();
const receipt = (sequence: number) => crowd.verified({ sequence });

describe("PostgreSQL: a store's connections", () => {
  let server: PostgresServer;
  let proxy: SilentProxy;
  let url: string;
  let store: Store;

  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());
  beforeEach(async () => {
    url = await server.createSchema();
    proxy = await startSilentProxy(server.address);
    const through = url.replace(server.address, proxy.address);
    store = await openPostgresStore(through, { answerWaitMs: ANSWER_WAIT_MS });
    // More than one, so that more than one is idle afterwards.
    await Promise.all([store.epochs(), store.cursor(), Array.fromAsync(store.vouchers())]);
    await store.putReceipts([receipt(1)]);
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
  });

  const headOf = async () => {
    const { epoch, device, customer } = receipt(1).receipt;
    return (await store.head(epoch, device, customer))?.receipt.sequence;
  };

  it("are made anew when the server was restarted while they were idle, and nobody is refused", async () => {
    await server.crash();
    await until(async () => (await messageOf(store.epochs())) === "done");
    expect(await store.putReceipts([receipt(2)])).to.have.length(1);
    expect(await headOf()).to.equal(2);
  });

  it("that break in a transaction refuse it, nothing of it is kept, and the next goes on", async () => {
    const free = await server.hold(url, "LOCK TABLE receipts IN EXCLUSIVE MODE");
    const put = messageOf(store.putReceipts([receipt(2)]));
    await until(async () => {
      const waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
      return (await runSql(url, waits)).length > 0;
    });
    await server.crash();
    expect(await put).to.match(/kept nothing of a write/);
    await free().catch(() => undefined);
    await until(async () => (await messageOf(store.epochs())) === "done");
    expect(await headOf()).to.equal(1);
    await store.putReceipts([receipt(2)]);
    expect(await headOf()).to.equal(2);
  });

  it("that fell silent cost one wait, whatever number of them there is", async () => {
    proxy.fallSilent();
    expect(await messageOf(store.putReceipts([receipt(2)]))).to.match(/does not answer/);
    expect(await store.putReceipts([receipt(3)])).to.have.length(1);
    expect(await headOf()).to.equal(3);
  });

  it("do not keep a silent one's transaction, and its locks, on the server", async () => {
    const free = await server.hold(url, "LOCK TABLE receipts IN EXCLUSIVE MODE");
    const put = messageOf(store.putReceipts([receipt(2)]));
    const waiting = () =>
      runSql(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    await until(async () => (await waiting()).length > 0);
    proxy.fallSilent();
    expect(await put).to.match(/does not answer/);
    await until(async () => (await waiting()).length === 0);
    await free();
    await store.putReceipts([receipt(3)]);
    expect(await headOf()).to.equal(3);
  });

  it("refuse everybody within a bound while the server cannot be reached, and go on when it can", async () => {
    proxy.fallSilent(true);
    expect(await messageOf(store.putReceipts([receipt(2)]))).to.match(/kept nothing .*not answer/);
    expect(await messageOf(store.putReceipts([receipt(2)]))).to.match(/kept nothing/);
    expect(await messageOf(store.epochs())).not.to.equal("done");
    proxy.fallSilent(false);
    await until(async () => (await messageOf(store.putReceipts([receipt(4)]))) === "done");
    expect(await headOf()).to.equal(4);
  });
});
