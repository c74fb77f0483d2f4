import ipaddr from "ipaddr.js";

/** Of an IPv6 address the 64 bits that its holder cannot choose; of an IPv4 one, all. Shares are counted by it. */
const HOLDERS_GROUPS = 4;

/** Who an address belongs to, as far as one can tell. What is no address is its own. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return parsed.toString();
  return parsed.parts
    .slice(0, HOLDERS_GROUPS)
    .map((group) => group.toString(16))
    .join(":");
}
