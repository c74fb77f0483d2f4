import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import type { Refused } from "@link-rewards/core/encoding/refusal";
import type {
  CustomersAnswer,
  HeadAnswer,
  Introduction,
  Results,
  Reviewed,
  StandingAnswer,
  Terms,
  VoucherResult,
} from "@link-rewards/core/signed/answers";
import type { Attestation, Declined } from "@link-rewards/core/signed/report";
import type { SignedVoucher } from "@link-rewards/core/signed/voucher";

export type HttpServerOptions = {
  readonly ingest: {
    accept(body: unknown, sender: string): Promise<Results | Refused>;
    acceptVoucher(body: unknown, sender: string): Promise<VoucherResult | Refused>;
    open(): Terms | Refused;
    head(epoch: number, device: Address, customer: Address): Promise<HeadAnswer | undefined>;
    vouchers(): AsyncIterable<SignedVoucher>;
  };
  /** For devices that look for customers. Without it the routes do not exist. */
  readonly customers?: {
    /** Those that may be served now and say where their gateways are. */
    list(): Promise<CustomersAnswer | Refused>;
    /** Undefined for who may not be served now. */
    standing(customer: Address): Promise<StandingAnswer | Refused | undefined>;
  };
  /** Addresses or networks of reverse proxies, whose X-Forwarded-For is believed; without any, it is nobody's. */
  readonly trustProxy?: readonly string[];
  /** Of one address in ten seconds, looked at in vain; there is a default. */
  readonly pointsPerAddress?: number;
  /** Of one address in ten seconds, read; there is a default. */
  readonly readPointsPerAddress?: number;
  /** All heads of an epoch, packed, many to a page: for the other members. */
  readonly receipts: (epoch: number) => AsyncIterable<Uint8Array>;
  /** Why it should get no traffic now; empty when it should. */
  readonly readiness: () => Promise<readonly Unready[]>;
  readonly metrics: {
    readonly contentType: string;
    render(): Promise<string>;
    request(labels: { method: string; route: string; status: number }, seconds: number): void;
  };
  readonly log: {
    debug(details: Record<string, unknown>, message: string): void;
    error(details: Record<string, unknown>, message: string): void;
  };
  /** What members ask each other. Without it this oracle signs no reports, and the routes do not exist. */
  readonly members?: MemberDoor;
  /** Absolute path of the published bundles; without it there are none. */
  readonly bundles?: string;
  /** Absolute path of the claim and audit pages, with their config.json; without it there are none. */
  readonly pages?: string;
};

/** What is here for members alone, and how they are told from strangers. */
export type MemberDoor = {
  /** By the headers alone, before the body is read. */
  readonly recognize: (request: {
    readonly authorization: string | undefined;
    readonly method: string;
    readonly url: string;
  }) => { readonly member: Address; readonly bodyHash: Hex } | Refused;
  /** Who this is, and what it speaks: for everybody. */
  readonly introduce: () => Introduction;
  readonly attest: (body: unknown, asker: Address) => Promise<Attestation | Declined | Refused>;
  /** Verifies the report as {@link attest} does, and signs nothing. */
  readonly review: (body: unknown, asker: Address) => Promise<Reviewed | Declined | Refused>;
  /** What arrived after the cursor, packed, in the order of arrival; undefined for a cursor of another store. */
  readonly arrivals: (
    table: "receipts" | "vouchers",
    after: string | undefined,
  ) => Promise<{ readonly packed: Uint8Array; readonly cursor: string } | undefined>;
};

/** `reason` is a fixed word for alerts, `message` says the numbers. */
export type Unready = { readonly reason: string; readonly message: string };
