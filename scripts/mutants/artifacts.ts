import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Compiled } from "./compiler.ts";
import { ARTIFACTS, UNTOUCHED } from "./project.ts";

/** What tests deploy: Hardhat's files, in which another code can be put. */
export type Artifacts = {
  /** Names of the sources that are built for everybody, and of those for the Solidity tests alone. */
  readonly contracts: readonly string[];
  readonly tests: readonly string[];
  put(contracts: readonly Compiled[]): Promise<void>;
  /** Each as it was built. */
  restore(): Promise<void>;
};

type Artifact = {
  readonly contractName: string;
  /** As solc names it. */
  readonly inputSourceName: string;
};

/** Of the project in `folder`, restored: a run before this one may have been stopped in the middle. */
export async function openArtifacts(folder: string): Promise<Artifacts> {
  const originals = new Map<string, string>();
  const pathsOf = new Map<string, string[]>();
  const sources: string[][] = [];
  for (const artifacts of ARTIFACTS) {
    const untouched = join(folder, UNTOUCHED, artifacts);
    const built = new Set<string>();
    for (const name of await readdir(untouched, { recursive: true })) {
      if (!name.endsWith(".json") || name.startsWith("build-info")) continue;
      const text = await readFile(join(untouched, name), "utf8");
      const { inputSourceName, contractName }: Artifact = JSON.parse(text);
      const path = join(folder, artifacts, name);
      originals.set(path, text);
      const key = `${inputSourceName}:${contractName}`;
      pathsOf.set(key, [...(pathsOf.get(key) ?? []), path]);
      built.add(inputSourceName);
    }
    await cp(untouched, join(folder, artifacts), { recursive: true });
    sources.push([...built]);
  }
  const [contracts = [], tests = []] = sources;
  const changed = new Set<string>();
  return {
    contracts,
    tests: tests.filter((source) => !contracts.includes(source)),
    async put(compiled) {
      for (const { source, name, bytecode, deployedBytecode } of compiled) {
        for (const path of pathsOf.get(`${source}:${name}`) ?? []) {
          const artifact = {
            ...JSON.parse(originals.get(path) ?? "{}"),
            bytecode: `0x${bytecode.object}`,
            deployedBytecode: `0x${deployedBytecode.object}`,
            linkReferences: bytecode.linkReferences ?? {},
            deployedLinkReferences: deployedBytecode.linkReferences ?? {},
            immutableReferences: deployedBytecode.immutableReferences ?? {},
          };
          changed.add(path);
          await writeFile(path, JSON.stringify(artifact));
        }
      }
    },
    async restore() {
      for (const path of changed) await writeFile(path, originals.get(path) ?? "");
      changed.clear();
    },
  };
}
