import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");

const IMPORTS = "lint/style/noRestrictedImports";
const NODE_MODULES = "lint/correctness/noNodejsModules";
const GLOBALS = "lint/style/noRestrictedGlobals";

/** One small file per sentence: where it stands, what it says, and the rules that must object. */
const plants: { name: string; path: string; source: string; objections: string[] }[] = [
  {
    name: "lets core import core and pure libraries",
    path: "oracle/core/clean.ts",
    source: `
      import { keccak_256 } from "@noble/hashes/sha3.js";
      import canonicalize from "canonicalize";
      import { neighbour } from "./neighbour.ts";
      export const clean = [keccak_256, canonicalize, neighbour];`,
    objections: [],
  },
  {
    name: "keeps the edge out of core",
    path: "oracle/core/imports-edge.ts",
    source: `import { http } from "../edge/http.ts"; export const planted = http;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps the composition out of core",
    path: "oracle/core/imports-composition.ts",
    source: `import { oracle } from "../oracle.ts"; export const planted = oracle;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps core flat",
    path: "oracle/core/imports-folder.ts",
    source: `import { deep } from "./folder/deep.ts"; export const planted = deep;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps libraries outside the allow-list out of core",
    path: "oracle/core/imports-library.ts",
    source: `import { id } from "ethers"; export const planted = id;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps Node's modules out of core",
    path: "oracle/core/imports-node.ts",
    source: `import { readFileSync } from "node:fs"; export const planted = readFileSync;`,
    objections: [NODE_MODULES, IMPORTS],
  },
  {
    name: "keeps late imports out of core",
    path: "oracle/core/imports-late.ts",
    source: `export const planted = () => import("../edge/http.ts");`,
    objections: [IMPORTS],
  },
  ...["Date", "process", "console", "fetch", "crypto", "Buffer", "globalThis", "setTimeout"].map(
    (name) => ({
      name: `keeps ${name} out of core`,
      path: `oracle/core/uses-${name.toLowerCase()}.ts`,
      source: `export const planted = () => ${name};`,
      objections: [GLOBALS],
    }),
  ),
  {
    name: "keeps Math.random out of core",
    path: "oracle/core/uses-random.ts",
    source: "export const planted = () => Math.random();",
    objections: ["plugin"],
  },
  {
    name: "lets an edge import core, libraries and Node",
    path: "oracle/edge/clean.ts",
    source: `
      import { readFileSync } from "node:fs";
      import { id } from "ethers";
      import { neighbour } from "../core/neighbour.ts";
      export const clean = [id, neighbour, readFileSync];`,
    objections: [],
  },
  {
    name: "keeps edges from importing each other",
    path: "oracle/edge/imports-sibling.ts",
    source: `import { store } from "./store.ts"; export const planted = store;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps the composition out of the edges",
    path: "oracle/edge/imports-composition.ts",
    source: `import { oracle } from "../oracle.ts"; export const planted = oracle;`,
    objections: [IMPORTS],
  },
  {
    name: "lets a device import core",
    path: "device/clean.ts",
    source: `import { neighbour } from "../oracle/core/neighbour.ts"; export const clean = neighbour;`,
    objections: [],
  },
  {
    name: "keeps the oracle's edges out of devices",
    path: "device/imports-edge.ts",
    source: `import { http } from "../oracle/edge/http.ts"; export const planted = http;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps the oracle's composition out of devices",
    path: "device/imports-composition.ts",
    source: `import { oracle } from "../oracle/oracle.ts"; export const planted = oracle;`,
    objections: [IMPORTS],
  },
  {
    name: "lets a page import core and libraries",
    path: "web/clean.ts",
    source: `
      import { id } from "ethers";
      import { neighbour } from "../oracle/core/neighbour.ts";
      export const clean = [id, neighbour];`,
    objections: [],
  },
  {
    name: "keeps the oracle's edges out of pages",
    path: "web/imports-edge.ts",
    source: `import { http } from "../oracle/edge/http.ts"; export const planted = http;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps the oracle's composition out of pages",
    path: "web/sources/imports-composition.ts",
    source: `import { oracle } from "../../oracle/oracle.ts"; export const planted = oracle;`,
    objections: [IMPORTS],
  },
  {
    name: "keeps Node's modules out of pages",
    path: "web/imports-node.ts",
    source: `import { readFileSync } from "node:fs"; export const planted = readFileSync;`,
    objections: [NODE_MODULES],
  },
  {
    name: "refuses an import cycle",
    path: "oracle/cycle-start.ts",
    source: `import { end } from "./cycle-end.ts"; export const start = () => end;`,
    objections: ["lint/suspicious/noImportCycles"],
  },
  {
    name: "refuses a barrel file",
    path: "oracle/barrel.ts",
    source: `export { neighbour } from "./core/neighbour.ts";`,
    objections: ["lint/performance/noBarrelFile"],
  },
  {
    name: "refuses a default export",
    path: "oracle/default-export.ts",
    source: "export default 1;",
    objections: ["lint/style/noDefaultExport"],
  },
];

/** Files the plants point at; nothing is expected of them. */
const scenery = [
  ["oracle/core/neighbour.ts", "export const neighbour = 1;"],
  ["oracle/core/folder/deep.ts", "export const deep = 1;"],
  ["oracle/edge/http.ts", "export const http = 1;"],
  ["oracle/edge/store.ts", "export const store = 1;"],
  ["oracle/oracle.ts", "export const oracle = 1;"],
  ["oracle/cycle-end.ts", `import { start } from "./cycle-start.ts"; export const end = start;`],
] as const;

type Diagnostics = { diagnostics: { category: string; location: { path: string } }[] };

describe("boundaries", () => {
  let folder: string;
  let objectionsTo: (path: string) => string[];

  // Planted outside the checkout, under the checkout's own rules: a killed test leaves nothing behind.
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "link-rewards-boundaries-"));
    for (const rules of ["biome.json", "package.json", "scripts/lint"])
      await cp(join(checkout, rules), join(folder, rules), { recursive: true });
    for (const [path, source] of [...scenery, ...plants.map((p) => [p.path, p.source] as const)]) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), source);
    }
    const { diagnostics } = await lint(folder);
    objectionsTo = (path) =>
      diagnostics
        .filter(({ location }) => location.path.replaceAll("\\", "/") === path)
        .map(({ category }) => category)
        .sort();
  });

  after(() => rm(folder, { recursive: true, force: true }));

  for (const { name, path, objections } of plants)
    it(name, () => expect(objectionsTo(path)).to.deep.equal([...objections].sort()));
});

/** Biome exits 1 when it objects, which here is the point; only unreadable output is a failure. */
function lint(cwd: string): Promise<Diagnostics> {
  const options = ["lint", "--reporter=json", "--max-diagnostics=none", "--vcs-enabled=false"];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [biome, ...options], { cwd }, (_exit, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch (cause) {
        reject(new Error(`biome gave no report: ${stderr}`, { cause }));
      }
    });
  });
}
