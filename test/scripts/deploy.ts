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
    const { token, registry, programme, escrow, quorum, distributor, ledger } = suite;
    const [deployer] = await connection.ethers.getSigners();
    expect(await token.balanceOf(deployer ?? "")).to.equal(0);
    expect(await token.balanceOf(programme)).to.equal(parameters.emissionShare);
    expect(await token.balanceOf(parameters.treasury)).to.equal(parseEther("750000000"));
    for (const contract of [registry, programme, escrow, quorum, distributor, ledger]) {
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
    const { EpochLedger, LinkToken, OracleQuorum } = deployment.contracts;
    expect(LinkToken.arguments.slice(0, 3)).to.deep.equal([
      "LinkToken",
      "LTK",
      parameters.initialSupply.toString(),
    ]);
    expect(EpochLedger.address).to.equal(lowercaseHex(await suite.ledger.getAddress()));
    expect(OracleQuorum.arguments.slice(2)).to.deep.equal([
      parameters.minimumBond.toString(),
      parameters.governance,
    ]);
    await connection.close();
  });

  it("is told from a suite with any other parameter, or a role too many", async () => {
    const { connection, suite, parameters } = await deployed();
    const check = (change: object) =>
      checkSuite(connection, suite, { ...parameters, ...change }, 1).then(
        () => "as meant",
        (error: Error) => error.message,
      );
    expect(await check({})).to.equal("as meant");
    for (const [name, value] of Object.entries(parameters)) {
      const [other, said] = otherThan(name, value);
      expect(await check({ [name]: other }), name).to.match(said);
    }
    const governance = await connection.ethers.getSigner(parameters.governance);
    const role = await suite.registry.MANUFACTURER_ROLE();
    await suite.registry.connect(governance).grantRole(role, parameters.guardian);
    expect(await check({})).to.match(/extra role/);
    await suite.registry.connect(governance).revokeRole(role, parameters.guardian);
    expect(await check({})).to.equal("as meant");
    await connection.close();
  });

  it("is told from a suite with a contract of another one in it", async () => {
    const { connection, suite, parameters } = await deployed();
    const { suite: other } = await deploySuite(connection, parameters);
    for (const name of LINKED) {
      const mixed = { ...suite, [name]: other[name] };
      const said = await checkSuite(connection, mixed, parameters, 1).catch(String);
      expect(said, name).to.contain(`${name}.ledger is`);
    }
    await connection.close();
  });

  it("lets nobody link between two of its transactions: a stranger who tries after each is refused", async () => {
    const first = await deployed();
    const sent = await transactionsOf(first.connection);
    const connection = await hre.network.create();
    const [deployer, , , , , , stranger] = await connection.ethers.getSigners();
    const addresses = await Promise.all(LINKED.map((name) => first.suite[name].getAddress()));
    let refused = 0;
    for (const { data, to } of sent) {
      await deployer?.sendTransaction({ data, to });
      for (const [i, name] of LINKED.entries()) {
        const address = addresses[i] ?? "";
        if ((await connection.ethers.provider.getCode(address)) === "0x") continue;
        const contract = first.suite[name].attach(address).connect(stranger ?? null);
        const linking = (contract as typeof first.suite.escrow).linkLedger(stranger ?? "");
        await expect(linking).to.be.revertedWithCustomError(first.suite[name], "NotDeployer");
        refused++;
      }
    }
    expect(sent).to.have.lengthOf(9 + LINKED.length + 2);
    expect(refused).to.be.at.least(LINKED.length * 9);
    const suite = Object.fromEntries(
      Object.entries(first.suite).map(([name, contract]) => [
        name,
        contract.connect(deployer ?? null),
      ]),
    ) as typeof first.suite;
    await checkSuite(connection, suite, first.parameters, 1);
    await first.connection.close();
    await connection.close();
  });
});

const LINKED = ["programme", "escrow", "quorum", "distributor", "demands"] as const;

/** What the deployer sent, in order. */
async function transactionsOf({ ethers }: Awaited<ReturnType<typeof deployed>>["connection"]) {
  const sent: { readonly data: string; readonly to: string | null }[] = [];
  const last = await ethers.provider.getBlockNumber();
  for (let number = 1; number <= last; number++) {
    const block = await ethers.provider.getBlock(number, true);
    for (const { data, to } of block?.prefetchedTransactions ?? []) sent.push({ data, to });
  }
  return sent;
}

/** Another value of a parameter, and how it is then said to be wrong. */
function otherThan(name: string, value: unknown): readonly [unknown, RegExp] {
  const someone = `0x${"11".repeat(20)}`;
  switch (name) {
    case "governance":
    case "manufacturer":
    case "admission":
      return [someone, /missing role.*extra role/];
    case "guardian":
      return [someone, /guardian of the distributor.*guardian of the ledger/];
    case "treasury":
      return [someone, /the treasury holds/];
    case "rulesHash":
      return [`0x${"11".repeat(32)}`, /rulesHash is/];
    case "genesis":
    case "epochSeconds":
    case "graceSeconds":
      return [Number(value) + 1, new RegExp(`${name} of 0x`)];
    default:
      return [
        typeof value === "string"
          ? `${value}!`
          : typeof value === "bigint"
            ? value + 1n
            : Number(value) + 1,
        new RegExp(`${name} is`),
      ];
  }
}

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

  it("sends nothing that a constructor would refuse, and says what is wrong", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "link-rewards-"));
    const local = await readFile(path.join(PARAMETERS, "localhost.json5"), "utf8");
    const reading = async (change: string) => {
      const file = path.join(folder, "changed.json5");
      // The last of two members with one name is taken.
      await writeFile(file, local.replace(/\n {2}\},\n\}\s*$/, `\n    ${change},\n  },\n}\n`));
      return readParameters(file).then(() => "taken", String);
    };
    try {
      for (const [change, said] of [
        ["graceSeconds: 0", /at graceSeconds/],
        ["windowSeconds: 0", /at windowSeconds/],
        ["proposalTimeoutSeconds: 0", /at proposalTimeoutSeconds/],
        ["windowSeconds: 900", /less than half an epoch/],
        ["windowSeconds: 899", /taken/],
        ["thawSeconds: 7499", /at least two epochs and the grace/],
        ["thawSeconds: 157680000", /taken/],
        ["thawSeconds: 157680001", /at most five years/],
        ["genesis: 1099511627775", /taken/],
        ["genesis: 1099511627776", /40 bits/],
        ['minimumBond: "0n"', /above zero/],
        ["feeBps: 5000", /taken/],
        ["feeBps: 5001", /at most 5,000/],
        ["feeBps: -1", /at feeBps/],
        ['initialSupply: "0n"', /above zero/],
        ['initialSupply: "2475880078570760549798248447n"', /taken/],
        ['initialSupply: "2475880078570760549798248448n"', /a 32nd of 96 bits/],
        ['initialSupply: "79228162514264337593543950336n"', /96 bits/],
        ['emissionShare: "1500000000000000000000000000n"', /taken/],
        ['emissionShare: "1500000000000000000000000001n"', /within the initial supply/],
        ['emissionShare: "0n"', /taken/],
        ['egressPrice: "-1n"', /at egressPrice/],
        ['tokenName: ""', /at tokenName/],
        ['tokenSymbol: ""', /at tokenSymbol/],
        [`rulesHash: "0x${"00".repeat(32)}"`, /not zero/],
        ["epochSeconds: 31536001", /longer than a year/],
        ["rewardCapBps: 10000", /rewardCapBps/],
      ] as const) {
        expect(await reading(change), change).to.match(said);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
