import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PageConfig } from "../../web/sources/config.ts";
import { buildWeb } from "./build-web.ts";
import { clearSigning, tokenList } from "./wallet-metadata.ts";

/**
 * The built pages in `folder`, with the config.json that connects them to a deployment, and beside it what wallets can
 * be told about that deployment: a token list, and how to show its transactions (ERC-7730).
 */
export async function writePages(
  folder: string,
  options: Omit<PageConfig, "deployment"> & { readonly deploymentFile: string },
): Promise<void> {
  const { deploymentFile, ...rest } = options;
  await buildWeb(folder);
  const deployment = JSON.parse(await readFile(deploymentFile, "utf8"));
  const write = (name: string, value: unknown) =>
    writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  await write("config.json", { deployment, ...rest });
  await write("tokenlist.json", tokenList(deployment, "logo.svg", new Date().toISOString()));
  for (const [name, descriptor] of Object.entries(clearSigning(deployment))) {
    await write(name, descriptor);
  }
}
