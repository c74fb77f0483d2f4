import { readdir, readFile } from "node:fs/promises";
import { expect } from "chai";
import { Interface } from "ethers";
import hre from "hardhat";

const HERE = new URL("./", import.meta.url);
const ASSERTION = /(?:revertedWithCustomError|expectRefused)\([^"]*?"(\w+)"/g;

/** The errors that the interfaces declare. */
async function declaredErrors(): Promise<readonly string[]> {
  const names = await hre.artifacts.getAllFullyQualifiedNames();
  const errors = new Set<string>();
  for (const name of names) {
    if (!name.startsWith("contracts/interfaces/")) continue;
    const { abi } = await hre.artifacts.readArtifact(name);
    new Interface(abi).forEachError((error) => errors.add(error.name));
  }
  return [...errors].sort();
}

async function assertedErrors(): Promise<ReadonlySet<string>> {
  const files = (await readdir(HERE)).filter((file) => file.endsWith(".ts"));
  const sources = await Promise.all(files.map((file) => readFile(new URL(file, HERE), "utf8")));
  const matches = sources.flatMap((source) => [...source.matchAll(ASSERTION)]);
  return new Set(matches.map(([, name]) => name ?? ""));
}

describe("custom errors", () => {
  it("of the interfaces are each reached by a test", async () => {
    const declared = await declaredErrors();
    const asserted = await assertedErrors();
    expect(declared.length).to.be.above(50);
    expect(declared.filter((name) => !asserted.has(name))).to.deep.equal([]);
  });
});
