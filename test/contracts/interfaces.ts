import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { Interface } from "ethers";
import hre from "hardhat";

/** What OpenZeppelin specifies in interfaces of its own: roles, and what a contract says about itself. */
const OPENZEPPELIN = ["IAccessControl", "IERC165", "IERC5267"] as const;

/** A public constant of AccessControl: no interface of OpenZeppelin's has it, and Solidity lets none of ours declare it. */
const ADMIN_ROLE = "function DEFAULT_ADMIN_ROLE() view returns (bytes32)";

type Artifact = { readonly abi: readonly object[] };

/** Name, arguments, mutability and results of each function. */
function functionsOf({ abi }: Artifact): readonly string[] {
  return Interface.from(abi).fragments.flatMap((fragment) =>
    fragment.type === "function" ? [fragment.format("minimal")] : [],
  );
}

async function openZeppelins(name: string): Promise<Artifact> {
  const file = import.meta.resolve(`@openzeppelin/contracts/build/contracts/${name}.json`);
  return JSON.parse(await readFile(new URL(file), "utf8"));
}

/** The contracts that can be deployed, by name. */
async function deployables(): Promise<readonly string[]> {
  const sources = [...(await hre.artifacts.getAllFullyQualifiedNames())];
  const names = sources.flatMap((source) => /^contracts\/(\w+)\.sol:\1$/.exec(source)?.[1] ?? []);
  const artifacts = await Promise.all(names.map((name) => hre.artifacts.readArtifact(name)));
  return names.filter((_, i) => artifacts[i]?.bytecode !== "0x");
}

describe("interfaces", () => {
  it("declare every function of their contracts that OpenZeppelin's do not", async () => {
    const foreign = (await Promise.all(OPENZEPPELIN.map(openZeppelins))).flatMap(functionsOf);
    const names = await deployables();
    expect(names).to.have.lengthOf(9);
    for (const name of names) {
      const declared = functionsOf(await hre.artifacts.readArtifact(`I${name}`));
      const known = new Set([...declared, ...foreign, ADMIN_ROLE]);
      const functions = functionsOf(await hre.artifacts.readArtifact(name));
      const missing = functions.filter((signature) => !known.has(signature));
      expect(missing, `I${name} lacks`).to.deep.equal([]);
    }
  });
});
