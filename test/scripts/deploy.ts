import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { DeploymentFile } from "@link-rewards/client/deployment-file";
import { lowercaseHex, ZERO_ADDRESS } from "@link-rewards/core/encoding/bytes";
import { expect } from "chai";
import { keccak256, parseEther } from "ethers";
import hre from "hardhat";
import { checkSuite, deploySuite } from "../../scripts/deployment.ts";
import { readParameters } from "../../scripts/parameters.ts";
import { parametersFor } from "../worlds/contracts.ts";

const PROJECT = path.resolve(import.meta.dirname, "../..");
const PARAMETERS = path.join(PROJECT, "ignition", "parameters");
const DEPLOY = path.join(PROJECT, "scripts", "deploy.ts");
const run = promisify(execFile);

/** A chain behind an HTTP port, as any other network is. */
async function withServer<T>(use: (url: string) => Promise<T>): Promise<T> {
  const server = await hre.network.createServer("default", "127.0.0.1", 0);
  const { address, port } = await server.listen();
  try {
    return await use(`http://${address}:${port}`);
  } finally {
    await server.close();
  }
}

async function deployed() {
  const connection = await hre.network.create();
  const parameters = parametersFor(await connection.ethers.getSigners());
  return { connection, parameters, ...(await deploySuite(connection, parameters)) };
}

describe("deploySuite", () => {
  it("leaves the deployer with no token and no role", async () => {
    const { connection, suite, parameters } = await deployed();
    const { token, ledger, registry, escrow, quorum, distributor } = suite;
    const [deployer] = await connection.ethers.getSigners();
    expect(await token.balanceOf(deployer ?? "")).to.equal(0);
    expect(await token.balanceOf(ledger)).to.equal(parameters.emissionShare);
    expect(await token.balanceOf(parameters.treasury)).to.equal(parseEther("750000000"));
    for (const contract of [registry, escrow, quorum, distributor, ledger]) {
      expect(await contract.hasRole(`0x${"00".repeat(32)}`, deployer ?? "")).to.equal(false);
    }
    await connection.close();
  });

  it("describes what is on the chain: addresses, blocks, arguments, and the hash of the code", async () => {
    const { connection, suite, deployment, parameters } = await deployed();
    expect(deployment).to.deep.include({
      chainId: 31337,
      startBlock: 1,
      genesis: parameters.genesis,
    });
    for (const { address, block, bytecodeHash } of Object.values(deployment.contracts)) {
      const code = await connection.ethers.provider.getCode(address, block);
      expect(keccak256(code)).to.equal(bytecodeHash);
    }
    const { EpochLedger, OracleQuorum } = deployment.contracts;
    expect(EpochLedger.address).to.equal(lowercaseHex(await suite.ledger.getAddress()));
    expect(OracleQuorum.arguments.slice(2)).to.deep.equal([
      parameters.minimumBond.toString(),
      parameters.governance,
    ]);
    await connection.close();
  });

  it("is told from a suite with another guardian, another share, or a role too many", async () => {
    const { connection, suite, parameters } = await deployed();
    const check = (change: object) =>
      checkSuite(connection, suite, { ...parameters, ...change }, 1).then(
        () => "as meant",
        (error: Error) => error.message,
      );
    expect(await check({})).to.equal("as meant");
    expect(await check({ guardian: parameters.treasury })).to.match(/missing role.*extra role/);
    expect(await check({ emissionShare: parseEther("750000001") })).to.match(/the ledger holds/);
    expect(await check({ treasury: parameters.guardian })).to.match(/the treasury holds/);
    const governance = await connection.ethers.getSigner(parameters.governance);
    const role = await suite.registry.MANUFACTURER_ROLE();
    await suite.registry.connect(governance).grantRole(role, parameters.guardian);
    expect(await check({})).to.match(/extra role/);
    await suite.registry.connect(governance).revokeRole(role, parameters.guardian);
    expect(await check({})).to.equal("as meant");
    await connection.close();
  });
});

describe("scripts/deploy.ts", () => {
  it("deploys over HTTP, prints JSON and nothing else on stdout, and writes the same file", async () => {
    const out = await mkdtemp(path.join(tmpdir(), "link-rewards-"));
    try {
      await withServer(async (url) => {
        const arguments_ = ["custom", "--rpc", url, "--json", "--out", out];
        arguments_.push("--parameters", path.join(PARAMETERS, "localhost.json5"));
        // The first account of Hardhat's public mnemonic, which holds ether on its chains only.
        const key = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        const keyFile = path.join(out, "deployer.key");
        await writeFile(keyFile, key, { mode: 0o600 });
        const { stdout, stderr } = await run(
          process.execPath,
          [DEPLOY, ...arguments_, "--key-file", keyFile],
          { cwd: PROJECT },
        );
        const printed = JSON.parse(stdout) as DeploymentFile;
        const written = JSON.parse(await readFile(path.join(out, "31337.json"), "utf8"));
        expect(written).to.deep.equal(printed);
        expect(printed.epochSeconds).to.equal(3600);
        expect(stderr).to.contain("as meant");
      });
    } finally {
      await rm(out, { recursive: true });
    }
  });

  it("takes no key but out of a file, and says so before anything is sent", async () => {
    const parameters = path.join(PARAMETERS, "localhost.json5");
    const arguments_ = ["custom", "--rpc", "http://127.0.0.1:9", "--parameters", parameters];
    const failed = await run(process.execPath, [DEPLOY, ...arguments_], {
      cwd: PROJECT,
      env: { ...process.env, DEPLOYER_KEY: `0x${"11".repeat(32)}` },
    }).catch((error: { code: number; stderr: string }) => error);
    expect(failed).to.include({ code: 3 });
    expect(failed.stderr).to.match(/^deploy: give either --key-file, or --keystore/m);
  });

  it("sends nothing before every holder is named, and says which is missing", async () => {
    const failure = await readParameters(path.join(PARAMETERS, "custom.json5")).catch(String);
    expect(failure).to.match(/custom\.json5/);
    for (const holder of ["governance", "guardian", "manufacturer", "admission", "treasury"]) {
      expect(failure).to.contain(`at ${holder}`);
    }
    const local = await readParameters(path.join(PARAMETERS, "localhost.json5"));
    expect(local.governance).not.to.equal(ZERO_ADDRESS);
    expect(local.genesis).to.equal(undefined);
  });
});
