import type { DeploymentFile } from "@link-rewards/client/deployment-file";
import { trouble } from "./trouble.ts";

/** config.json beside the page: the one file that differs from place to place. */
export type PageConfig = {
  /** deployments/<chainId>.json, as scripts/deploy.ts writes it. */
  readonly deployment: DeploymentFile;
  readonly chain: {
    readonly name: string;
    /** What transactions are paid in. */
    readonly currency: string;
    /** Its address without a slash at the end, where the chain has one. */
    readonly explorer?: string;
  };
  /** Public nodes that answer pages of any origin: the next is asked when one fails. */
  readonly rpcUrls: readonly string[];
  /** Mirrors of the bundles, relative to the page or absolute; the first that serves what is on chain is used. */
  readonly bundles: readonly string[];
};

/** As the token's constructor was given it. */
export function symbolOf({ deployment }: PageConfig): string {
  const [, symbol] = deployment.contracts.LinkToken.arguments;
  return String(symbol);
}

export async function loadConfig(): Promise<PageConfig> {
  const url = new URL("config.json", document.baseURI);
  try {
    const response = await fetch(url, { cache: "no-cache" });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return (await response.json()) as PageConfig;
  } catch (cause) {
    throw trouble("config-missing", `${url} cannot be read: ${(cause as Error).message}`, cause);
  }
}
