import { JsonRpcProvider } from "ethers";
import type { MakeWallet } from "./wallet.ts";

/** As little as a wallet can be: it signs with ethers. */
export const plainWallet: MakeWallet = ({ rpcUrl, accounts, signer, confirm, own }) => {
  const provider = new JsonRpcProvider(rpcUrl, undefined, { cacheTimeout: -1, batchStallTime: 0 });
  return {
    async request(page, method, params) {
      if (method === "eth_accounts") return accounts();
      if (method === "eth_sendTransaction") {
        const { to = "", data = "" } = params[0] as Record<string, string>;
        return confirm(
          async () => (await signer().connect(provider).sendTransaction({ to, data })).hash,
        );
      }
      const answer = own[method];
      if (answer === undefined) throw { code: 4200, message: `the test wallet has no ${method}` };
      return answer(page, params);
    },
    close: () => provider.destroy(),
  };
};
