import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import type { DeploymentFile } from "@link-rewards/client/deployment-file";
import { type KeyFiles, openSigner } from "@link-rewards/host/keys";
import { keyOptions, rpcOption } from "@link-rewards/host/options";
import { runProgram } from "@link-rewards/host/program";
import Table from "cli-table3";
import { formatEther, getAddress } from "ethers";
import hre from "hardhat";
import { deploySuite, type SuiteParameters } from "./deployment.ts";
import { readParameters } from "./parameters.ts";

/*
 * Deploys the suite to a network of hardhat.config.ts with the parameters in ignition/parameters/<network>.json5, and
 * writes deployments/<chainId>.json. Run again after a failure, it goes on where it stopped.
 * Sources are then published with one command: npx hardhat ignition verify chain-<chainId> --network <network>
 */

const PLAIN = { style: { head: [], border: [] } };
const PROJECT = path.resolve(import.meta.dirname, "..");

const key = keyOptions();
const program = new Command("deploy")
  .description(
    "Deploys the suite, links it, hands out its roles, reads all of it back, and writes deployments/<chainId>.json.",
  )
  .argument("[network]", "localhost, whose node has unlocked accounts, or custom", "localhost")
  .addOption(rpcOption())
  .addOption(key.keystore)
  .addOption(key.passwordFile)
  .addOption(key.keyFile)
  .option("--parameters <file>", "default: ignition/parameters/<network>.json5")
  .option("--out <folder>", "where the deployment is written", path.join(PROJECT, "deployments"))
  .addOption(new Option("--json", "print the deployment as JSON").default(false))
  .action(deploy);
await runProgram(program);

type DeployOptions = KeyFiles & {
  readonly rpc?: string | undefined;
  readonly parameters?: string | undefined;
  readonly out: string;
  readonly json: boolean;
};

async function deploy(network: string, options: DeployOptions): Promise<void> {
  const file = options.parameters ?? parameterFile(network);
  const read = await readParameters(file);
  const override = await overrideFor(network, options);
  await hre.tasks.getTask("build").run({ quiet: true, noTests: true });
  const connection = await hre.network.create({ network, override });
  try {
    const latest = await connection.ethers.provider.getBlock("latest");
    const parameters = { ...read, genesis: read.genesis ?? latest?.timestamp ?? 0 };
    const [deployer] = await connection.ethers.getSigners();
    console.error(`deploying to ${network} from ${deployer?.address}, with ${file}`);
    const { deployment } = await deploySuite(connection, parameters);
    const record = await writeDeployment(deployment, options.out);
    console.error(`wiring, roles and balances on the chain are as meant; wrote ${record}`);
    console.log(
      options.json ? JSON.stringify(deployment, null, 2) : summary(deployment, parameters),
    );
  } finally {
    await connection.close();
  }
}

/** The node and the key that are asked for; a local node signs with the accounts it has unlocked. */
async function overrideFor(network: string, options: DeployOptions) {
  const { rpc, keystore, keyFile } = options;
  const url = rpc === undefined ? {} : { url: rpc };
  if (network === "localhost" && keystore === undefined && keyFile === undefined) return url;
  const { privateKey } = (await openSigner(options)).wallet();
  return { ...url, accounts: [privateKey] };
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
      "members, inspectors, roles, tariff and fee, rules, limits, guardians, retirement",
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
    `the programme holds ${formatEther(parameters.emissionShare)} ${parameters.tokenSymbol} to buy service with; the deployer holds nothing`,
  ].join("\n");
}
