import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Command } from "@commander-js/extra-typings";
import type { DeploymentFile } from "@link-rewards/client/deployment-file";
import Table from "cli-table3";
import { formatEther, getAddress } from "ethers";
import hre from "hardhat";
import { deploySuite, type SuiteParameters } from "./deployment.ts";
import { readParameters } from "./parameters.ts";

/*
 * node scripts/deploy.ts [network] [--parameters file] [--out folder] [--json]
 *
 * Deploys the suite to a network of hardhat.config.ts with the parameters in ignition/parameters/<network>.json5, and
 * writes deployments/<chainId>.json. Run again after a failure, it goes on where it stopped.
 * Sources are then published with one command: npx hardhat ignition verify chain-<chainId> --network <network>
 */

const PLAIN = { style: { head: [], border: [] } };
const PROJECT = path.resolve(import.meta.dirname, "..");

const command = new Command("deploy")
  .description("deploy the suite and write deployments/<chainId>.json")
  .argument("[network]", "a network of hardhat.config.ts", "localhost")
  .option("--parameters <file>", "default: ignition/parameters/<network>.json5")
  .option("--out <folder>", "where the deployment is written", path.join(PROJECT, "deployments"))
  .option("--json", "print the deployment as JSON")
  .parse();
const [network] = command.processedArgs;
const options = command.opts();
try {
  await deploy(network, options.parameters ?? parameterFile(network), options.out, options.json);
} catch (error) {
  console.error(`deploy: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

async function deploy(network: string, file: string, out: string, json = false): Promise<void> {
  const read = await readParameters(file);
  await hre.tasks.getTask("build").run({ quiet: true });
  const connection = await hre.network.create(network);
  try {
    const latest = await connection.ethers.provider.getBlock("latest");
    const parameters = { ...read, genesis: read.genesis ?? latest?.timestamp ?? 0 };
    const [deployer] = await connection.ethers.getSigners();
    console.error(`deploying to ${network} from ${deployer?.address}, with ${file}`);
    const { deployment } = await deploySuite(connection, parameters);
    const record = await writeDeployment(deployment, out);
    console.error(`wiring, roles and balances on the chain are as meant; wrote ${record}`);
    console.log(json ? JSON.stringify(deployment, null, 2) : summary(deployment, parameters));
  } finally {
    await connection.close();
  }
}

function parameterFile(network: string): string {
  return path.join(PROJECT, "ignition", "parameters", `${network}.json5`);
}

async function writeDeployment(deployment: DeploymentFile, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, `${deployment.chainId}.json`);
  await writeFile(file, `${JSON.stringify(deployment, null, 2)}\n`);
  return path.relative(process.cwd(), file);
}

function summary(deployment: DeploymentFile, parameters: SuiteParameters): string {
  const contracts = new Table({ ...PLAIN, head: ["contract", "address", "block"] });
  for (const [name, { address, block }] of Object.entries(deployment.contracts)) {
    contracts.push([name, getAddress(address), block]);
  }
  const roles = new Table({ ...PLAIN, head: ["who", "address", "may"] });
  roles.push(
    [
      "governance",
      getAddress(parameters.governance),
      "members, roles, tariff, rules, limits, retirement",
    ],
    ["guardian", getAddress(parameters.guardian), "veto, short pause"],
    ["manufacturer", getAddress(parameters.manufacturer), "enrol and revoke devices"],
    ["admission", getAddress(parameters.admission), "admit and dismiss customers"],
    ["treasury", getAddress(parameters.treasury), "nothing; holds the rest of the supply"],
  );
  const begins = new Date(1000 * deployment.genesis).toISOString();
  return [
    contracts.toString(),
    roles.toString(),
    `chain ${deployment.chainId}; epoch 1 begins ${begins}, every epoch lasts ${deployment.epochSeconds} s`,
    `the ledger holds ${formatEther(parameters.emissionShare)} LTK to issue; the deployer holds nothing`,
  ].join("\n");
}
