import { readFile } from "node:fs/promises";
import { type DeploymentFile, parseDeploymentFile } from "@link-rewards/client/deployment-file";

export async function readDeploymentFile(path: string): Promise<DeploymentFile> {
  try {
    return parseDeploymentFile(await readFile(path, "utf8"));
  } catch (cause) {
    throw new Error(
      `cannot use the deployment file ${path}: ${(cause as Error).message}; it is written by scripts/deploy.ts`,
      { cause },
    );
  }
}
