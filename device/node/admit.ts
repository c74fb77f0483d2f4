import type { Address } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refusal } from "@link-rewards/core/encoding/refusal";
import { recover } from "@link-rewards/core/encoding/signature";
import type { Amounts } from "@link-rewards/core/signed/receipt";
import { NOTHING, plus, shortOf } from "../amounts.ts";
import type { EpochView } from "../oracle-client.ts";
import { isNodeRefused, type NodeRefused } from "../refusal.ts";
import { parseAuthorization, type SignedSession, sessionDigest } from "../session.ts";
import type { Book } from "./book.ts";
import { overCap, type StandingOf } from "./countersign.ts";
import type { Meter } from "./meter.ts";
import type { Protection } from "./protect.ts";

/** Whom a request is counted for. */
export type Admitted = { readonly customer: Address; readonly epoch: number };

export type Admit = (authorization: string | undefined) => Promise<Admitted | NodeRefused>;

export type AdmitParts = {
  readonly device: Address;
  readonly domain: Uint8Array;
  readonly book: Book;
  readonly meter: Meter;
  readonly epochs: EpochView;
  readonly standingOf: StandingOf;
  readonly credit: Amounts;
  readonly protection: Pick<Protection, "refusalOf">;
};

/** What the oracle said of one receipt that makes more of the same worthless: of this customer, or of this device. */
const ENDS_CUSTOMER: readonly Refusal[] = ["customer-unknown", "key-unknown", "implausible"];
const ENDS_DEVICE: readonly Refusal[] = ["device-unknown", "device-unbound", "device-revoked"];

export function admitter(parts: AdmitParts): Admit {
  const { device, domain, epochs, standingOf, book, meter, protection } = parts;
  const keyOf = rememberKeys((session) =>
    recover(sessionDigest(domain, { device, ...session }), session.signature),
  );
  return async (authorization) => {
    const session = parseAuthorization(authorization);
    if (isRefused(session)) return session;
    const { customer, epoch } = session;
    const current = await currentEpoch(epochs, epoch);
    if (current !== epoch) {
      return {
        refusal: "epoch-closed",
        message: `it is epoch ${current}, the request says ${epoch}`,
      };
    }
    meter.forgetBefore(epoch - 1);
    book.forgetBefore(epoch - 1);
    const key = keyOf(authorization as string, session);
    if (key === undefined) {
      return {
        refusal: "customer-signature-invalid",
        message: "Authorization does not have a low-s signature",
      };
    }
    const standing = await standingOf(customer, key, epoch);
    if (isNodeRefused(standing)) return standing;
    return (
      refusedBefore(parts, session) ??
      protection.refusalOf(customer, standing) ??
      overCredit(parts, session) ??
      // What has reached the cap is not gone on with: whatever comes next would be beyond it.
      overCap(meter.totals(epoch, customer), standing, 1n) ?? { customer, epoch }
    );
  };
}

/** A new epoch may have begun since the oracle was asked. */
async function currentEpoch(epochs: EpochView, expected: number): Promise<number> {
  const current = await epochs.current();
  if (current === expected) return current;
  epochs.refresh();
  return epochs.current();
}

function refusedBefore(
  { book }: AdmitParts,
  { customer, epoch }: Admitted,
): NodeRefused | undefined {
  for (const { fate, ...entry } of book.entries()) {
    if (fate.status !== "refused") continue;
    const { refusal, message } = fate;
    const ended =
      entry.epoch === epoch
        ? ENDS_DEVICE.includes(refusal) ||
          (entry.customer === customer && ENDS_CUSTOMER.includes(refusal))
        : refusal === "device-revoked";
    if (ended) return { refusal, message: `the oracle says: ${message}` };
  }
  return undefined;
}

function overCredit(
  { book, meter, credit }: AdmitParts,
  { customer, epoch }: Admitted,
): NodeRefused | undefined {
  const signed = book.entry(epoch, customer)?.signed?.receipt ?? NOTHING;
  const metered = meter.totals(epoch, customer);
  const short = shortOf(plus(credit, signed), metered);
  if (short === undefined) return undefined;
  const message = `${short}: ${metered[short]} served, ${signed[short]} signed for, credit ${credit[short]}`;
  return { refusal: "credit-exhausted", message };
}

const MOST_KEYS = 1_000;

/** To recover a key costs as much as to serve a chunk: once for each header is enough. */
function rememberKeys(keyOf: (session: SignedSession) => Address | undefined) {
  const known = new Map<string, Address | undefined>();
  return (header: string, session: SignedSession): Address | undefined => {
    if (!known.has(header)) {
      if (known.size >= MOST_KEYS) known.clear();
      known.set(header, keyOf(session));
    }
    return known.get(header);
  };
}
