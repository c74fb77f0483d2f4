import { lookup } from "node:dns/promises";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";

/**
 * True for an address that anybody in the internet could dial. What a customer publishes must not become a way into the
 * network that a device stands in: not loopback, private, link-local, shared (carrier NAT), or one that leads there.
 */
function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // An IPv4 address in IPv6 clothes is what it is; those that embed one in another way are no "unicast".
  return ipaddr.process(address).range() === "unicast";
}

/** Of a host's addresses the public ones: what was looked at is what is dialled, whatever the name says later. */
export const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }).then(
    (found) => {
      const allowed = found.filter(({ address }) => isPublicAddress(address));
      const [first] = allowed;
      if (first === undefined) {
        const addresses = found.map(({ address }) => address).join(", ");
        return callback(privateAddress(`${hostname} is ${addresses}`), "", 0);
      }
      return options.all ? callback(null, allowed) : callback(null, first.address, first.family);
    },
    (error: NodeJS.ErrnoException) => callback(error, "", 0),
  );
};

function privateAddress(what: string): Error {
  return new Error(`${what}: not public addresses; --allow-private-addresses dials them`);
}

/** A host that is an address is never looked up. Throws for one that is not public. */
export function refusePrivateHost(host: string): void {
  if (ipaddr.isValid(host) && !isPublicAddress(host)) throw privateAddress(host);
}
