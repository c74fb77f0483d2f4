import type { Address, Hex } from "@link-rewards/core/encoding/bytes";
import { isRefused, type Refused, refuse } from "@link-rewards/core/encoding/refusal";
import { epochAt } from "@link-rewards/core/law/clock";
import { type Law, membersAt } from "@link-rewards/core/law/law";
import { type Deployment, ledgerDomain } from "@link-rewards/core/signed/deployment";
import {
  memberRequestDigest,
  parseMemberAuthorization,
  requestTarget,
} from "@link-rewards/core/signed/member-request";
import { loadSecp256k1 } from "@link-rewards/host/secp256k1";

/** Between two members' clocks, and on the way. Two clocks that are further apart would close epochs apart as well. */
const REQUEST_TOLERANCE_SECONDS = 120;
/** Of one member within the tolerance: far more than it asks, and little memory. */
const MAX_NONCES = 10_000;

export type RecognitionOptions = {
  readonly deployment: Deployment;
  readonly law: () => Law;
  /** This member, who is asked. */
  readonly member: Address;
  /** The newest block's time, which says who is a member; unix seconds. */
  readonly chainSeconds: () => number;
  /** What a request's time is compared with, unix seconds: the own clock, and while it is in doubt what else it may be. */
  readonly times: () => readonly number[];
};

/** Who asks, and the hash that the body must have. */
export type Recognized = { readonly member: Address; readonly bodyHash: Hex };

export type Recognition = (request: {
  readonly authorization: string | undefined;
  readonly method: string;
  readonly url: string;
}) => Recognized | Refused;

/**
 * Tells members from strangers by the headers of a request, before its body is read. Whatever is cheap to see is refused
 * first: a stranger's flood costs no signature check but where it names a member, and then one and nothing else.
 */
export function createRecognition(options: RecognitionOptions): Recognition {
  const { deployment, law, member: self, chainSeconds, times } = options;
  const domain = ledgerDomain(deployment);
  const { recover } = loadSecp256k1();
  /** By member: each nonce, and when it may be forgotten. In the order of arrival. */
  const seen = new Map<Address, Map<Hex, number>>();

  function noncesOf(member: Address, now: number): Map<Hex, number> {
    const nonces = seen.get(member) ?? new Map<Hex, number>();
    seen.set(member, nonces);
    for (const [nonce, until] of nonces) {
      if (until >= now) break;
      nonces.delete(nonce);
    }
    return nonces;
  }

  return ({ authorization, method, url }) => {
    const parsed = parseMemberAuthorization(authorization);
    if (isRefused(parsed)) return parsed;
    const { request, signature } = parsed;
    const { member, recipient, target, bodyHash, nonce } = request;
    if (recipient !== self)
      return stranger(`the request is for member ${recipient}, this is ${self}`);
    const possible = times();
    const sentAt = Number(request.sentAt);
    if (possible.every((now) => Math.abs(sentAt - now) > REQUEST_TOLERANCE_SECONDS)) {
      return stranger(
        `the request was sent at ${sentAt}, it is ${possible[0]} here: set both clocks by NTP`,
      );
    }
    if (!isMemberSoon(law(), member, epochAt(deployment, chainSeconds()))) {
      return stranger(`${member} is no member in this epoch or the next`);
    }
    if (target !== requestTarget(method, url))
      return stranger("the signature is for another method or path");
    // By a clock that nobody sets.
    const now = performance.now() / 1000;
    const nonces = noncesOf(member, now);
    if (nonces.has(nonce)) return stranger("the request came before");
    if (nonces.size >= MAX_NONCES)
      return refuse("busy", `${MAX_NONCES} requests of ${member} came within minutes`);
    if (recover(memberRequestDigest(domain, request), signature) !== member)
      return stranger(`the signature is not by ${member}`);
    // For as long as its time would be taken, and both ends of that.
    nonces.set(nonce, now + 2 * REQUEST_TOLERANCE_SECONDS);
    return { member, bodyHash };
  };
}

/** From the next epoch on counts: keys change with an epoch, and a key that comes must be known when it begins. */
export function isMemberSoon(law: Law, member: Address, epoch: number): boolean {
  return membersAt(law, epoch).includes(member) || membersAt(law, epoch + 1).includes(member);
}

function stranger(why: string): Refused {
  return refuse("not-a-member", why);
}
