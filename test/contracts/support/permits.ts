import type { LinkToken } from "@link-rewards/contracts/types/LinkToken";
import type { TypedDataDomain } from "ethers";
import { CHAIN_ID } from "./signing.ts";

/** ERC-2612. */
export const PERMIT = {
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};

export async function permitDomainOf(token: LinkToken): Promise<TypedDataDomain> {
  const verifyingContract = await token.getAddress();
  return { name: await token.name(), version: "1", chainId: CHAIN_ID, verifyingContract };
}
