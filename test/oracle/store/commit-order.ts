import type { Hex } from "@link-rewards/core/encoding/bytes";
import { SIGNED_RECEIPT_BYTES, unpackSignedReceipt } from "@link-rewards/core/signed/receipt";
import { SIGNED_VOUCHER_BYTES, unpackSignedVoucher } from "@link-rewards/core/signed/voucher";
import { expect } from "chai";
import { openPostgresStore } from "../../../oracle/store/postgres.ts";
import type { ArrivalTable, Store } from "../../../oracle/store/store.ts";
import { type PostgresServer, runSql } from "../../../scripts/local/postgres-server.ts";
import { crowdOf } from "../../worlds/paper.ts";
import { until } from "./suite.ts";

/** Any number that nothing else in the database takes. */
const GATE = 4_711;

/**
 * Two clients write at once, and a peer reads along. What one numbers first and commits last is held there by a trigger of
 * the test, so that the other has every chance to come before it with a higher number.
 */
export function commitOrderSuite(
  name: string,
  place: () => {
    readonly server: PostgresServer;
    readonly prepare?: (url: string) => Promise<void>;
  },
): void {
  describe(`${name}: what two clients write at once`, () => {
    let url: string;
    let stores: [Store, Store];
    const crowd = crowdOf({ devices: 8 });

    beforeEach(async () => {
      const { server, prepare } = place();
      url = await server.createSchema();
      await prepare?.(url);
      stores = [await openPostgresStore(url), await openPostgresStore(url)];
      await stores[0].beginLife();
    });
    afterEach(async () => {
      for (const store of stores) await store.close();
    });

    /** A peer that reads all there is, from where it ended. */
    function reader(table: ArrivalTable) {
      const seen = new Set<string>();
      let cursor: string | undefined;
      const take = (packed: Uint8Array) => {
        const bytes = table === "receipts" ? SIGNED_RECEIPT_BYTES : SIGNED_VOUCHER_BYTES;
        for (let at = 0; at < packed.length; at += bytes) {
          const one = packed.slice(at, at + bytes);
          if (table === "receipts") {
            const { device, sequence } = unpackSignedReceipt(one).receipt;
            seen.add(`${device} ${sequence}`);
          } else seen.add(String(unpackSignedVoucher(one).voucher.epoch));
        }
      };
      return {
        seen,
        async readOn() {
          for (;;) {
            const page = await stores[0].arrivals(table, cursor);
            if (page === undefined) throw new Error("its own cursor is not known");
            cursor = page.cursor;
            if (page.packed.length === 0) return;
            take(page.packed);
          }
        },
      };
    }

    /** Keeps whoever writes this row from its commit, until what it gives back is called. */
    async function holdAt(table: ArrivalTable, condition: string): Promise<() => Promise<void>> {
      await runSql(
        url,
        `CREATE FUNCTION wait_at_gate() RETURNS TRIGGER LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_advisory_xact_lock(${GATE}); RETURN NULL; END $$;
         CREATE TRIGGER gate AFTER INSERT OR UPDATE ON ${table} FOR EACH ROW
         WHEN (${condition}) EXECUTE FUNCTION wait_at_gate()`,
      );
      return place().server.hold(url, `SELECT pg_advisory_lock(${GATE})`);
    }

    const waiting = async () => {
      const sql = "SELECT COUNT(DISTINCT pid)::INT AS n FROM pg_locks WHERE NOT granted";
      return Number((await runSql(url, sql))[0]?.n);
    };

    /** The second writes when the first is held; both are read along, and after. */
    async function meet(
      table: ArrivalTable,
      condition: string,
      write: (i: 0 | 1) => Promise<unknown>,
    ) {
      const peer = reader(table);
      const release = await holdAt(table, condition);
      const first = write(0);
      await until(async () => (await waiting()) === 1);
      let isThrough = false;
      const second = write(1).then(() => {
        isThrough = true;
      });
      // Waits for the first, or is there before it.
      await until(async () => isThrough || (await waiting()) === 2);
      await peer.readOn();
      await release();
      await Promise.all([first, second]);
      await peer.readOn();
      return peer.seen;
    }

    it("skips no receipt that is numbered first and committed last (the gap of a sequence)", async () => {
      const [held, other] = crowd.devices as [Hex, Hex];
      const seen = await meet("receipts", `NEW.device = '\\x${held.slice(2)}'`, (i) =>
        stores[i].putReceipts([crowd.verified({ device: i === 0 ? held : other })]),
      );
      expect([...seen]).to.have.members([`${held} 1`, `${other} 1`]);
    });

    it("skips no voucher that is numbered first and committed last", async () => {
      const seen = await meet("vouchers", "NEW.epoch = 5", (i) =>
        stores[i].putVoucher(crowd.verifiedVoucher({ epoch: 5 + i, amount: 1n }, 0)),
      );
      expect([...seen]).to.have.members(["5", "6"]);
    });

    it("is all read by a peer that reads along, whoever came first", async () => {
      const peer = reader("receipts");
      const ROUNDS = 60;
      let writing = 2;
      const write = async (i: 0 | 1) => {
        for (let sequence = 1; sequence <= ROUNDS; sequence++) {
          const devices = crowd.devices.filter((_, d) => d % 2 === i);
          await stores[i].putReceipts(
            devices.map((device) => crowd.verified({ device, sequence })),
          );
        }
        writing--;
      };
      const readAlong = async () => {
        while (writing > 0) await peer.readOn();
      };
      await Promise.all([write(0), write(1), readAlong()]);
      await peer.readOn();
      expect([...peer.seen]).to.include.members(
        crowd.devices.map((device) => `${device} ${ROUNDS}`),
      );
    });
  });
}
